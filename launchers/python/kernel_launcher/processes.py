"""Signals, children and children's children. Knows nothing of kernels."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

SHUTDOWN_BEGUN = signal.SIGUSR1  # the kernel to its supervisor: I have been asked to end

_SET_PDEATHSIG = 1  # linux/prctl.h
_SET_CHILD_SUBREAPER = 36


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process, or to a group if negative; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):  # not on Linux
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, as process 1 is anyway."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when `parent` is, by whatever means."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has happened already
        os._exit(1)


def descendants(pid: int) -> list[int]:
    """List the children of a process and theirs, from /proc; empty where there is none."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # the name, in parentheses, may hold anything; the parent is second after it
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = list(children.get(pid, ()))
    for child in found:
        found += children.get(child, ())
    return found


class StopSignals:
    """Notes the signals that ask for the end; `wakeup` becomes readable at each.

    Made first of all: without a handler, process 1 of a container ignores `docker stop`.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.wakeup, self._writer = socket.socketpair()
        self.wakeup.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # to wake up by, too
        signal.signal(SHUTDOWN_BEGUN, self._note)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or a background job
                signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.received.append(number)

    def drain(self) -> None:
        """Empty `wakeup`."""
        with contextlib.suppress(BlockingIOError):
            while self.wakeup.recv(4096):
                pass
