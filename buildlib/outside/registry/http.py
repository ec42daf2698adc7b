"""Requests to one registry: what it speaks, who we are to it, where it redirects.

Nothing here knows a manifest or a blob. Requests fail with `HttpError`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import urllib3

from buildlib.outside.registry.access import Access
from buildlib.outside.registry.address import Server, is_loopback
from buildlib.outside.registry.errors import refusal
from buildlib.outside.web.address import Address, read
from buildlib.outside.web.connections import (
    ERROR,
    Answer,
    Connections,
    Request,
    finish,
    follow,
    whole,
)
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.retry import Retry, retrying
from buildlib.outside.web.trust import no_trust, registry_trust

_UNAUTHORIZED = 401
_MOST_OF_AN_ERROR = 1 << 14
_CONNECTIONS = 16


class RegistryHttp:
    """The way to one registry. Safe for several threads.

    Args:
        server: The registry.
        retry: For `ask`.
        wait: Called with the seconds between attempts.
        certificates: See `trust.registry_trust`.
    """

    def __init__(
        self, server: Server, retry: Retry, wait: Callable[[float], None], certificates: str = ""
    ) -> None:
        self.server = server
        self.retry = retry
        self.wait = wait
        trusted = registry_trust(server.host, folder=certificates)
        self._connections = Connections(trusted, retry, keep=_CONNECTIONS)
        self._direct: Connections | None = None
        if server.loopback:  # past any proxy, as for Docker
            self._direct = Connections(no_trust(), retry, keep=_CONNECTIONS, proxies={})
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._access = Access(server.host, self._ask_plainly)
        self._scheme = "" if server.loopback else "https"
        self._lock = threading.Lock()

    def ask(self, request: Request, scope: str) -> Answer:
        """Ask until there is an answer; for what may be asked any number of times.

        Args:
            request: Its address may be a path, from the registry's root.
            scope: See `Access.header`.

        Raises:
            HttpError: It does not succeed.
        """
        return retrying(lambda: self.ask_once(request, scope), self.retry, self.wait)

    def ask_once(self, request: Request, scope: str) -> Answer:
        """As `ask`, once."""
        return whole(self.open(request, scope), request.url)

    def open(self, request: Request, scope: str) -> urllib3.BaseHTTPResponse:
        """As `ask`, once, with the body of the answer still to be read; the caller closes it."""
        first = self._mended(urljoin(self.root, request.url))
        own = _address(first).origin == _address(self.root).origin

        def send(url: str) -> urllib3.BaseHTTPResponse:
            """Blobs often lie with somebody else, who gets no credentials: the address has them."""
            here = request._replace(url=self._mended(url))
            return self._authorized(here, scope) if own and url == first else self._send(here)

        if request.method in ("GET", "HEAD"):
            _, response = follow(send, first)
        else:
            response = send(first)
        if response.status >= ERROR:
            raise _refused(response)
        return response

    @property
    def root(self) -> str:
        """The registry's address; on loopback it has to be asked what it speaks.

        Raises:
            HttpError: It does not answer.
        """
        with self._lock:
            if not self._scheme:
                self._scheme = self._spoken()
        return f"{self._scheme}://{self.server.server}/"

    def _authorized(self, request: Request, scope: str) -> urllib3.BaseHTTPResponse:
        """Send with credentials, and once more if the registry wants others."""
        shown = self._access.header(scope)
        response = self._send(request, shown)
        if response.status == _UNAUTHORIZED:
            asked = response.headers.getlist("WWW-Authenticate")
            other = self._access.answer(asked, scope, shown)
            if other:
                finish(response)
                response = self._send(request, other)
        return response

    def _mended(self, url: str) -> str:
        """A registry behind a proxy that speaks TLS for it often gives its addresses as http."""
        parts = urlsplit(url)
        if parts.netloc == self.server.server and parts.scheme != self._scheme:
            return parts._replace(scheme=self._scheme).geturl()
        return url

    def _spoken(self) -> str:
        """What a registry on loopback speaks. Credentials are not shown before that is known."""
        try:
            answer = self._ask_plainly(Request("GET", f"http://{self.server.server}/v2/"))
        except HttpError as error:
            if error.kind != "broken":
                raise
            try:
                self._ask_plainly(Request("GET", f"https://{self.server.server}/v2/"))
            except HttpError:
                raise error from None
            return "https"
        over_tls = answer.status == ERROR and b"HTTPS" in answer.data  # as Go and nginx say it
        return "https" if over_tls else "http"

    def _ask_plainly(self, request: Request) -> Answer:
        """Ask without any credentials but those that are in the request."""
        return whole(self._send(request), request.url)

    def _send(self, request: Request, shown: str = "") -> urllib3.BaseHTTPResponse:
        direct = self._direct if is_loopback(_address(request.url).origin.host) else None
        if shown:
            request = request._replace(headers={**request.headers, "Authorization": shown})
        return (direct or self._connections).send(request)


def _address(url: str) -> Address:
    try:
        return read(url)
    except ValueError:
        raise HttpError("leads to an address that is none", "content") from None


def _refused(response: urllib3.BaseHTTPResponse) -> HttpError:
    try:
        body = response.read(_MOST_OF_AN_ERROR)
    except urllib3.exceptions.HTTPError:
        body = b""
    finish(response)
    after = response.headers.get("Retry-After", "")
    return refusal(response.status, response.reason or "", retry_after=after, body=body)
