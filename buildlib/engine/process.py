"""Child processes that never outlive the build and never see the terminal's ^C.

Each child leads a session of its own, so a ^C reaches this process alone, which then ends its
children in order: TERM, a grace period, KILL. The table of children is per process and thread-safe.
Signal handlers call `stop_all`; further clean-up (a container to remove) is registered with
`on_stop`. Knows nothing of docker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from buildlib.errors import ActionError

_children: dict[int, subprocess.Popen[bytes]] = {}
_graces: dict[int, float] = {}
"""Seconds between TERM and KILL, for children that need more than `GRACE` to clean up."""
_cleanups: dict[int, Callable[[], None]] = {}
_lock = threading.RLock()  # a handler may run in the thread that holds it
_stopping = threading.Event()
GRACE = 2.0
"""Seconds between TERM and KILL."""


class Stopped(ActionError):
    """The build was told to stop while this ran; what ran did not fail."""

    def __init__(self, what: str = "stopped") -> None:
        super().__init__(what)


def stopping() -> bool:
    """Whether `stop_all` was called: nothing new may start."""
    return _stopping.is_set()


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    grace: float = GRACE,
) -> int:
    """Run a child, hand over each line it writes, and return its exit code.

    Its stdout and stderr are one stream, and its stdin is empty. An exception, also one of
    `on_line`, ends the child before it goes on. The child has `grace` seconds to clean up when it
    is told to stop.

    Raises:
        Stopped: The process is being stopped; the child, if it was started, has ended.
        OSError: The program cannot be started.
    """
    child = _start(argv, environ, cwd, grace)
    try:
        assert child.stdout is not None  # noqa: S101  _start always makes the pipe
        for line in child.stdout:
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))
        code = child.wait()
    finally:
        if child.poll() is None:
            _end([child.pid], grace)
        child.__exit__(None, None, None)  # closes the pipe and reaps: no zombie is left
        with _lock:
            _children.pop(child.pid, None)
            _graces.pop(child.pid, None)
    if stopping():
        raise Stopped
    return code


def _start(
    argv: Sequence[str], environ: Mapping[str, str] | None, cwd: str | None, grace: float
) -> subprocess.Popen[bytes]:
    with _lock:  # so that `stop_all` sees every child that was started before it
        if stopping():
            raise Stopped
        child = subprocess.Popen(
            list(argv),
            env=None if environ is None else dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _children[child.pid] = child
        if grace > GRACE:
            _graces[child.pid] = grace
    return child


def capture(argv: Sequence[str], *, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a child; return its exit code (127 if there is no such program) and its output."""
    lines: list[str] = []
    try:
        code = stream(argv, lines.append, environ=environ)
    except OSError as error:
        return 127, str(error)
    return code, "\n".join(lines)


@contextmanager
def on_stop(cleanup: Callable[[], None]) -> Iterator[None]:
    """Have `stop_all` call `cleanup` while the block runs; it must be quick and may fail."""
    with _lock:
        if stopping():
            raise Stopped
        key = id(cleanup)
        _cleanups[key] = cleanup
    try:
        yield
    finally:
        with _lock:
            _cleanups.pop(key, None)


def stop_all(grace: float = GRACE) -> None:
    """End every child and run every clean-up; from now on nothing new starts.

    Made for signal handlers: takes no lock that a thread could hold while it waits, reaps no child
    that another frame waits for, and returns within about `grace` seconds, or within the longer
    grace of a child.
    """
    _stopping.set()
    with _lock:
        pids = list(_children)
        cleanups = list(_cleanups.values())
    _signal(pids, signal.SIGTERM)
    for cleanup in cleanups:
        with suppress(Exception):  # the others must be stopped all the same
            cleanup()
    _end(pids, grace)


def _end(pids: Sequence[int], grace: float) -> None:
    """TERM, wait until the leaders are gone, KILL what is left of their groups."""
    _signal(pids, signal.SIGTERM)
    began = time.monotonic()
    left = list(pids)
    while left and not all(_is_overdue(pid, began, grace) for pid in left):
        left = [pid for pid in left if _alive(pid)]
        time.sleep(0.02)
    _signal(pids, signal.SIGKILL)


def _is_overdue(pid: int, began: float, grace: float) -> bool:
    """Whether a child has used up its grace period."""
    return time.monotonic() - began >= max(grace, _graces.get(pid, grace))


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):  # gone; macOS says EPERM of a zombie
            os.killpg(pid, number)


def _alive(pid: int) -> bool:
    """Whether a child still runs, without reaping it.

    `Popen.poll` would not do: in a signal handler it cannot take the lock of the `wait` that the
    signal interrupted, and then says "running" for ever.
    """
    if not hasattr(os, "waitid"):  # macOS before Python 3.13: wait the whole grace
        return True
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
