"""Pins of downloads: whatever the address serves now; a person reviews the diff."""

from __future__ import annotations

from buildlib.errors import ActionError
from buildlib.lock.web import located, store
from buildlib.model.lock import Entry, Item
from buildlib.model.target import Pin, Target
from buildlib.workspace import Workspace


def download_entry(workspace: Workspace, target: Target, pin: Pin) -> Entry:
    """Fetch a declared file and note what it is; it stays in the content store.

    Args:
        workspace: For the store.
        target: The `download`.
        pin: Its addresses; the first that answers counts.

    Raises:
        ActionError: None of them does.
    """
    failures: list[ActionError] = []
    for url in pin.asked:
        try:
            sha256, size = store(workspace.store, located(workspace.settings.network, url))
        except ActionError as error:
            failures.append(error)
            continue
        return Entry(pin.asked, {target.attrs["filename"]: Item("-", sha256, size, url)})
    raise failures[0]
