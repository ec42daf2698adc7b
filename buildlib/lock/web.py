"""Reading pages of the outside for `lock`, with retries, through the fetcher's own client."""

from __future__ import annotations

import threading

from buildlib.errors import ActionError
from buildlib.fetch.locate import Locator
from buildlib.fetch.source import Urls
from buildlib.fetch.trouble import WebError
from buildlib.fetch.web import Retry, Web
from buildlib.model.settings import Network
from buildlib.store.content import ContentStore, Stored


def get(url: str, accept: str = "*/*") -> bytes:
    """The bytes at an address.

    Raises:
        ActionError: They cannot be had.
    """
    try:
        return Web(Retry(), threading.Event()).page(url, accept)[2]
    except WebError as error:
        raise _unreadable(url, error) from None


def located(network: Network, url: str) -> str:
    """Where a declared address leads to at this site (`pypi:` ones are asked of the index).

    Raises:
        ActionError: The index cannot be read, or has no such file.
    """
    try:
        return Locator(network, Web(Retry(), threading.Event())).find(Urls((url,)))[0]
    except WebError as error:
        raise _unreadable(url, error) from None


def store(content: ContentStore, url: str) -> Stored:
    """Put the file at an address into the store, byte for byte as the fetcher will get it.

    A page may be unpacked on the way; a `.tgz` that is served as "encoded" must not be.

    Raises:
        ActionError: It cannot be had.
    """
    web = Web(Retry(), threading.Event())

    def once() -> Stored:
        answer = web.get(url, {"Accept-Encoding": "identity"})
        with content.writer() as out:
            for chunk in web.chunks(answer):
                out.write(chunk)
            return out.commit()

    try:
        return web.retrying(once)
    except WebError as error:
        raise _unreadable(url, error) from None


def _unreadable(url: str, error: WebError) -> ActionError:
    return ActionError(
        f"{url} cannot be read: {error}", fix="check [tool.buildlib.network] of pyproject.toml"
    )
