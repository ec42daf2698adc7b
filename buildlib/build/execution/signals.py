"""Stopping: ^C and SIGTERM end the children, keep what is complete, and exit at once.

Results are recorded by rename as each action ends, so there is nothing to roll back: an action that
was running is simply not recorded. doit by itself would leave children behind on SIGTERM.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def install(before_exit: Callable[[], None]) -> None:
    """Exit with 130 on SIGINT, 143 on SIGTERM, 129 on SIGHUP, after all children ended.

    `before_exit` saves what is worth keeping; it must be quick.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        from buildlib.engine.process import stop_all

        for each in _STOPPING:
            signal.signal(each, signal.SIG_IGN)
        try:
            with suppress(OSError):  # not through sys.stderr, which may be in the middle of a line
                os.write(2, b"\nstopping; what was finished is kept\n")
            stop_all()
            before_exit()
        finally:
            os._exit(128 + number)

    for each in _STOPPING:
        signal.signal(each, leave)
