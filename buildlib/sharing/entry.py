"""What the registry keeps for a key: the form of the record beside an image, and its checks.

Pure: bytes in, an `Entry` or the sentence of what is wrong out. Knows the forms of manifests, and
not how a registry is asked. Whatever comes from a registry is doubted: whoever may write there
may have written anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from buildlib.keys.record import KeyRecord
from buildlib.model.output import FileOutput

ARTIFACT = "application/vnd.buildlib.record.v1+json"
"""What the artifact is; see `artifactType` in the OCI image specification 1.1."""
LAYER = "application/vnd.buildlib.record.v1+json+gzip"
"""Its first layer, the record; further layers are the files of the target."""


class Invalid(Exception):
    """An entry that cannot be used; its text says what is wrong with it."""


class Entry(NamedTuple):
    """What a registry has for a key.

    Attributes:
        label: The target, as text.
        key: Its key, 64 hex digits.
        image_id: What engines call the image, `sha256:…`; empty for a target with files.
        digest: Of the image's manifest; of the record's own for a target with files.
        size: Bytes to transfer at most: all blobs of the image, or all files.
        files: The target's files, by name.
        pushed: When it was published, in seconds since 1970.
        seconds: How long the target took to build.
        platform: Such as `linux/amd64`; empty for a target with files.
        repository: Where it is, as `names.repository` gives it (with the registry's host).
        records: Its key record and those of all below it, by key: what `why --against` reads.
    """

    label: str
    key: str
    image_id: str
    digest: str
    size: int
    files: Mapping[str, FileOutput]
    pushed: int
    seconds: float = 0.0
    platform: str = ""
    repository: str = ""
    records: Mapping[str, KeyRecord] = {}
