"""The machine's own pace while a run goes on, by which what is late is judged.

A limit of seconds is meant for an idle machine. What breaks one is held against two figures of the
machine, taken right then: how many times its processor time a fixed piece of work takes, and how
much longer than usual a bare container of the same image takes to start. Beside these, the kernel
of Linux counts the seconds in which something had to wait for a processor, the disk or memory. What
they explain is slow, and not wrong (docs/verify.md#on-a-busy-machine).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from verify.rules import Late
from verify.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORK_SECONDS = 0.06
"""Processor time of the fixed piece of work; long enough to be interrupted by other programs."""
BUSY = 1.25
"""From this pace on the machine is busy; an idle one has 1.0 to 1.1."""
BARE_NOISE = 1.6
"""How much longer than the fastest a bare container may take to start on an idle machine."""
MOST = 20.0
"""The slowest pace that is waited for."""
_PRESSURE = "/proc/pressure"
_KINDS = ("cpu", "io", "memory")
_TICKS = os.sysconf("SC_CLK_TCK")


class Mark(NamedTuple):
    """A moment: monotonic and wall-clock seconds, and what had been waited for until then."""

    at: float
    wall: float
    waited: float

    def seconds(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.at

    def lost(self) -> float:
        """Seconds since then in which something waited for the machine."""
        return sum(waited().values()) - self.waited


class Slow(NamedTuple):
    """What was late, on a machine that was.

    Attributes:
        what: What was late and how the machine was, in words with all figures.
        seconds: How long it took.
        limit: How long it may take on an idle machine.
        pace: How many times longer the machine took for everything then.
        waited: Seconds of these in which something waited for the machine, where that is known.
    """

    what: str
    seconds: float
    limit: float
    pace: float
    waited: float

    def shown(self) -> dict[str, str | float]:
        """For JSON: what and when it was, against which limit, at which pace."""
        return {
            name: value if isinstance(value, str) else round(value, 4)
            for name, value in self._asdict().items()
        }


def figure(seconds: float) -> str:
    """Seconds in words, with as many digits as tell one from its limit."""
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"  # noqa: PLR2004


class Pace:
    """Measures the machine, and judges what is late.

    Args:
        start_bare: Starts a bare container and returns the seconds until it had begun and ended;
            None where that is not possible.
        turns: What keeps other proofs of this machine away while something is measured.
        work: Says how many times its processor time a fixed piece of work takes.

    Attributes:
        factor: The pace as it was measured last; 1 on an idle machine.
        most: The slowest of the run.
        bare: The fastest start of a bare container in this run, for an idle machine; 0 if unknown.
    """

    def __init__(
        self,
        start_bare: Callable[[], float | None] = lambda: None,
        turns: Turns | None = None,
        work: Callable[[], float] | None = None,
    ) -> None:
        self._work = work or _work
        self._start_bare = start_bare
        self._turns = turns or Turns("")
        self._notes: list[Slow] = []
        self._beside = 0
        self._told = ""
        self.factor = 1.0
        self.most = 1.0
        self.bare = 0.0

    # -- What is measured -------------------------------------------------------------------------

    def measure(self) -> float:
        """Measure the pace anew; takes half a second."""
        work = self._work()
        bare = self._start_bare() or 0.0
        work = max(1.0, work, self._work())
        if bare:  # on a machine that is busy from the start, the usual time can only be computed
            self.bare = min(self.bare or bare, bare / work)
        slower = bare / self.bare if self.bare else 1.0
        self.factor = min(MOST, max(work, slower if slower >= BARE_NOISE else 1.0))
        self.most = max(self.most, self.factor)
        self._told = f"work takes {work:.1f} times its processor time"
        if bare:
            self._told += f", a bare container starts in {bare:.2f} s, usual is {self.bare:.2f} s"
        return self.factor

    @property
    def busy(self) -> bool:
        """Whether the machine was busy when it was last measured."""
        return self.factor >= BUSY

    @property
    def scale(self) -> float:
        """By what to multiply a limit that somebody else keeps: 1 unless the machine is busy."""
        return self.factor if self.busy else 1.0

    def mark(self) -> Mark:
        """This moment."""
        return Mark(time.monotonic(), time.time(), sum(waited().values()))

    # -- What is late -----------------------------------------------------------------------------

    def judge(
        self, rule: str, what: str, seconds: float, limit: float, since: Mark | None = None
    ) -> None:
        """Hold what took some seconds against its limit: it is in time, or slow.

        Args:
            rule: The one that has the limit.
            what: Completes "... after 3 s, not 2 s".
            seconds: How long it took.
            limit: How long it may take on an idle machine.
            since: When it began.

        Raises:
            Late: It is late, and the machine is not the reason.
        """
        if seconds > limit:
            what = f"{what} after {figure(seconds)}, not {figure(limit)}"
            self.excuse(rule, what, seconds, limit, since)

    def excuse(
        self, rule: str, what: str, seconds: float, limit: float, since: Mark | None = None
    ) -> None:
        """Note something as slow that was late by whatever clock; `what` says all of it.

        Raises:
            Late: The machine is not the reason, or may be so only for other proofs (`beside`).
        """
        if self._beside and self._turns.shared:
            raise Late(rule, f"{what}, beside other proofs")
        lost = min(seconds, max(0.0, since.lost())) if since else 0.0
        self.measure()
        told = f"{what}; {self._machine(lost)}"
        if not self.busy or (seconds > limit * self.factor and seconds - lost > limit):
            raise Late(rule, told)
        self._notes.append(Slow(told, seconds, limit, self.factor, lost))

    def notes(self) -> tuple[Slow, ...]:
        """What was slow since this was last asked."""
        found, self._notes = tuple(self._notes), []
        return found

    def patience(self, seconds: float, since: float | None = None) -> Patience:
        """A time to wait, which is longer on a busy machine."""
        return Patience(self, seconds, time.monotonic() if since is None else since)

    def _machine(self, lost: float) -> str:
        state = f"the machine is busy, pace {self.factor:.1f}" if self.busy else "it is not busy"
        waited = f"; something waited for it for {lost:.1f} s" if lost else ""
        return f"{state} ({self._told}{waited})"

    # -- Other proofs -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Measure something while no other proof of this machine uses it."""
        with self._turns.alone():
            yield

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Hold something to a limit beside other proofs, which it usually keeps all the same.

        What is late is not excused by them: its case is tried again, alone.
        """
        self._beside += 1
        try:
            yield
        finally:
            self._beside -= 1

    def give_way(self) -> None:
        """Let another proof measure first: nothing of this one uses the machine right now."""
        self._turns.give_way()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Leave the machine to others while nothing but time has to pass."""
        with self._turns.resting():
            yield


class Patience:
    """How long something is waited for: a time, or as much longer as the machine is slower.

    The machine is measured only when the time is up.
    """

    def __init__(self, pace: Pace, seconds: float, since: float) -> None:
        self._pace = pace
        self._seconds = seconds
        self._since = since
        self._end = since + seconds
        self._begun = pace.mark()

    @property
    def left(self) -> float:
        """Seconds until somebody has to ask again."""
        return max(0.0, self._end - time.monotonic())

    def over(self) -> bool:
        """Whether it is at its end."""
        now = time.monotonic()
        if now < self._end:
            return False
        self._pace.measure()
        self._end = self._since + self._seconds * self._pace.scale
        return now >= self._end

    def kept(self, rule: str, what: str) -> None:
        """It has come: in time, or slowly.

        Raises:
            Late: See `Pace.judge`.
        """
        seconds = time.monotonic() - self._since
        self._pace.judge(rule, what, seconds, self._seconds, self._begun)


def waited() -> dict[str, float]:
    """Seconds in which something has waited for a processor, the disk or memory, since the boot.

    Empty where the kernel does not count them. Time that a virtual machine's host has taken counts
    as waiting for a processor.
    """
    found: dict[str, float] = {}
    for kind in _KINDS:
        with contextlib.suppress(OSError, ValueError), open(f"{_PRESSURE}/{kind}") as file:
            found[kind] = int(file.readline().rpartition("total=")[2]) / 1e6
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/stat") as file:
        found["cpu"] = found.get("cpu", 0.0) + int(file.readline().split()[8]) / _TICKS
    return found


def _work() -> float:
    """How many times its processor time a fixed piece of work takes."""
    begun, end, count = time.perf_counter(), time.thread_time() + WORK_SECONDS, 0
    while time.thread_time() < end:
        for _ in range(1000):
            count += 1
    return (time.perf_counter() - begun) / WORK_SECONDS
