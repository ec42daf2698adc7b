"""Waiting for what other processes do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from verify.pace import Pace

T = TypeVar("T")


def until(what: Callable[[], T], seconds: float, pace: Pace, *, pause: float = 0.03) -> T:
    """Ask again until the answer is true or the time is up; returns the last answer.

    On a busy machine the time is longer (`Pace.patience`).
    """
    patience = pace.patience(seconds)
    while not (answer := what()) and not patience.over():
        time.sleep(pause)
    return answer
