"""What can be wrong with an answer from the network, in words a user can act on.

Exceptions of urllib3 end here: their text may hold a whole address, so none of it is passed on.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Literal

from urllib3 import exceptions as urllib3_errors

from buildlib.fetch.address import shown

if TYPE_CHECKING:
    import urllib3

Kind = Literal["absent", "refused", "certificate", "silent", "broken", "content"]

_ABSENT = (404, 410)
_LATER = (408, 425, 429)
_SERVER_FAULT = 500  # and above (RFC 9110, 15.6)


class WebError(Exception):
    """A request that brought nothing usable.

    Args:
        url: The address; kept without its secrets.
        reason: What happened, to follow the address in a sentence: "answers 404 Not Found".
        kind: absent (404), refused (another 4xx), certificate, silent (no answer at all), broken
            (a bad or half answer), content (a whole answer with the wrong bytes).
        transient: Whether the same request may succeed later.
        retry_after: Seconds the server asks to wait, if it does.
        status: Of the answer, or 0 where there was none.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        kind: Kind,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        self.url = shown(url)
        self.reason = reason
        self.kind = kind
        self.transient = transient
        self.retry_after = retry_after
        self.status = status
        super().__init__(f"{self.url} {reason}")


class Stopped(Exception):
    """The fetch was interrupted; a thread that meets it just ends."""


def refusal(url: str, response: urllib3.BaseHTTPResponse) -> WebError:
    """What a status of 400 or above means."""
    status = response.status
    reason = f"answers {status} {response.reason or ''}".rstrip()
    if status in _ABSENT:
        return WebError(url, reason, "absent", status=status)
    if status in _LATER or status >= _SERVER_FAULT:
        after = seconds_until(response.headers.get("Retry-After", ""))
        return WebError(url, reason, "broken", transient=True, retry_after=after, status=status)
    return WebError(url, reason, "refused", status=status)


def failure(url: str, error: urllib3_errors.HTTPError, *, reached: bool) -> WebError:
    """What an exception of urllib3 means.

    Args:
        url: What was asked for.
        error: What urllib3 raised.
        reached: Whether the server had begun to answer.
    """
    cause = _innermost(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = f"has a certificate that is not trusted here: {cause.verify_message}"
        return WebError(url, reason, "certificate")
    if isinstance(error, urllib3_errors.LocationValueError):
        return WebError(url, "is not a valid address", "refused")
    why = getattr(cause, "strerror", None)
    if isinstance(error, urllib3_errors.ProxyError):
        reason = f"is not let through by the proxy: {why or cause}"
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
    return WebError(url, reason, "broken" if reached else "silent", transient=True)


def seconds_until(retry_after: str) -> float | None:
    """Retry-After in seconds from now: it is a number or a date (RFC 9110, 10.2.3)."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _innermost(error: BaseException) -> BaseException:
    """The exception that started the chain."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            return error
        error = inner
