"""Pins of downloads: whatever the address serves now; a person reviews the diff."""

from __future__ import annotations

from buildlib.build.workspace import Workspace
from buildlib.core.model.lock import Entry, Item
from buildlib.core.model.settings import Network
from buildlib.core.model.target import Pin, Target
from buildlib.core.store.content import ContentStore, Stored
from buildlib.errors import ActionError
from buildlib.outside.fetch.locate import Locator
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.retry import Retry


def download_entry(workspace: Workspace, target: Target, pin: Pin) -> Entry:
    """Fetch a declared file from the first address that answers; the content store keeps it.

    Raises:
        ActionError: None answers.
    """
    failures: list[ActionError] = []
    for url in pin.asked:
        try:
            sha256, size = _download(workspace.store, _address_of(workspace.settings.network, url))
        except ActionError as error:
            failures.append(error)
            continue
        return Entry(pin.asked, {target.attrs["filename"]: Item("-", sha256, size, url)})
    raise failures[0]


def _address_of(network: Network, url: str) -> str:
    """Return where a declared address leads at this site (the index resolves `pypi:` ones)."""
    try:
        return Locator(network, HttpClient(Retry())).find([url])[0]
    except HttpError as error:
        raise _unreadable(url, error) from None


def _download(content: ContentStore, url: str) -> Stored:
    """Put the file at an address into the store, byte for byte as the fetcher will get it.

    A page may be decompressed on the way; a `.tgz` that is served as "encoded" must not be.
    """
    client = HttpClient(Retry())

    def once() -> Stored:
        opened = client.get(url, {})
        with content.writer() as out:
            for chunk in client.chunks(opened):
                out.write(chunk)
            return out.commit()

    try:
        return client.retrying(once)
    except HttpError as error:
        raise _unreadable(url, error) from None


def _unreadable(url: str, error: HttpError) -> ActionError:
    return ActionError(
        f"{url} cannot be read: {error}", fix="check [tool.buildlib.network] of pyproject.toml"
    )
