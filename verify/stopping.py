"""^C and SIGTERM end the program in order: at once, but never while something is half made."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):  # asyncio lets no other exception of a signal handler through
    """A signal has asked for the end.

    Attributes:
        code: The exit code: 130 for ^C, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.code = 128 + number


class _State:
    held = 0
    pending = 0


def install() -> None:
    """Raise `Stopped` in the main thread when a signal comes."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, a background job
            signal.signal(number, _handle)


def ignore() -> None:
    """Let no signal disturb what comes now: the tidying up at the end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _handle(number: int, _frame: object) -> None:
    if _State.held:
        _State.pending = number
        return
    raise Stopped(number)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let signals wait: what is made inside is known to whoever removes it. Keep it short."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if _State.pending and not _State.held:
        number, _State.pending = _State.pending, 0
        raise Stopped(number)
