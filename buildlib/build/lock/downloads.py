"""Pins of downloads: whatever the address serves now; a person reviews the diff."""

from __future__ import annotations

from buildlib.build.workspace import Workspace
from buildlib.core.model.lock import Entry, Item
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
    client = HttpClient(Retry())
    locator = Locator(workspace.settings.network, client)
    failures: list[ActionError] = []
    for url in pin.asked:
        address = url
        try:
            (address,) = locator.find([url])  # resolves `pypi:` and `maven:` ones
            sha256, size = locked_file(client, workspace.store, address)
        except HttpError as error:
            fix = "check [tool.buildlib.network] of pyproject.toml"
            if url.startswith(("https://", "http://")):
                fix = f"correct the address in urls ({target.where})"
            failures.append(ActionError(str(error) if error.url else f"{address} {error}", fix=fix))
            continue
        return Entry(pin.asked, {target.attrs["filename"]: Item("-", sha256, size, url)})
    raise failures[0]


def locked_file(client: HttpClient, content: ContentStore, url: str) -> Stored:
    """Put the file at an address into the store, byte for byte as the fetcher will get it.

    A page may be decompressed on the way; a `.tgz` that is served as "encoded" must not be.
    """

    def once() -> Stored:
        opened = client.get(url, {})
        with content.writer() as out:
            for chunk in client.chunks(opened):
                out.write(chunk)
            return out.commit()

    return client.retrying(url, once)
