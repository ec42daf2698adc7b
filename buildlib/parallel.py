"""Calls in several threads: the one runner for work that waits on the network or children.

`Slots` let few of many threads work at a time: one that only waits leaves its slot to another.

`concurrent.futures` joins its threads at exit, so a registry that hangs would delay the end of a
process that no longer needs it. The threads here are daemons: nothing waits for them at exit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_TICK = 0.1  # seconds
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    timeout: float | None = None,
    tick: Callable[[], object] | None = None,
) -> list[Result]:
    """Call a function for each item, several at a time; the results, in the order of the items.

    After the first failure no further call is started; running ones are waited for.

    Args:
        timeout: Seconds to wait for all calls; None for ever.
        tick: Called in the waiting thread ten times a second, to show progress.

    Raises:
        TimeoutError: Not all calls ended in time; running ones go on.
        Exception: The first that a call raised.
    """
    pending = list(enumerate(items))[::-1]
    count = len(pending)
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def run() -> None:
        while not failures:
            try:
                index, item = pending.pop()
            except IndexError:
                return
            try:
                results[index] = work(item)
            except BaseException as error:  # noqa: BLE001  handed to whoever waits
                failures.append(error)

    runners = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, count))]
    for runner in runners:
        runner.start()
    _wait(runners, timeout, tick)
    if failures:
        raise failures[0]
    if any(runner.is_alive() for runner in runners):
        raise TimeoutError
    return [results[index] for index in range(count)]


def _wait(
    runners: Iterable[threading.Thread], timeout: float | None, tick: Callable[[], object] | None
) -> None:
    end = None if timeout is None else time.monotonic() + timeout
    for runner in runners:
        left = None if end is None else max(0.0, end - time.monotonic())
        if tick is None:
            runner.join(left)
            continue
        while runner.is_alive() and (end is None or time.monotonic() < end):
            runner.join(_TICK)
            tick()


class Slots:
    """Slots for threads, each of which takes one to work; whoever waits longest gets the next."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    def take(self) -> None:
        """Wait for a slot for this thread."""
        self._free.acquire()
        _own.slots = self

    def give_back(self) -> None:
        """Give back the slot of this thread, if it has one."""
        if getattr(_own, "slots", None) is self:
            _own.slots = None
            self._free.release()


_own = threading.local()
"""The slots that the present thread has one of."""


@contextmanager
def idle() -> Iterator[None]:
    """Leave the thread's slot, if it has one, to others while it only waits."""
    slots: Slots | None = getattr(_own, "slots", None)
    if slots is None:
        yield
        return
    slots.give_back()
    try:
        yield
    finally:
        slots.take()
