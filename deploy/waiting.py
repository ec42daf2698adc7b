"""Waiting for what a platform does, with a sign of life for the person who waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.platform import Say

_PAUSE = 0.5
_TELL = 5.0
"""Seconds between two lines of progress."""


def until(done: Callable[[], str], seconds: float, say: Say) -> str:
    """Ask until there is nothing left to wait for.

    Args:
        done: Says what is waited for; an empty text when that is over.
        seconds: How long to wait at most.
        say: Takes a line now and then.

    Returns:
        What is still waited for when the time is up; an empty text if nothing is.
    """
    begun = told = time.monotonic()
    while waiting := done():
        now = time.monotonic()
        if now - begun > seconds:
            return waiting
        if now - told >= _TELL:
            say(f"  {waiting}, {now - begun:.0f} s")
            told = now
        time.sleep(_PAUSE)
    return ""
