"""The result of an action: an image, or files in the content store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

EXPORT = "release.tar"
"""The output of an archive that becomes its release file."""
DIST = "dist"
"""Folder of release files, which no tree shows; each release has a folder of its version in it."""


class Export(NamedTuple):
    """A built file that is written into the workspace too.

    Attributes:
        file: Name of the output.
        path: Where it is written; compressed if it ends in `.gz`.
    """

    file: str
    path: str


class FileOutput(NamedTuple):
    """A built file; an executable one has mode 0555 in a build context, others 0444."""

    sha256: str
    size: int
    executable: bool = False


class Output(NamedTuple):
    """The result of an action.

    Attributes:
        image: The engine's ID of the image, `sha256:…`; empty if no image was made.
        files: By name, relative to where the target's files go.
        identity: The digest of the image's configuration, which is the same in all engines and
            registries; empty if unknown.
    """

    image: str = ""
    files: Mapping[str, FileOutput] = {}
    identity: str = ""
