"""The progress of several transfers at once: their bytes added up, in one line.

It knows numbers and names, and nothing of what is moved.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from buildlib.outside.fetch.progress import Observer


class TransferProgress:
    """Adds up transfers. Safe for several threads.

    Args:
        count: How many transfers there will be.
        show: Takes bytes done, bytes in total as far as known, transfers ended, and `count`.
    """

    def __init__(self, count: int, show: Observer) -> None:
        self._count = count
        self._show = show
        self._sizes: dict[str, tuple[int, int]] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def observer(self, name: str) -> Callable[[int, int], None]:
        """Return the observer of one transfer."""

        def observe(done: int, total: int) -> None:
            with self._lock:
                self._sizes[name] = done, total
                self._tell()

        return observe

    def end(self, name: str) -> None:
        with self._lock:
            self._ended.add(name)
            self._tell()

    def _tell(self) -> None:
        done = sum(done for done, _ in self._sizes.values())
        total = sum(total for _, total in self._sizes.values())
        self._show(done, total, len(self._ended), self._count)
