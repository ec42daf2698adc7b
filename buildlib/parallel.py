"""Calls in several threads at once: the one parallel runner of all that waits for others.

`concurrent.futures` joins its threads at exit, so a registry that hangs would hold back a process
that has long gone on without it. These threads are daemons: nothing waits for them in the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
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

    After the first failure no further item is begun; those that run are waited for.

    Args:
        timeout: Seconds to wait for all of them; for ever when None.
        tick: Called in the thread that waits, ten times a second: shows how far it is.

    Raises:
        TimeoutError: Not all ended in time; what runs is left alone.
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
