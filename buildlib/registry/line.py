"""One request to a registry, as HTTP: connections, trust, credentials, redirects.

A connection stays open for the next request. Nothing here knows a manifest or a blob. Requests
fail with `Trouble`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import urllib3

from buildlib.fetch import address
from buildlib.fetch.pools import Pools
from buildlib.fetch.web import Retry
from buildlib.registry.access import Access, Plain
from buildlib.registry.address import Server, is_loopback, no_trust, trust
from buildlib.registry.patience import persist
from buildlib.registry.trouble import Trouble, cut, refusal

_PIECE = 1 << 16
_HOPS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_ERROR, _UNAUTHORIZED = 400, 401
_MOST_OF_AN_ERROR = 1 << 14
_CONNECTIONS = 16
_SETTLING = 300.0  # seconds: a registry may move or hash a large blob before it answers


class Body(NamedTuple):
    """What a request brings along; it can be sent again.

    Attributes:
        size: In bytes.
        pieces: Gives them from the beginning.
    """

    size: int
    pieces: Callable[[], Iterator[bytes]]


class Answer(NamedTuple):
    """An answer below 400, read whole.

    Attributes:
        status: Its status.
        headers: Its headers, whose names are in any case.
        data: Its body.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes


def body_of(data: bytes) -> Body:
    """Bytes as a body; in pieces, since a timeout counts for each of them."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE):
            yield data[start : start + _PIECE]

    return Body(len(data), pieces)


class Line:
    """The way to one registry. Safe for several threads.

    Args:
        server: The registry.
        patience: For `ask`.
        wait: Called with the seconds between attempts.
        certificates: See `address.trust`.
    """

    def __init__(
        self, server: Server, patience: Retry, wait: Callable[[float], None], certificates: str = ""
    ) -> None:
        self.server = server
        self.patience = patience
        self.wait = wait
        self._timeout = urllib3.Timeout(
            connect=patience.connect_timeout, read=patience.read_timeout
        )
        # For sending, urllib3 takes the time to connect; a slow registry may need more for it.
        self._unhurried = urllib3.Timeout(connect=patience.read_timeout, read=_SETTLING)
        trusted = trust(server.host, folder=certificates)
        self._pools = Pools(ssl_context=trusted, maxsize=_CONNECTIONS)
        self._own: Pools | None = None
        if server.loopback:  # past any proxy, as for Docker
            self._own = Pools({}, ssl_context=no_trust(), maxsize=_CONNECTIONS)
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._access = Access(server.host, self._plain)
        self._scheme = "" if server.loopback else "https"
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        """Ask until there is an answer; for what may be asked any number of times.

        Args:
            method: Of HTTP.
            path: From the registry's root, or a whole address.
            scope: See `Access.header`.
            headers: More than those of every request.
            body: What to send.

        Raises:
            Trouble: It does not succeed.
        """
        return persist(
            lambda: self.ask_once(method, path, scope, headers=headers, body=body),
            self.patience,
            self.wait,
        )

    def ask_once(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        """As `ask`, once."""
        response = self.open(method, path, scope, headers=headers, body=body)
        try:
            data = response.read()
        except urllib3.exceptions.HTTPError as error:
            raise cut(error, reached=True) from None
        finally:
            response.release_conn()
        return Answer(response.status, response.headers, data)

    def open(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """As `ask`, once, with the body of the answer still to be read; the caller closes it."""
        url = self._mended(urljoin(self.root, path))
        own = address.read(url).origin == address.read(self.root).origin
        shown = self._access.header(scope) if own else ""
        given = dict(headers or {})
        response = self._send(method, url, given, shown, body)
        if response.status == _UNAUTHORIZED and own:
            asked = response.headers.getlist("WWW-Authenticate")
            other = self._access.answer(asked, scope, shown)
            if other:
                _finish(response)
                response = self._send(method, url, given, other, body)
        if response.status in _REDIRECTS and method in ("GET", "HEAD"):
            response = self._follow(method, url, given, response)
        if response.status >= _ERROR:
            raise _refused(response)
        return response

    @property
    def root(self) -> str:
        """The registry's address; on loopback it has to be asked what it speaks.

        Raises:
            Trouble: It does not answer.
        """
        with self._lock:
            if not self._scheme:
                self._scheme = self._spoken()
        return f"{self._scheme}://{self.server.server}/"

    def pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body of an answer as it comes, as it was sent.

        Raises:
            Trouble: It ends early.
        """
        try:
            while data := response.read1(_PIECE, decode_content=False):
                yield data
        except urllib3.exceptions.HTTPError as error:
            raise cut(error, reached=True) from None
        finally:
            response.close()

    def _follow(
        self, method: str, url: str, headers: dict[str, str], response: urllib3.BaseHTTPResponse
    ) -> urllib3.BaseHTTPResponse:
        """Blobs often lie with somebody else, who gets no credentials: the address has its own."""
        for _ in range(_HOPS):
            _finish(response)
            url = self._mended(urljoin(url, response.headers.get("Location", "")))
            response = self._send(method, url, headers, "", None)
            if response.status not in _REDIRECTS:
                return response
        _finish(response)
        raise Trouble(f"redirects more than {_HOPS} times", "content")

    def _mended(self, url: str) -> str:
        """A registry behind a proxy that speaks TLS for it often gives its addresses as http."""
        parts = urlsplit(url)
        if parts.netloc == self.server.server and parts.scheme != self._scheme:
            return parts._replace(scheme=self._scheme).geturl()
        return url

    def _spoken(self) -> str:
        """What a registry on loopback speaks. Credentials are not shown before that is known."""
        try:
            answer = self._plain("GET", f"http://{self.server.server}/v2/", {}, b"")
        except Trouble as trouble:
            if trouble.kind != "broken":
                raise
            try:
                self._plain("GET", f"https://{self.server.server}/v2/", {}, b"")
            except Trouble:
                raise trouble from None
            return "https"
        over_tls = answer.status == _ERROR and b"HTTPS" in answer.data  # as Go and nginx say it
        return "https" if over_tls else "http"

    def _plain(self, method: str, url: str, headers: dict[str, str], data: bytes) -> Plain:
        response = self._send(method, url, headers, "", body_of(data) if data else None)
        try:
            return Plain(response.status, response.reason or "", response.read())
        except urllib3.exceptions.HTTPError as error:
            raise cut(error, reached=True) from None
        finally:
            response.release_conn()

    def _send(
        self, method: str, url: str, headers: dict[str, str], shown: str, body: Body | None
    ) -> urllib3.BaseHTTPResponse:
        try:
            clean, origin, _ = address.read(url)
        except ValueError:
            raise Trouble("leads to an address that is none", "content") from None
        whole = {"User-Agent": "buildlib", "Accept-Encoding": "identity", **headers}
        if shown:
            whole["Authorization"] = shown
        if body is not None:
            whole["Content-Length"] = str(body.size)
        pools = self._own if self._own and is_loopback(origin.host) else self._pools
        try:
            return pools.pool(origin).request(
                method,
                clean,
                headers=whole,
                body=body.pieces() if body else None,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=self._timeout if body is None else self._unhurried,
            )
        except urllib3.exceptions.HTTPError as error:
            raise cut(error, reached=False) from None


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Read what is left, so that the connection serves the next request."""
    response.drain_conn()
    response.release_conn()


def _refused(response: urllib3.BaseHTTPResponse) -> Trouble:
    try:
        data = response.read(_MOST_OF_AN_ERROR)
    except urllib3.exceptions.HTTPError:
        data = b""
    _finish(response)
    after = response.headers.get("Retry-After", "")
    return refusal(response.status, response.reason or "", after, data)
