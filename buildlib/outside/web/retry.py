"""What is tried again, how often, and after which wait: the one loop for all requests.

urllib3's own `Retry` counts the attempts of a single request; here they count anew whenever bytes
have come, over any number of requests, and a wait can be ended from outside.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from buildlib.outside.web.errors import HttpError

T = TypeVar("T")


class Stopped(Exception):
    """The work was interrupted; a thread that meets it just ends."""


class Retry(NamedTuple):
    """How patient to be; by default as with a file that a build cannot do without.

    Attributes:
        attempts: How often in a row a request may fail without having brought a new byte.
        first_delay: Seconds to wait after the first failure; they double with each more.
        longest_delay: No wait is longer, even if the server asks for it (Retry-After).
        connect_timeout: Seconds for a connection to be made.
        read_timeout: Seconds for the server to send something.
    """

    attempts: int = 5
    first_delay: float = 0.5
    longest_delay: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def delay(self, failures: int, asked: float | None) -> float:
        """Seconds to wait after some failures; the jitter parts clients that fell together.

        Args:
            failures: In a row, from 1.
            asked: What the server asked for, if it did.
        """
        backoff = self.first_delay * 2.0 ** (failures - 1)
        spread = backoff * random.uniform(0.5, 1.5)  # noqa: S311  not a secret
        return min(self.longest_delay, max(spread, asked or 0.0))


QUICK = Retry(
    attempts=2, first_delay=0.3, longest_delay=2.0, connect_timeout=3.0, read_timeout=10.0
)
"""For what is only useful if it comes soon: some 8 seconds with a registry that is silent."""

PATIENT = Retry(
    attempts=8, first_delay=0.5, longest_delay=60.0, connect_timeout=5.0, read_timeout=30.0
)
"""For what has to succeed: a registry may be away for about a minute, at any point."""


class Attempts:
    """The attempts at one piece of work: after each failure a wait, or the end.

    Args:
        retry: How often, and how long to wait.
        wait: Called with seconds; may raise to end the work.
        furthest: How far the work had come when it began.
    """

    def __init__(self, retry: Retry, wait: Callable[[float], object], furthest: int = 0) -> None:
        self._retry = retry
        self._wait = wait
        self._furthest = furthest
        self._failures = 0

    def failed(self, error: HttpError, progress: int = 0) -> None:
        """Wait until the work may be tried again.

        Args:
            error: What happened.
            progress: How far the work has come. Having come further than ever starts the count
                anew, so that something large may take any number of connections.

        Raises:
            HttpError: This one, if it is permanent or the last of too many.
        """
        self._failures = 1 if progress > self._furthest else self._failures + 1
        self._furthest = max(progress, self._furthest)
        if not error.transient or self._failures >= self._retry.attempts:
            raise error
        self._wait(self._retry.delay(self._failures, error.retry_after))


def retrying(
    call: Callable[[], T],
    retry: Retry,
    wait: Callable[[float], object],
    progress: Callable[[], int] = int,
) -> T:
    """Call until it succeeds, waiting between attempts.

    Args:
        call: What to try; only a transient `HttpError` makes it tried again.
        retry: As for `Attempts`.
        wait: As for `Attempts`.
        progress: How far the call has come.

    Raises:
        HttpError: Permanent, or the last of too many.
    """
    attempts = Attempts(retry, wait, progress())
    while True:
        try:
            return call()
        except HttpError as error:
            attempts.failed(error, progress())
