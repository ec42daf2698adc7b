"""HTTP requests to one registry: scheme, authentication, redirects.

It does not know manifests or blobs. Requests fail with `HttpError`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3

from buildlib.outside.registry.address import Server, is_loopback
from buildlib.outside.registry.auth import RegistryAuth
from buildlib.outside.registry.errors import status_error
from buildlib.outside.web.address import Address, parse_url
from buildlib.outside.web.connections import (
    ERROR,
    Connections,
    Request,
    Response,
    drain,
    follow_redirects,
    read_all,
)
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.retry import Attempts, OnePerWait, Retry, retrying
from buildlib.outside.web.trust import no_trust, registry_trust

_UNAUTHORIZED = 401
_MOST_OF_AN_ERROR = 1 << 14
_CONNECTIONS = 16
_SOON = 2.0
"""Seconds after which it is said that a registry has not answered yet."""
_NOWHERE = 1.0
"""Seconds for which a registry that never answered may be nowhere: it may just be starting."""

T = TypeVar("T")


class RegistryHttp:
    """The HTTP client for one registry. Safe for several threads.

    Args:
        server: The registry.
        retry: For `ask`.
        wait: Called with the seconds between attempts.
        tell: Takes a line for people about each wait that takes its time.
    """

    def __init__(
        self,
        server: Server,
        retry: Retry,
        wait: Callable[[float], None],
        tell: Callable[[str], object],
    ) -> None:
        self.server = server
        self._retry = retry
        self._wait = wait
        self._tell = OnePerWait(tell)
        self._first_asked = 0.0
        self._has_answered = False
        self._is_nowhere = False
        trusted = registry_trust(server.host)
        self._connections = Connections(trusted, retry, keep=_CONNECTIONS)
        self._direct: Connections | None = None
        if server.loopback:  # past any proxy, as for Docker
            self._direct = Connections(no_trust(), retry, keep=_CONNECTIONS, proxies={})
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._auth = RegistryAuth(server.host, self._ask_without_login)
        self._scheme = "" if server.loopback else "https"
        self._lock = threading.Lock()

    def ask(self, request: Request, scope: str) -> Response:
        """Send with retries; for idempotent requests.

        Args:
            request: Its URL may be a path from the registry's root.
            scope: As for `RegistryAuth.header`.
        """
        return self.retrying(lambda: self.ask_once(request, scope))

    def retrying(self, call: Callable[[], T], progress: Callable[[], int] = int) -> T:
        """`web.retry.retrying`, as this registry is asked."""
        return retrying(call, self._retry, self._wait, progress, self._keeps_waiting)

    def attempts(self) -> Attempts:
        """`web.retry.Attempts`, as this registry is asked."""
        return Attempts(self._retry, self._wait, tell=self._keeps_waiting)

    def ask_once(self, request: Request, scope: str) -> Response:
        """Send once."""
        return read_all(self.open(request, scope), request.url)

    def open(self, request: Request, scope: str) -> urllib3.BaseHTTPResponse:
        """Send once; the caller reads the body of the response and closes it."""
        first = self._with_our_scheme(urljoin(self.root, request.url))
        own = _address(first).origin == _address(self.root).origin

        def send(url: str) -> urllib3.BaseHTTPResponse:
            """Blobs often redirect to another host, which gets no credentials: its URL has them."""
            hop = request._replace(url=self._with_our_scheme(url))
            return self._authorized(hop, scope) if own and url == first else self._send(hop)

        if request.method in ("GET", "HEAD"):
            _, response = follow_redirects(send, first)
        else:
            response = send(first)
        if response.status >= ERROR:
            raise _error_of(response)
        return response

    @property
    def root(self) -> str:
        """The registry's URL; on loopback, a first request detects the scheme."""
        with self._lock:
            if not self._scheme:
                self._scheme = self._detect_scheme()
        return f"{self._scheme}://{self.server.server}/"

    def _authorized(self, request: Request, scope: str) -> urllib3.BaseHTTPResponse:
        """Send with credentials, and once more if the registry asks for others."""
        authorization = self._auth.header(scope)
        response = self._send(request, authorization)
        if response.status == _UNAUTHORIZED:
            challenges = response.headers.getlist("WWW-Authenticate")
            other = self._auth.answer_challenge(challenges, scope, authorization)
            if other:
                drain(response)
                response = self._send(request, other)
        return response

    def _with_our_scheme(self, url: str) -> str:
        """Corrects http in URLs of a registry whose TLS ends at a reverse proxy."""
        parts = urlsplit(url)
        if parts.netloc == self.server.server and parts.scheme != self._scheme:
            return parts._replace(scheme=self._scheme).geturl()
        return url

    def _detect_scheme(self) -> str:
        """Try http, then https, before credentials are sent."""
        try:
            response = self._ask_without_login(Request("GET", f"http://{self.server.server}/v2/"))
        except HttpError as error:
            if error.kind != "broken":
                raise
            try:
                self._ask_without_login(Request("GET", f"https://{self.server.server}/v2/"))
            except HttpError:
                raise error from None
            return "https"
        over_tls = response.status == ERROR and b"HTTPS" in response.data  # as Go and nginx say it
        return "https" if over_tls else "http"

    def _ask_without_login(self, request: Request) -> Response:
        return read_all(self._send(request), request.url)

    def _send(self, request: Request, authorization: str = "") -> urllib3.BaseHTTPResponse:
        direct = self._direct if is_loopback(_address(request.url).origin.host) else None
        if authorization:
            headers = {**request.headers, "Authorization": authorization}
            request = request._replace(headers=headers)
        with nullcontext() if self._has_answered else self._first_contact():
            response = (direct or self._connections).send(request)
        self._has_answered, self._is_nowhere = True, False
        return response

    @contextmanager
    def _first_contact(self) -> Iterator[None]:
        """Say soon that there is no answer, and do not wait long for a registry that is nowhere.

        One that has answered before is away for a while; one that never did has a wrong name.
        """
        slow = threading.Timer(_SOON, self._keeps_waiting, ("has not answered yet", _SOON))
        slow.daemon = True
        if not self._first_asked:  # later attempts are told with their reasons
            self._first_asked = time.monotonic()
            slow.start()
        try:
            yield
        except HttpError as error:
            self._is_nowhere = error.nobody
            if error.nobody and time.monotonic() - self._first_asked >= _NOWHERE:
                error.transient = False
            raise
        finally:
            slow.cancel()

    def _keeps_waiting(self, what: str, seconds: float) -> None:
        if not self._is_nowhere:
            self._tell(f"warning: registry {self.server.host} {what}", seconds)


def _address(url: str) -> Address:
    try:
        return parse_url(url)
    except ValueError:
        raise HttpError("leads to an address that is none", "content") from None


def _error_of(response: urllib3.BaseHTTPResponse) -> HttpError:
    try:
        body = response.read(_MOST_OF_AN_ERROR)
    except urllib3.exceptions.HTTPError:
        body = b""
    drain(response)
    after = response.headers.get("Retry-After", "")
    return status_error(response.status, response.reason or "", retry_after=after, body=body)
