"""Retry with back-off and jitter: the one loop for all requests over HTTP.

urllib3's own `Retry` counts the attempts of a single request. Here the count starts again whenever
new bytes have arrived, over any number of requests, and a wait can be interrupted.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from buildlib.outside.web.errors import HttpError
from buildlib.text import duration

T = TypeVar("T")


_SHORT = 1.0
"""Seconds that need not be told."""


class Stopped(Exception):
    """The work was interrupted; the thread just ends."""


class Retry(NamedTuple):
    """How often to try again, and how long to wait; the defaults are for files of a build.

    Attributes:
        attempts: How many failures in a row, without a new byte in between, end the work.
        first_delay: Seconds to wait after the first failure; doubled after each further one.
        longest_delay: The longest wait in seconds, even if Retry-After asks for more.
        connect_timeout: In seconds.
        read_timeout: Seconds in which the server must send something.
    """

    attempts: int = 5
    first_delay: float = 0.5
    longest_delay: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    def delay(self, failures: int, retry_after: float | None) -> float:
        """Seconds to wait; the jitter spreads clients that failed together.

        Args:
            failures: How many in a row, from 1.
            retry_after: Seconds that the server asked for.
        """
        backoff = self.first_delay * 2.0 ** (failures - 1)
        spread = backoff * random.uniform(0.5, 1.5)  # noqa: S311  not a secret
        return min(self.longest_delay, max(spread, retry_after or 0.0))


QUICK = Retry(
    attempts=2, first_delay=0.3, longest_delay=2.0, connect_timeout=3.0, read_timeout=10.0
)
"""For what is useful only if it comes soon: gives up on a silent registry after some 8 seconds."""

PATIENT = Retry(
    attempts=8, first_delay=0.5, longest_delay=60.0, connect_timeout=5.0, read_timeout=30.0
)
"""For what has to succeed: survives a registry that is down for about a minute."""


class Attempts:
    """Counts the failed attempts at one piece of work.

    Args:
        retry: When to give up, and how long to wait.
        wait: Called with seconds; may raise to end the work.
        furthest: The progress (such as bytes) that the work starts from.
        tell: Takes what happened and what follows, without the server's name, and the seconds that
            will pass; not called for what takes no time.
    """

    def __init__(
        self,
        retry: Retry,
        wait: Callable[[float], object],
        furthest: int = 0,
        tell: Callable[[str, float], object] = lambda *_: None,
    ) -> None:
        self._retry = retry
        self._wait = wait
        self._furthest = furthest
        self._tell = tell
        self._failures = 0
        self._began = time.monotonic()

    def failed(self, error: HttpError, progress: int = 0) -> None:
        """Wait before the next attempt; raises `error` if it is permanent or the last attempt's.

        More `progress` than ever resets the count, so a large transfer may take any number of
        connections.
        """
        self._failures = 1 if progress > self._furthest else self._failures + 1
        self._furthest = max(progress, self._furthest)
        if not error.transient or self._failures >= self._retry.attempts:
            raise error
        seconds = self._retry.delay(self._failures, error.retry_after)
        if time.monotonic() - self._began + seconds >= _SHORT:
            count = f"attempt {self._failures + 1} of {self._retry.attempts}"
            self._tell(f"{error.reason}; trying again in {duration(seconds)} ({count})", seconds)
        self._wait(seconds)


class OnePerWait:
    """Hands on what is told of waits: once, however many threads wait at the same time.

    Args:
        tell: Takes a line for people.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._until = 0.0

    def __call__(self, line: str, seconds: float) -> None:
        with self._lock:
            if time.monotonic() < self._until:
                return
            self._until = time.monotonic() + seconds
        self._tell(line)


def retrying(
    call: Callable[[], T],
    retry: Retry,
    wait: Callable[[float], object],
    progress: Callable[[], int] = int,
    tell: Callable[[str, float], object] = lambda *_: None,
) -> T:
    """Call again after each transient `HttpError`, as `Attempts` allows; others are raised."""
    attempts = Attempts(retry, wait, progress(), tell)
    while True:
        try:
            return call()
        except HttpError as error:
            attempts.failed(error, progress())
