"""What an action makes: an image, or files in the content store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

EXPORT = "release.tar"
"""The output of an archive that becomes its release file."""


DIST = "dist"
"""Folder of release files, which is in no tree; a release has a folder of its version in it."""


class Export(NamedTuple):
    """A built file that a person finds in the workspace, beside its place in the store.

    Attributes:
        file: Name of the output.
        path: Where it is written; compressed where this ends in `.gz`.
    """

    file: str
    path: str


class FileOutput(NamedTuple):
    """A built file.

    Attributes:
        executable: Whether it is laid into a build context with mode 0555, and not 0444.
    """

    sha256: str
    size: int
    executable: bool = False


class Output(NamedTuple):
    """What an action made.

    Attributes:
        image: What the engine calls the image, `sha256:…`; empty where none was made.
        files: By name, relative to where the target's files go.
        identity: The digest of the image's configuration, by which all engines and registries
            know it; empty where that is not known.
    """

    image: str = ""
    files: Mapping[str, FileOutput] = {}
    identity: str = ""
