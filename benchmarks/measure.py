"""Timing: commands run in turn (A B C, A B C, …), and what of it may be compared.

Seconds depend on the machine and on what else it does; what two commands took in one interleaved
run does not, much. So only ratios leave this folder as results. Knows nothing of what is run.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

A_MOMENT = 0.1
"""Seconds between a change and the next command. What is younger than a clock tick is hashed
twice, since an edit could follow unseen (buildlib/core/keys/index.py); no person is that quick."""


class Side(NamedTuple):
    """One thing that is timed.

    Attributes:
        name: For the table.
        run: What is timed.
        before: What has to be done before each run, and is not timed.
    """

    name: str
    run: Callable[[], None]
    before: Callable[[], None] = lambda: None


class Goal(NamedTuple):
    """A ratio of two sides, and the value it should not exceed (None: it is only shown)."""

    ours: str
    peer: str
    at_most: float | None


class Case(NamedTuple):
    """Sides that are timed together.

    Attributes:
        name: For `--only`.
        doc: One line for people.
        sides: What is run in turn.
        goals: What is made of it.
        rounds: How many times each side is run.
    """

    name: str
    doc: str
    sides: Sequence[Side]
    goals: Sequence[Goal]
    rounds: int


def measure(case: Case, rounds: int = 0) -> dict[str, Any]:
    """Run the sides of a case in turn.

    Args:
        case: What to run.
        rounds: How many times, instead of the case's own number.

    Returns:
        The case as plain data: times in seconds, and the ratios with their goals.
    """
    times: dict[str, list[float]] = {side.name: [] for side in case.sides}
    for side in case.sides:  # once without the clock: caches and byte-code
        side.before()
        side.run()
    for _ in range(rounds or case.rounds):
        for side in case.sides:
            side.before()
            start = time.perf_counter()
            side.run()
            times[side.name].append(time.perf_counter() - start)
    return {
        "name": case.name,
        "doc": case.doc,
        "sides": [
            {"name": name, "runs": len(taken), "median": median(taken), "minimum": min(taken)}
            for name, taken in times.items()
        ],
        "ratios": [_ratio(goal, times) for goal in case.goals],
    }


def _ratio(goal: Goal, times: dict[str, list[float]]) -> dict[str, Any]:
    """Both ratios; a goal is met or missed where they agree, else the run was too noisy."""
    ours, peer = times[goal.ours], times[goal.peer]
    medians, minima = median(ours) / median(peer), min(ours) / min(peer)
    verdict = ""
    if goal.at_most is not None:
        kept = (medians <= goal.at_most, minima <= goal.at_most)
        verdict = "met" if all(kept) else "unclear" if any(kept) else "missed"
    return {
        "ours": goal.ours,
        "peer": goal.peer,
        "medians": medians,
        "minima": minima,
        "goal": goal.at_most,
        "verdict": verdict,
    }


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        model = platform.processor()
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "system": _system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
