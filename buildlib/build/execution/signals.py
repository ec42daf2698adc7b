"""Stopping: ^C and SIGTERM end the children, keep what is complete, and exit at once.

Results are recorded by rename as each action ends, so there is nothing to roll back: an action that
was running is simply not recorded. doit by itself would leave children behind on SIGTERM.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLEAR = b"\r\x1b[K"
"""Takes off a line that another thread was about to write, so that the prompt has its own."""
_told: list[int] = []
"""The signal that ends this process."""


def stopping() -> bool:
    """Whether a signal ends this process: nothing more is shown of what is running."""
    return bool(_told)


def install(before_exit: Callable[[], None], running: Callable[[], Sequence[str]] = tuple) -> None:
    """Exit with 130 on SIGINT, 143 on SIGTERM, 129 on SIGHUP, after all children ended.

    Args:
        before_exit: Saves what is worth keeping; it must be quick.
        running: The names of what is cut.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        from buildlib.engine.process import stop_all

        for each in _STOPPING:
            signal.signal(each, signal.SIG_IGN)
        _told.append(number)
        try:
            cut = ", ".join(running())
            line = f"\nstopping{cut and f' {cut}'}; what was finished is kept\n"
            with suppress(OSError):  # not through sys.stderr, which may be in the middle of a line
                os.write(2, line.encode())
            stop_all()
            if os.isatty(2):
                os.write(2, _CLEAR)
            before_exit()
        finally:
            os._exit(128 + number)

    for each in _STOPPING:
        signal.signal(each, leave)
