"""How long to bear with a registry that fails: what is asked again, after which wait.

A question of a build gives up soon, since the build can do without; publishing does not. The
module knows no request: it is handed something to call, which raises `Trouble`.
"""

from __future__ import annotations

import time
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


def persist(
    call: Callable[[], T],
    patience: Retry,
    progress: Callable[[], int] = int,
    wait: Callable[[float], None] = time.sleep,
) -> T:
    """Call until it succeeds, waiting between attempts.

    Args:
        call: What to try; only a transient `Trouble` makes it tried again.
        patience: How often, and how long to wait; Retry-After counts as far as it allows.
        progress: How far the call has come. Having come further than ever starts the count anew,
            so that a large upload may take any number of connections.
        wait: Called with seconds.

    Raises:
        Trouble: Permanent, or the last of too many.
    """
    failures, furthest = 0, progress()
    while True:
        try:
            return call()
        except Trouble as trouble:
            here = progress()
            failures = 1 if here > furthest else failures + 1
            furthest = max(here, furthest)
            if not trouble.transient or failures >= patience.attempts:
                raise
            wait(patience.delay(failures, trouble.retry_after))
