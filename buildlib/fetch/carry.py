"""A folder of files by sha256, to carry into a site without a network.

It has the layout of the store, so such a folder can also *be* the store (BUILDLIB_STORE), or be
taken into it here. What comes from a folder is hashed on its way in: media fail, and hands are
many.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildlib.store.content import ContentStore, HashMismatch, absent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildlib.fetch.source import Download


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


def import_from(store: ContentStore, folder: str) -> int:
    """Take all files of such a folder into the store.

    Returns:
        How many the store did not have.

    Raises:
        HashMismatch: One is not what its name says; those before it were taken.
    """
    taken = 0
    for digest in _digests(folder):
        path = ContentStore(folder).path(digest)
        if not store.has(digest, os.stat(path).st_size):
            store.add_file(path, digest)
            taken += 1
    return taken


def take_from(folder: str, download: Download, store: ContentStore) -> bool:
    """Copy one download from a folder into a store that does not have it.

    Returns:
        Whether it was copied.

    Raises:
        HashMismatch: The folder's file is not what its name says.
        FileNotFoundError: The folder does not have it either.
    """
    if store.has(download.sha256, download.size):
        return False
    store.add_file(ContentStore(folder).path(download.sha256), download.sha256)
    return True


def _export(store: ContentStore, download: Download, target: ContentStore) -> bool:
    try:
        return take_from(store.root, download, target)
    except FileNotFoundError:
        raise absent(store.root, download.sha256) from None
    except HashMismatch:
        store.verify(download.sha256)
        raise


def _digests(folder: str) -> Iterable[str]:
    root = os.path.join(folder, "sha256")
    for start in sorted(os.listdir(root)) if os.path.isdir(root) else ():
        for rest in sorted(os.listdir(os.path.join(root, start))):
            yield start + rest
