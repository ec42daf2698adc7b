"""One HTTP request as this site wants it: trust, proxies, logins, redirects; and retries.

Over urllib3, which docker's SDK brings along: it keeps connections open (a Debian root file
system is 90 small files from one host) and notices a body that ends early; `urllib.request` does
neither. Not over requests, which trusts a bundle of its own instead of the host's. Loading it
costs some 85 ms, paid only where something is missing from the store.

Trust is Python's own: the host's authorities, or SSL_CERT_FILE and SSL_CERT_DIR. Proxies come
from the environment (see `pools`), logins from the address or from netrc.

The module knows no digest and no file: see `transfer`.
"""

from __future__ import annotations

import random
import ssl
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urljoin

import urllib3

from buildlib.fetch import address
from buildlib.fetch.pools import Pools
from buildlib.fetch.trouble import Stopped, WebError, failure, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

_CHUNK = 1 << 16
_HOPS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_ERROR = 400  # and above (RFC 9110, 15)


class Retry(NamedTuple):
    """How patient to be. Times are seconds.

    Attributes:
        attempts: How often in a row a request may fail without having brought a new byte.
        first_delay: Wait after the first failure; it doubles with each more.
        longest_delay: No wait is longer, even if the server asks for it (Retry-After).
        connect_timeout: For a connection to be made.
        read_timeout: For the server to send something.
    """

    attempts: int = 5
    first_delay: float = 0.5
    longest_delay: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def delay(self, failures: int, asked: float | None) -> float:
        """How long to wait after this many failures; the jitter parts clients that fell together.

        Args:
            failures: In a row, from 1.
            asked: What the server asked for, if it did.
        """
        backoff = self.first_delay * 2.0 ** (failures - 1)
        spread = backoff * random.uniform(0.5, 1.5)  # noqa: S311  not a secret
        return min(self.longest_delay, max(spread, asked or 0.0))


class Answer(NamedTuple):
    """A response with a body still to be read.

    Attributes:
        url: Where it came from in the end, without credentials.
        response: Its status is below 400.
    """

    url: str
    response: urllib3.BaseHTTPResponse


class Web:
    """The connections of one fetch; safe to use from many threads.

    Args:
        retry: Patience.
        stop: Set by the owner to make every thread inside end soon, with `Stopped`.
        connections: How many to keep open to one host.
    """

    def __init__(self, retry: Retry, stop: threading.Event, connections: int = 8) -> None:
        self._retry = retry
        self._stop = stop
        self._logins: dict[address.Origin, str] = {}
        self._silent: dict[address.Origin, WebError] = {}
        self._pools = Pools(
            maxsize=connections,
            ssl_context=ssl.create_default_context(),
            timeout=urllib3.Timeout(connect=retry.connect_timeout, read=retry.read_timeout),
        )

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask once, following redirects.

        Raises:
            WebError: There is no answer, or its status is 400 or above.
        """
        asked = url
        for _ in range(_HOPS):
            try:
                clean, origin, login = address.read(url)
            except ValueError:
                raise WebError(url, "is not an http or https address", "refused") from None
            if origin in self._silent:  # it has cost one download all its attempts already
                raise WebError(asked, self._silent[origin].reason, "silent")
            response = self._send(clean, origin, self._headers(headers, origin, login))
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location:
                response.drain_conn()  # so that the connection can be used again
                response.release_conn()
                url = urljoin(clean, location)
                continue
            if response.status >= _ERROR:
                response.close()
                raise refusal(asked, response)
            return Answer(clean, response)
        raise WebError(asked, f"redirects more than {_HOPS} times", "broken")

    def page(self, url: str, accept: str) -> tuple[str, str, bytes]:
        """A whole page, with retries: where it came from in the end, its media type, its bytes.

        Raises:
            WebError: As `get`, after the last attempt.
        """

        def once() -> tuple[str, str, bytes]:
            answer = self.get(url, {"Accept": accept, "Accept-Encoding": "gzip"})
            try:
                data = answer.response.read(decode_content=True)
            except urllib3.exceptions.HTTPError as error:
                raise failure(url, error, reached=True) from None
            return answer.url, answer.response.headers.get("Content-Type", ""), data

        return self.retrying(once)

    def chunks(self, answer: Answer) -> Iterator[bytes]:
        """The body as it arrives, as it was sent (compressed stays compressed).

        Raises:
            WebError: It ended early or the server went silent.
            Stopped: The fetch was interrupted.
        """
        response = answer.response
        try:
            while data := response.read1(_CHUNK, decode_content=False):
                yield data
                if self._stop.is_set():
                    raise Stopped
        except urllib3.exceptions.HTTPError as error:
            raise failure(answer.url, error, reached=True) from None
        finally:
            response.close()

    def retrying(self, call: Callable[[], T], progress: Callable[[], int] = int) -> T:
        """Call until it succeeds, waiting between attempts.

        Args:
            call: What to try; only a transient `WebError` makes it tried again.
            progress: How far it has come. Having come further than ever starts the count anew,
                so that a large file may take any number of connections.

        Raises:
            WebError: Permanent, or the last of too many.
            Stopped: The fetch was interrupted.
        """
        failures, furthest = 0, progress()
        while True:
            try:
                return call()
            except WebError as error:
                here = progress()
                failures = 1 if here > furthest else failures + 1
                furthest = max(here, furthest)
                if not error.transient:
                    raise
                if failures >= self._retry.attempts:
                    self._remember_silence(error)
                    raise
                if self._stop.wait(self._retry.delay(failures, error.retry_after)):
                    raise Stopped from None

    def _remember_silence(self, error: WebError) -> None:
        """Let other downloads from a host that never answers fail at once, not each in its turn."""
        if error.kind == "silent":
            self._silent[address.read(error.url).origin] = error

    def _headers(
        self, headers: Mapping[str, str], origin: address.Origin, login: str
    ) -> dict[str, str]:
        """The headers to send, with the login that was last seen for this origin.

        An index behind a password gives addresses of files without it.
        """
        if login or origin not in self._logins:
            self._logins[origin] = login or address.login_from_netrc(origin.host)
        known = self._logins[origin]
        whole = {"User-Agent": "buildlib", **headers}
        return {**whole, "Authorization": known} if known else whole

    def _send(
        self, url: str, origin: address.Origin, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.pool(origin).request(
                "GET", url, headers=headers, preload_content=False, redirect=False, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise failure(url, error, reached=False) from None
