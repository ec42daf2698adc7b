"""Stopping: ^C and SIGTERM end the children, keep what is whole, and leave at once.

Results are recorded by rename as each action ends, so there is nothing to roll back: what was
running is simply not recorded. doit by itself would leave children behind on SIGTERM.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

SIGINT_CODE = 130
SIGTERM_CODE = 143


def install(before_exit: Callable[[], None]) -> None:
    """Leave with 130 on SIGINT and 143 on SIGTERM, after all children ended.

    Args:
        before_exit: Keeps what is worth keeping; it must be quick.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        from buildlib.engine.process import stop_all

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = SIGINT_CODE if number == signal.SIGINT else SIGTERM_CODE
        try:
            with suppress(OSError):  # past sys.stderr, which may be in the middle of a line
                os.write(2, b"\nstopping; what was finished is kept\n")
            stop_all()
            before_exit()
        finally:
            os._exit(code)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
