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
        section: Section of the lock it is pinned in.
        filename: What it is called.
        sha256: Where it is in the store.
        size: Its length in bytes.
    """

    section: str
    filename: str
    sha256: str
    size: int
