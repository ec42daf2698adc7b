"""HTTP errors, as the sentences that the messages of all rooms use.

Requests raise `HttpError`; each room turns it into the error that a user reads. Exceptions of
urllib3 are not passed on, as their text may hold a URL with its secrets. urllib3 is imported late,
since set-up runs without it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from buildlib.outside.web.address import redacted

if TYPE_CHECKING:
    from urllib3 import exceptions as urllib3_errors

Kind = Literal[
    "silent",
    "broken",
    "certificate",
    "plain",
    "unavailable",
    "absent",
    "refused",
    "full",
    "content",
]

_ABSENT = (404, 410)
_LATER = (408, 425, 429)
_NEVER = (501, 505, 507, 508)
_SERVER_FAULT = 500  # and above (RFC 9110, 15.6)


class HttpError(Exception):
    """A request that failed.

    Args:
        reason: What happened; it follows the server's name in a sentence: "answers 404 Not Found".
        kind: silent (no connection or no response), broken (an incomplete response), certificate
            (not trusted), plain (HTTP where TLS is expected), unavailable (a transient status),
            absent (404), refused (another status, or a URL that cannot be requested), full (no
            space left on the server), content (a complete response with the wrong content).
        url: Kept redacted.
        status: 0 where there was no response.
        codes: Error codes in the body of the response: `MANIFEST_UNKNOWN`, …
        message: The server's own words.
        transient: Whether the same request may succeed later.
        nobody: Whether there is nobody at the address: no such name, or a refused connection.
        retry_after: Seconds that the server asks to wait.
    """

    def __init__(
        self,
        reason: str,
        kind: Kind,
        *,
        url: str = "",
        status: int = 0,
        codes: tuple[str, ...] = (),
        message: str = "",
        transient: bool = False,
        nobody: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.reason = reason
        self.kind: Kind = kind
        self.url = redacted(url)
        self.status = status
        self.codes = codes
        self.message = message
        self.transient = transient
        self.nobody = nobody
        self.retry_after = retry_after
        super().__init__(f"{self.url} {reason}".lstrip())


def status_error(status: int, reason: str, *, url: str = "", retry_after: str = "") -> HttpError:
    """The error for a status of 400 or above; `retry_after` is that header."""
    words = f"answers {status} {reason}".rstrip()
    if status in _LATER or (status >= _SERVER_FAULT and status not in _NEVER):
        wait = _seconds(retry_after)
        return HttpError(
            words, "unavailable", url=url, status=status, transient=True, retry_after=wait
        )
    return HttpError(words, "absent" if status in _ABSENT else "refused", url=url, status=status)


def connection_error(error: urllib3_errors.HTTPError, *, url: str, reached: bool) -> HttpError:
    """The error for an exception of urllib3; `reached`: the response had begun."""
    from urllib3 import exceptions as urllib3_errors

    causes = list(_chain(error))
    cause = causes[-1]
    why = getattr(cause, "strerror", None)
    nobody = isinstance(error, urllib3_errors.NewConnectionError)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = f"has a certificate that is not trusted here: {cause.verify_message}"
        return HttpError(reason, "certificate", url=url)
    if isinstance(error, urllib3_errors.LocationValueError):
        return HttpError("is not a valid address", "refused", url=url)
    if isinstance(error, urllib3_errors.ProxyError):
        reason = f"is not let through by the proxy: {why or cause}"
    elif any(getattr(each, "reason", "") == "WRONG_VERSION_NUMBER" for each in causes):
        return HttpError("speaks plain HTTP, and only TLS will do", "plain", url=url)
    elif isinstance(error, urllib3_errors.NameResolutionError):
        reason = "cannot be reached: the name of the host does not resolve"
    elif isinstance(error, urllib3_errors.NewConnectionError):
        reason = f"cannot be reached: {why or 'no connection'}"
    elif isinstance(error, urllib3_errors.ConnectTimeoutError):
        reason = "cannot be reached: no connection in time"
    elif isinstance(error, urllib3_errors.ReadTimeoutError):
        reason = "went silent"
    else:
        reason = "broke the connection"
    kind: Kind = "broken" if reached else "silent"
    return HttpError(reason, kind, url=url, transient=True, nobody=nobody)


def _seconds(retry_after: str) -> float | None:
    """Retry-After, a number or a date (RFC 9110, 10.2.3), in seconds from now."""
    if not retry_after:
        return None
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    try:
        return Retry().parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, the root cause last."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
