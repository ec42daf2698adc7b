"""How long to bear with a registry that fails: what is asked again, after which wait.

A question of a build gives up soon, since the build can do without; publishing does not. The
module knows no request: it is handed something to call, which raises `Trouble`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from buildlib.fetch.web import Retry
from buildlib.registry.trouble import Trouble

T = TypeVar("T")

QUICK = Retry(
    attempts=2, first_delay=0.3, longest_delay=2.0, connect_timeout=3.0, read_timeout=10.0
)
"""For what is only useful if it comes soon: some 8 seconds with a registry that is silent."""

PATIENT = Retry(
    attempts=8, first_delay=0.5, longest_delay=60.0, connect_timeout=5.0, read_timeout=30.0
)
"""For what has to succeed: a registry may be away for about a minute, at any point."""


class Failures:
    """The failures of one piece of work: each is waited for, or is the last.

    Args:
        patience: How often, and how long to wait; Retry-After counts as far as it allows.
        wait: Called with seconds.
        furthest: How far the work had come when it began.
    """

    def __init__(self, patience: Retry, wait: Callable[[float], None], furthest: int = 0) -> None:
        self._patience = patience
        self._wait = wait
        self._furthest = furthest
        self._in_a_row = 0

    def add(self, trouble: Trouble, here: int = 0) -> None:
        """Wait until the work may be tried again.

        Args:
            trouble: What happened.
            here: How far the work has come. Having come further than ever starts the count anew,
                so that a large upload may take any number of connections.

        Raises:
            Trouble: This one, if it is permanent or the last of too many.
        """
        self._in_a_row = 1 if here > self._furthest else self._in_a_row + 1
        self._furthest = max(here, self._furthest)
        if not trouble.transient or self._in_a_row >= self._patience.attempts:
            raise trouble
        self._wait(self._patience.delay(self._in_a_row, trouble.retry_after))


def persist(
    call: Callable[[], T],
    patience: Retry,
    wait: Callable[[float], None],
    progress: Callable[[], int] = int,
) -> T:
    """Call until it succeeds, waiting between attempts.

    Args:
        call: What to try; only a transient `Trouble` makes it tried again.
        patience: As for `Failures`.
        wait: Called with seconds.
        progress: How far the call has come.

    Raises:
        Trouble: Permanent, or the last of too many.
    """
    failures = Failures(patience, wait, progress())
    while True:
        try:
            return call()
        except Trouble as trouble:
            failures.add(trouble, progress())
