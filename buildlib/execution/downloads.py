"""From pins to downloads: where each kind of pin is fetched from, and what it is called."""

from __future__ import annotations

from buildlib.fetch.source import DebianPath, Download, PyPIFile, Urls
from buildlib.model.lock import Item, file_name
from buildlib.model.target import Pin

FETCHED_SECTIONS = ("apt", "download", "python", "rootfs")
"""Sections whose items are files; images are pulled instead."""


def download(pin: Pin, name: str, item: Item) -> Download:
    """How an item of the lock is fetched.

    Args:
        pin: The pin that the item belongs to.
        name: The item's name in the lock.
        item: The item.
    """
    size = item.size or None
    if pin.section == "python":
        return Download(item.sha256, size, name, PyPIFile(item.where, name))
    if pin.section == "download":
        return Download(item.sha256, size, name, Urls(pin.asked))
    return Download(
        item.sha256, size, file_name(pin.section, name, item.where), DebianPath(item.where)
    )
