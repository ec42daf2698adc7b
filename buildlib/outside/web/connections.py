"""HTTP requests over pooled connections, direct or through the site's proxy; redirects.

Uses urllib3, which docker's SDK depends on. urllib3 reuses connections (a Debian root file system
is 90 small files from one host) and notices a body that ends early; `urllib.request` does neither.
The library requests trusts its own CA bundle instead of the host's. Importing urllib3 takes some
85 ms. Its retries are off, as `retry` does them; its redirects are off, as the new host may need
another proxy, another login or none.

A request is sent once and fails with `HttpError`; a status of 400 or above is a response here.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin
from urllib.request import getproxies

import urllib3

from buildlib.outside.web.address import Address, parse_url
from buildlib.outside.web.errors import HttpError, connection_error
from buildlib.outside.web.proxies import Proxy, proxy_for
from buildlib.outside.web.retry import Retry

PIECE = 1 << 16
ERROR = 400
"""Statuses from here on are errors (RFC 9110, 15)."""
_HOPS = 10
_UPLOAD_READ_TIMEOUT = 300.0  # seconds: a registry may move or hash a large blob before it answers


class Body(NamedTuple):
    """The body of a request, which can be sent again.

    Attributes:
        size: In bytes.
        pieces: Reads the body from its beginning.
    """

    size: int
    pieces: Callable[[], Iterator[bytes]]


class Request(NamedTuple):
    """One request, which can be sent again; `headers` add to those of every request."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body | None = None


class Response(NamedTuple):
    """A response with its whole body; `headers` ignores the case of names."""

    status: int
    reason: str
    headers: Mapping[str, str]
    data: bytes


class Connections:
    """The connection pools of one client. Safe for several threads.

    Args:
        trust: Which certificates are trusted.
        retry: Only its timeouts count here.
        keep: How many connections to keep open to one host.
        proxies: Scheme -> proxy; None for those of the environment.
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
        # urllib3 applies the connect timeout to sending too, and a slow server may need longer.
        self._upload_timeout = urllib3.Timeout(
            connect=retry.read_timeout, read=_UPLOAD_READ_TIMEOUT
        )
        self._lock = threading.Lock()
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}

    def send(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Send once, without following redirects; the caller reads the body of the response.

        Responses come uncompressed unless the headers of the request accept more.

        Raises:
            HttpError: No response came.
        """
        address, body = address_of(request.url), request.body
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
                timeout=self._timeout if body is None else self._upload_timeout,
            )
        except urllib3.exceptions.HTTPError as error:
            raise connection_error(error, url=address.url, reached=False) from None

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


def address_of(url: str) -> Address:
    """`parse_url`, but a URL that cannot be requested is an `HttpError`."""
    try:
        return parse_url(url)
    except ValueError:
        raise HttpError("is not an http or https address", "refused", url=url) from None


def follow_redirects(
    send: Callable[[str], urllib3.BaseHTTPResponse], url: str
) -> tuple[str, urllib3.BaseHTTPResponse]:
    """Send, and follow redirects; returns the final URL and its response.

    Args:
        send: Requests a URL, with the login for its origin.
        url: The first URL.

    Raises:
        HttpError: From `send`, or for too many redirects.
    """
    current = url
    for _ in range(_HOPS):
        response = send(current)
        location = response.get_redirect_location()
        if not location:
            return current, response
        drain(response)
        current = urljoin(current, location)
    raise HttpError(f"redirects more than {_HOPS} times", "refused", url=url)


def pieces(response: urllib3.BaseHTTPResponse, url: str) -> Iterator[bytes]:
    """Stream the body of a response; a compressed body stays compressed.

    Raises:
        HttpError: The body ends early, or the server goes silent.
    """
    try:
        while data := response.read1(PIECE, decode_content=False):
            yield data
    except urllib3.exceptions.HTTPError as error:
        raise connection_error(error, url=url, reached=True) from None
    finally:
        response.close()


def read_all(response: urllib3.BaseHTTPResponse, url: str) -> Response:
    """Read the whole body, and decompress it.

    Raises:
        HttpError: As for `pieces`.
    """
    try:
        data = response.read(decode_content=True)
    except urllib3.exceptions.HTTPError as error:
        raise connection_error(error, url=url, reached=True) from None
    finally:
        response.release_conn()
    return Response(response.status, response.reason or "", response.headers, data)


def drain(response: urllib3.BaseHTTPResponse) -> None:
    """Read the rest of a body, so that its connection can be reused."""
    response.drain_conn()
    response.release_conn()


def body_of(data: bytes) -> Body:
    """Bytes as a body, in pieces, since the timeout counts for each piece."""

    def each() -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]

    return Body(len(data), each)
