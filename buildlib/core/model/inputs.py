"""What an action reads, as its key saw it."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A source file.

    Attributes:
        path: Absolute path.
        stamp: See `Tree.stamps`.
    """

    path: str
    stamp: str


class Fetched(NamedTuple):
    """A pinned file in the content store.

    Attributes:
        path: Where it lies in a build context.
        size: Its length in bytes.
    """

    path: str
    sha256: str
    size: int
