"""Proofs of one machine take turns: side by side, but alone while something is measured.

A lock of the user's that all `verify` processes share: each holds it for itself and others, and
who measures holds it alone. The kernel lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def usual_path() -> str:
    """Where the lock is: one for each user of the machine, in a folder that all processes see."""
    return f"{tempfile.gettempdir()}/verify-turns-{os.getuid()}"


class Turns:
    """One process's part in it; nothing happens before the first `join`.

    Args:
        path: The lock's file; empty for none, where nobody else is about.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = -1
        self._gate = -1
        self._alone = 0

    def join(self) -> None:
        """Use the machine beside others from now on; waits while one of them measures."""
        if not self._path:
            return
        try:
            self._lock = _opened(self._path)
            self._gate = _opened(f"{self._path}.gate")
        except OSError:  # somebody else's file, no room: then no turns are taken
            self.leave()
            return
        self._take(fcntl.LOCK_SH)

    def leave(self) -> None:
        """Use it no more."""
        for descriptor in (self._lock, self._gate):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._gate = -1

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Use the machine alone; within another such block this changes nothing."""
        if self._lock < 0:
            yield
            return
        if not self._alone:
            self._take(fcntl.LOCK_EX)
        self._alone += 1
        try:
            yield
        finally:
            self._alone -= 1
            if not self._alone:
                self._take(fcntl.LOCK_SH)

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Leave the machine to others meanwhile; not for who is alone."""
        if self._lock < 0 or self._alone:
            yield
            return
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        try:
            yield
        finally:
            self._take(fcntl.LOCK_SH)

    @property
    def shared(self) -> bool:
        """Whether others may use the machine right now."""
        return self._lock >= 0 and not self._alone

    def give_way(self) -> None:
        """Let somebody go first who waits to be alone; not for who is alone."""
        if self._lock >= 0 and not self._alone:
            self._take(fcntl.LOCK_SH)

    def _take(self, how: int) -> None:
        """Wait for the lock. Who waits to be alone keeps newcomers at the gate, or would starve."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, how)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)


def _opened(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
