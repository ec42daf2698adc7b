"""One HTTP request over connections that stay open, direct or through the site's proxy; redirects.

Over urllib3, which docker's SDK brings along: it keeps connections open (a Debian root file system
is 90 small files from one host) and notices a body that ends early; `urllib.request` does neither.
Not over requests, which trusts a bundle of its own instead of the host's. Loading it costs some
85 ms. Its own retries and redirects are off: see `retry`, and a redirect may lead to whom another
proxy, another login or none is for.

Requests fail with `HttpError`, once; an answer of 400 or above is an answer here.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin
from urllib.request import getproxies

import urllib3

from buildlib.outside.web.address import Address, read
from buildlib.outside.web.errors import HttpError, failure
from buildlib.outside.web.proxies import Proxy, proxy_for
from buildlib.outside.web.retry import Retry

PIECE = 1 << 16
ERROR = 400
"""Statuses from here on are refusals (RFC 9110, 15)."""
_HOPS = 10
_SETTLING = 300.0  # seconds: a registry may move or hash a large blob before it answers


class Body(NamedTuple):
    """What a request brings along; it can be sent again.

    Attributes:
        size: In bytes.
        pieces: Gives them from the beginning.
    """

    size: int
    pieces: Callable[[], Iterator[bytes]]


class Request(NamedTuple):
    """What is asked; it can be asked again.

    Attributes:
        method: Of HTTP.
        url: The address.
        headers: More than those of every request.
        body: What it brings along.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body | None = None


class Answer(NamedTuple):
    """An answer, read whole.

    Attributes:
        status: Its status.
        reason: The words of the status.
        headers: Its headers, whose names are in any case.
        data: Its body.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    data: bytes


class Connections:
    """The connections of one client; safe to use from many threads.

    Args:
        trust: Which certificates are trusted.
        retry: How long to wait for a connection, and for something to come.
        keep: How many connections to keep open to one host.
        proxies: Scheme -> proxy; those of the environment if None.
    """

    def __init__(
        self,
        trust: ssl.SSLContext,
        retry: Retry,
        *,
        keep: int,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self._proxies = getproxies() if proxies is None else proxies
        self._options: dict[str, Any] = {"ssl_context": trust, "maxsize": keep}
        self._timeout = urllib3.Timeout(connect=retry.connect_timeout, read=retry.read_timeout)
        # For sending, urllib3 takes the time to connect; a slow server may need more for it.
        self._unhurried = urllib3.Timeout(connect=retry.read_timeout, read=_SETTLING)
        self._lock = threading.Lock()
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}

    def send(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Ask once. The body of the answer is still to be read; a redirect is not followed.

        Bodies are asked for as they are, not packed for the way, unless the headers say otherwise.

        Raises:
            HttpError: There is no answer.
            InputError: The site's proxy is of a kind we do not speak.
        """
        address, body = parsed(request.url), request.body
        headers = {"User-Agent": "buildlib", "Accept-Encoding": "identity", **request.headers}
        if body is not None:
            headers["Content-Length"] = str(body.size)
        try:
            return self._pool(proxy_for(address.origin, self._proxies)).request(
                request.method,
                address.url,
                headers=headers,
                body=body.pieces() if body else None,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=self._timeout if body is None else self._unhurried,
            )
        except urllib3.exceptions.HTTPError as error:
            raise failure(error, url=address.url, reached=False) from None

    def _pool(self, proxy: Proxy | None) -> urllib3.PoolManager:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._new_pool(proxy)
            return self._pools[proxy]

    def _new_pool(self, proxy: Proxy | None) -> urllib3.PoolManager:
        if proxy is None:
            return urllib3.PoolManager(**self._options)
        headers = {"Proxy-Authorization": proxy.login} if proxy.login else None
        return urllib3.ProxyManager(proxy.url, proxy_headers=headers, **self._options)


def parsed(url: str) -> Address:
    """An address taken apart.

    Raises:
        HttpError: It is none that could be asked.
    """
    try:
        return read(url)
    except ValueError:
        raise HttpError("is not an http or https address", "refused", url=url) from None


def follow(
    send: Callable[[str], urllib3.BaseHTTPResponse], url: str
) -> tuple[str, urllib3.BaseHTTPResponse]:
    """Ask, and ask again where a redirect leads: where the answer came from, and the answer.

    Args:
        send: Asks for an address, with whatever login is right for it.
        url: The first address.

    Raises:
        HttpError: As `send`, or there is no end of redirects.
    """
    here = url
    for _ in range(_HOPS):
        response = send(here)
        location = response.get_redirect_location()
        if not location:
            return here, response
        finish(response)
        here = urljoin(here, location)
    raise HttpError(f"redirects more than {_HOPS} times", "refused", url=url)


def pieces(response: urllib3.BaseHTTPResponse, url: str) -> Iterator[bytes]:
    """The body of an answer as it comes, as it was sent (compressed stays compressed).

    Raises:
        HttpError: It ends early, or the server goes silent.
    """
    try:
        while data := response.read1(PIECE, decode_content=False):
            yield data
    except urllib3.exceptions.HTTPError as error:
        raise failure(error, url=url, reached=True) from None
    finally:
        response.close()


def whole(response: urllib3.BaseHTTPResponse, url: str) -> Answer:
    """An answer with all of its body, unpacked if it was packed on the way.

    Raises:
        HttpError: As `pieces`.
    """
    try:
        data = response.read(decode_content=True)
    except urllib3.exceptions.HTTPError as error:
        raise failure(error, url=url, reached=True) from None
    finally:
        response.release_conn()
    return Answer(response.status, response.reason or "", response.headers, data)


def finish(response: urllib3.BaseHTTPResponse) -> None:
    """Read what is left, so that the connection serves the next request."""
    response.drain_conn()
    response.release_conn()


def body_of(data: bytes) -> Body:
    """Bytes as a body; in pieces, since a timeout counts for each of them."""

    def each() -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]

    return Body(len(data), each)
