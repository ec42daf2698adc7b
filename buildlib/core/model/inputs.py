"""The files that an action reads, as they were when its key was computed."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A source file.

    Attributes:
        path: Absolute.
        stamp: Content and mode, as `Tree.stamps` gives them.
    """

    path: str
    stamp: str


class Fetched(NamedTuple):
    """A pinned file in the content store.

    Attributes:
        path: Its path in a build context.
        size: In bytes.
    """

    path: str
    sha256: str
    size: int
