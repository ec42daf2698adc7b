"""How the launcher speaks: lines on standard error, and errors that one line explains."""

from __future__ import annotations

import contextlib
import os

_fd = 2


class LauncherError(Exception):
    """A failure to be shown without a traceback; `code` is the exit code (2: wrong input)."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def log(message: str) -> None:
    """Write one line to the container's log. Never pass a key, a payload or a request."""
    with contextlib.suppress(OSError):
        os.write(_fd, f"launch_ipykernel: {message}\n".encode(errors="replace"))


def keep_log() -> None:
    """Stay with today's standard error: ipykernel will send file descriptor 2 to the notebook."""
    global _fd  # noqa: PLW0603 - as global as the file descriptor it stands for
    _fd = os.dup(2)
