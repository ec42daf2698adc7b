"""A folder of files by sha256, to carry into a site without a network.

It has the layout of the store, so such a folder can *be* the store (BUILDLIB_STORE). What comes
from a folder into another is hashed on the way: media fail, and hands are many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.core.store.content import ContentStore, HashMismatch, absent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildlib.outside.fetch.source import Download


def export_to(store: ContentStore, downloads: Iterable[Download], folder: str) -> int:
    """Fill a folder with downloads that the store has.

    Args:
        store: Where they are.
        downloads: What to take along; fetch them before.
        folder: Made if it does not exist; what it has already is not copied again.

    Returns:
        How many files were copied.

    Raises:
        ActionError: The store does not have one, or not as its name says (`HashMismatch`; that
            file is moved aside, so fetching again mends it).
    """
    target = ContentStore(folder)
    return sum(_export(store, download, target) for download in downloads)


def _export(store: ContentStore, download: Download, target: ContentStore) -> bool:
    """Copy one download unless it is there; whether it was copied."""
    if target.check(download.sha256, download.size, what=download.filename):
        return False
    try:
        target.add_file(store.path(download.sha256), download.sha256)
    except FileNotFoundError:
        raise absent(store.root, download.sha256) from None
    except HashMismatch:
        store.verify(download.sha256, what=download.filename)
        raise
    return True
