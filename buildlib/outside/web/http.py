"""The HTTP client for pages and files: logins, redirects, retries; can be stopped.

It knows no digests and writes no files: `fetch.transfer` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import urllib3

from buildlib.outside.web.address import Address, Origin
from buildlib.outside.web.connections import (
    ERROR,
    Connections,
    Request,
    Response,
    address_of,
    follow_redirects,
    pieces,
    read_all,
)
from buildlib.outside.web.credentials import netrc_login
from buildlib.outside.web.errors import HttpError, status_error
from buildlib.outside.web.retry import OnePerWait, Retry, Stopped, retrying
from buildlib.outside.web.trust import host_trust

T = TypeVar("T")


class OpenResponse(NamedTuple):
    """A response with a status below 400 whose body is still to be read.

    Attributes:
        url: After redirects, without credentials.
    """

    url: str
    response: urllib3.BaseHTTPResponse


class HttpClient:
    """A client that reads. Safe for several threads.

    Args:
        retry: How often requests are tried again, with which waits and timeouts.
        stop: Set it, and every thread in this client soon ends with `Stopped`.
        keep: How many connections to keep open to one host.
        tell: Takes a line for people about each wait that takes its time; called in any thread.
    """

    def __init__(
        self,
        retry: Retry,
        stop: threading.Event | None = None,
        *,
        keep: int = 8,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._retry = retry
        self._tell = OnePerWait(tell)
        self._stop = stop or threading.Event()
        self._connections = Connections(host_trust(), retry, keep=keep)
        self._logins: dict[Origin, str] = {}
        self._unreachable: dict[Origin, HttpError] = {}

    def get(self, url: str, headers: Mapping[str, str]) -> OpenResponse:
        """Send once, following redirects.

        Raises:
            HttpError: No response came, or its status is 400 or above.
        """

        def send(link: str) -> urllib3.BaseHTTPResponse:
            address = address_of(link)
            if address.origin in self._unreachable:  # used up the attempts of one download
                raise HttpError(self._unreachable[address.origin].reason, "silent", url=url)
            login = self._login(address)
            authorization = {"Authorization": login} if login else {}
            return self._connections.send(Request("GET", address.url, {**headers, **authorization}))

        final, response = follow_redirects(send, url)
        if response.status >= ERROR:
            response.close()
            after = response.headers.get("Retry-After", "")
            raise status_error(response.status, response.reason or "", url=url, retry_after=after)
        return OpenResponse(address_of(final).url, response)

    def page(self, url: str, accept: str) -> tuple[str, Response]:
        """A whole page, with retries, and its URL after redirects; fails as `get`."""

        def once() -> tuple[str, Response]:
            opened = self.get(url, {"Accept": accept, "Accept-Encoding": "gzip"})
            return opened.url, read_all(opened.response, url)

        return self.retrying(url, once)

    def chunks(self, opened: OpenResponse) -> Iterator[bytes]:
        """Stream the body as it was sent.

        Raises:
            HttpError: The body ended early, or the server went silent.
            Stopped: `stop` was set.
        """
        for piece in pieces(opened.response, opened.url):
            yield piece
            if self._stop.is_set():
                raise Stopped

    def retrying(self, url: str, call: Callable[[], T], progress: Callable[[], int] = int) -> T:
        """`retry.retrying` of a call that asks for `url`; waits end with `Stopped` on `stop`."""

        def tell(what: str, seconds: float) -> None:
            self._tell(f"warning: {address_of(url).origin.host} {what}", seconds)

        try:
            return retrying(call, self._retry, self._wait, progress, tell)
        except HttpError as error:
            if error.kind == "silent" and error.transient:
                # Further requests to a host that never answers fail at once.
                self._unreachable[address_of(error.url).origin] = error
            raise

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _login(self, address: Address) -> str:
        """The login in a URL, else the last one for its origin, else that of netrc.

        The pages of an index behind a password link to files without it.
        """
        if address.login:
            self._logins[address.origin] = address.login
        elif address.origin not in self._logins:
            login = netrc_login(address.origin.host)
            self._logins[address.origin] = login.basic if login else ""
        return self._logins[address.origin]
