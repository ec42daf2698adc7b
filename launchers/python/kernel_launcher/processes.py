"""Signals, children and children's children. Knows nothing of kernels."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHUTDOWN_BEGUN = signal.SIGUSR1  # the kernel to its supervisor: I have been asked to end

_SET_PDEATHSIG = 1  # linux/prctl.h
_SET_CHILD_SUBREAPER = 36


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process, or to a group if negative; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def interrupt(pid: int, number: int, *, group: bool) -> None:
    """Send a signal to the main thread of a process, which alone obeys signals in Python.

    Sent to the process, it may be given to any thread: a main thread that waits in a system call
    (for an answer of Spark's JVM) then goes on waiting, and the interrupt has no effect.

    Args:
        pid: the process, the leader of its group.
        number: the signal.
        group: the other processes of the group get it too.
    """
    others = [other for other in _group_members(pid) if other != pid] if group else []
    if group and not os.path.isdir("/proc/self"):  # not on Linux
        send_signal(-pid, number)
        return
    for other in others:
        send_signal(other, number)
    try:
        import ctypes

        ctypes.CDLL(None).tgkill(pid, pid, number)  # since glibc 2.30
    except (ImportError, AttributeError, OSError):
        send_signal(pid, number)


def _group_members(leader: int) -> list[int]:
    """List the processes of a group, from /proc; empty where there is none."""
    return [pid for pid, _, group in _processes() if group == leader]


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
    for child, parent, _ in _processes():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, ()))
    for child in found:
        found += children.get(child, ())
    return found


def _processes() -> Iterator[tuple[int, int, int]]:
    """Each process of /proc, with its parent and its group."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # the name, in parentheses, may hold anything; parent and group are second and third
                _, parent, group, *_ = file.read().rpartition(b")")[2].split()
                yield int(name), int(parent), int(group)


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
