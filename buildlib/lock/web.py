"""Reading pages of the outside for `lock`, with retries, through the fetcher's own client."""

from __future__ import annotations

import threading

from buildlib.errors import ActionError
from buildlib.fetch.trouble import WebError
from buildlib.fetch.web import Retry, Web


def get(url: str, accept: str = "*/*") -> bytes:
    """The bytes at an address.

    Raises:
        ActionError: They cannot be had.
    """
    try:
        return Web(Retry(), threading.Event()).page(url, accept)[2]
    except WebError as error:
        raise ActionError(
            f"{url} cannot be read: {error}", fix="check [tool.buildlib.network] of pyproject.toml"
        ) from None
