"""Pins of downloads: whatever the address serves now; a person reviews the diff."""

from __future__ import annotations

import os

from buildlib.lock.web import get
from buildlib.model.lock import Entry, Item
from buildlib.model.target import Pin, Target
from buildlib.workspace import Workspace


def download_entry(workspace: Workspace, target: Target, pin: Pin) -> Entry:
    """Fetch a declared file and note what it is; it stays in the content store.

    Args:
        workspace: For the store.
        target: The `download`.
        pin: Its addresses; the first is asked.
    """
    sha256 = workspace.store.add_bytes(get(pin.asked[0]))
    size = os.path.getsize(workspace.store.path(sha256))
    return Entry(pin.asked, {target.attrs["filename"]: Item("-", sha256, size, pin.asked[0])})
