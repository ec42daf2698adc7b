"""The files that an action reads, as they were when its key was computed."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A source file: its absolute path, and its stamp as in `Tree.stamps`."""

    path: str
    stamp: str


class Fetched(NamedTuple):
    """A pinned file in the content store; `path` is that in a build context."""

    path: str
    sha256: str
    size: int
