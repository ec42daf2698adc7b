"""Pages and files of the web, read with logins, redirects and retries, until it is told to stop.

The module knows no digest and no file: see `fetch.transfer`.
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
    follow,
    parsed,
    pieces,
    whole,
)
from buildlib.outside.web.credentials import netrc_login
from buildlib.outside.web.errors import HttpError, refusal
from buildlib.outside.web.retry import Retry, Stopped, retrying
from buildlib.outside.web.trust import host_trust

T = TypeVar("T")


class Opened(NamedTuple):
    """An answer below 400 with a body still to be read.

    Attributes:
        url: Where it came from in the end, without credentials.
        response: The answer.
    """

    url: str
    response: urllib3.BaseHTTPResponse


class Page(NamedTuple):
    """A page.

    Attributes:
        url: Where it came from in the end, without credentials.
        media_type: What its server says that it is.
        data: Its bytes.
    """

    url: str
    media_type: str
    data: bytes


class HttpClient:
    """Whoever reads from the web; safe to use from many threads.

    Args:
        retry: What is tried again.
        stop: Set by the owner to make every thread inside end soon, with `Stopped`.
        keep: How many connections to keep open to one host.
    """

    def __init__(self, retry: Retry, stop: threading.Event | None = None, *, keep: int = 8) -> None:
        self._retry = retry
        self._stop = stop or threading.Event()
        self._connections = Connections(host_trust(), retry, keep=keep)
        self._logins: dict[Origin, str] = {}
        self._silent: dict[Origin, HttpError] = {}

    def get(self, url: str, headers: Mapping[str, str]) -> Opened:
        """Ask once, following redirects.

        Raises:
            HttpError: There is no answer, or its status is 400 or above.
        """

        def send(at: str) -> urllib3.BaseHTTPResponse:
            address = parsed(at)
            if address.origin in self._silent:  # has cost one download all its attempts already
                raise HttpError(self._silent[address.origin].reason, "silent", url=url)
            login = self._login(address)
            shown = {"Authorization": login} if login else {}
            return self._connections.send(Request("GET", address.url, {**headers, **shown}))

        final, response = follow(send, url)
        if response.status >= ERROR:
            response.close()
            after = response.headers.get("Retry-After", "")
            raise refusal(response.status, response.reason or "", url=url, retry_after=after)
        return Opened(parsed(final).url, response)

    def page(self, url: str, accept: str) -> Page:
        """A whole page, with retries.

        Raises:
            HttpError: As `get`, after the last attempt.
        """

        def once() -> Page:
            opened = self.get(url, {"Accept": accept, "Accept-Encoding": "gzip"})
            answer = whole(opened.response, url)
            return Page(opened.url, answer.headers.get("Content-Type", ""), answer.data)

        return self.retrying(once)

    def chunks(self, opened: Opened) -> Iterator[bytes]:
        """The body as it arrives, as it was sent.

        Raises:
            HttpError: It ended early or the server went silent.
            Stopped: The owner wants no more.
        """
        for piece in pieces(opened.response, opened.url):
            yield piece
            if self._stop.is_set():
                raise Stopped

    def retrying(self, call: Callable[[], T], progress: Callable[[], int] = int) -> T:
        """Call until it succeeds, waiting between attempts; see `retry.retrying`.

        Raises:
            HttpError: Permanent, or the last of too many.
            Stopped: The owner wants no more.
        """
        try:
            return retrying(call, self._retry, self._wait, progress)
        except HttpError as error:
            if error.kind == "silent" and error.transient:
                # Others from a host that never answers fail at once, not each in its turn.
                self._silent[parsed(error.url).origin] = error
            raise

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _login(self, address: Address) -> str:
        """The login of an address, else the last for its host, else that of netrc.

        An index behind a password gives addresses of files without it.
        """
        if address.login:
            self._logins[address.origin] = address.login
        elif address.origin not in self._logins:
            found = netrc_login(address.origin.host)
            self._logins[address.origin] = found.basic if found else ""
        return self._logins[address.origin]
