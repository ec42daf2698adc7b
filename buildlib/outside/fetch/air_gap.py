"""A folder of downloads to carry to a site without a network (air gap).

The folder has the layout of the store, so it can *be* the store there (BUILDLIB_STORE). Files are
hashed while they are copied, as media fail.
"""

from __future__ import annotations

from collections.abc import Iterable

from buildlib.core.store.content import ContentStore, HashMismatch, absent
from buildlib.outside.fetch.source import Download


def export_to(store: ContentStore, downloads: Iterable[Download], folder: str) -> int:
    """Copy downloads, which the store must have, to a folder; returns how many it lacked.

    A file that does not match its digest is moved aside, so that the next fetch replaces it.
    """
    target = ContentStore(folder)
    return sum(_export(store, download, target) for download in downloads)


def _export(store: ContentStore, download: Download, target: ContentStore) -> bool:
    """Copy one download unless the target has it; returns whether it was copied."""
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
