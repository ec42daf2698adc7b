"""Cases, what they end with, and how that is shown. Knows neither engine nor kernels."""

from __future__ import annotations

import json
import os
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from verify.pace import Pace, Slow
from verify.rules import RULES, Broken, Late, NotTried, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SCHEMA = 1
FAULT = "fault-of-verify"  # stands where a rule would: the case itself has failed
TIMES = ("report", "idle", "execute", "task", "interrupt", "restart", "delete", "spark")
"""What is measured, in the order of a kernel's life; docs/verify.md says from when to when."""


BEGINS = ">> "
"""How a line of progress begins; `buildlib` takes it as what the proof is doing."""
_COLOURS = {"ok": "32", "slow": "33", "FAILED": "31"}


class Told(NamedTuple):
    """What a case that is well has to say: a remark, and seconds by their names in `TIMES`."""

    message: str
    times: Mapping[str, float] = {}


class Case(NamedTuple):
    """Something to try.

    Attributes:
        name: As in `--case`.
        about: One line for `--list`.
        run: Tries it; returns a remark (or nothing), raises `Broken`.
    """

    name: str
    about: str
    run: Callable[[], Told | str | None]


class Result(NamedTuple):
    """How a case ended.

    Attributes:
        name: The case's.
        ok: Whether all is well.
        seconds: How long it took.
        rule: The one that is broken; empty where none is.
        message: What was seen.
        times: What was measured; see `TIMES`.
        tried: False where something before has failed that it needs.
        slow: What was late in a case that is well, as the machine was busy.
    """

    name: str
    ok: bool
    seconds: float
    rule: str = ""
    message: str = ""
    times: Mapping[str, float] = {}
    tried: bool = True
    slow: Sequence[Slow] = ()

    @property
    def word(self) -> str:
        """How it ended, in a word."""
        return ("slow" if self.slow else "ok") if self.ok else "FAILED"


class Board:
    """The table, a row as each case ends; on a terminal the running case is shown as well.

    Args:
        out: Where it is written.
        progress: Write a line for the running case where there is no terminal, for a program that
            shows it.
    """

    def __init__(self, out: TextIO, *, progress: bool = False) -> None:
        self._out = out
        self._progress = progress
        self._live = out.isatty() and os.environ.get("TERM") != "dumb"
        self._explained: set[str] = set()
        self._untried: list[Result] = []
        self._colour = self._live and not os.environ.get("NO_COLOR")

    def title(self, text: str) -> None:
        """What is verified."""
        self._write(text + "\n")

    def running(self, name: str, number: int, total: int) -> None:
        """A case begins."""
        if self._live:
            self._write(f"{name:<24} {number} of {total} ...")
        elif self._progress:
            self._write(f"{BEGINS}{name}, {number} of {total}\n")

    def row(self, result: Result) -> None:
        """A case has ended; those that were not tried get one row together."""
        if not result.tried:
            self.abandon()
            self._untried.append(result)
            return
        self.flush()
        word = self._paint(f"{result.word:<6}", _COLOURS[result.word])
        line = f"{result.name:<24} {word} {result.seconds:6.1f} s"
        if result.ok:
            line += f"  {result.message}"
        self._write(("\r\033[K" if self._live else "") + line.rstrip() + "\n")
        for slow in result.slow:
            self._write(f"  slow: {slow.what}\n")
        if not result.ok:
            self._write(f"  {result.rule}: {result.message}\n")
            if result.rule in RULES.keys() - self._explained:
                self._explained.add(result.rule)
                self._write(f"  rule: {RULES[result.rule].text} ({document(result.rule)})\n")

    def flush(self) -> None:
        """No more cases come that were not tried for the same reason."""
        if self._untried:
            names = " ".join(result.name for result in self._untried)
            self._write(f"not tried, as {self._untried[0].message}: {names}\n")
            self._untried.clear()

    def abandon(self) -> None:
        """The running case will have no row."""
        if self._live:
            self._write("\r\033[K")

    def _paint(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colour else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def run(
    cases: Sequence[Case], board: Board, pace: Pace | None = None, *, debug: bool = False
) -> list[Result]:
    """Run cases, one after the other; a case that fails does not keep the others from running.

    Args:
        cases: The cases.
        board: Where they are shown.
        pace: What has judged their lateness; it says which were slow.
        debug: Show a traceback where a case itself fails.
    """
    results = []
    pace = pace or Pace()
    for number, case in enumerate(cases, 1):
        board.running(case.name, number, len(cases))
        started = time.monotonic()
        rule, told, tried = "", Told(""), True
        try:
            told = _tried(case, pace)
        except Broken as broken:
            rule, told = broken.rule, Told(broken.message)
            tried = not isinstance(broken, NotTried)
        except Exception as error:  # noqa: BLE001 - an odd image must not hide the other results
            if debug:
                traceback.print_exc()
            rule, told = FAULT, Told(f"{type(error).__name__}: {error} (--debug shows where)")
        except BaseException:
            board.abandon()
            raise
        seconds = round(time.monotonic() - started, 3)
        slow = pace.notes()
        results.append(Result(case.name, not rule, seconds, rule, *told, tried=tried, slow=slow))
        board.row(results[-1])
    board.flush()
    return results


def _tried(case: Case, pace: Pace) -> Told:
    try:
        told = case.run()
    except Late:
        pace.notes()
        with pace.alone():
            told = case.run()
    return told if isinstance(told, Told) else Told(told or "")


def verdict(results: Iterable[Result]) -> str:
    """`works`, `works, with faults` or `fails`: whether the gateway can use what was tried."""
    failed = [result.rule for result in results if not result.ok]
    if any(rule not in RULES or RULES[rule].required for rule in failed):
        return "fails"
    return "works, with faults" if failed else "works"


def exit_code(results: Iterable[Result]) -> int:
    """0 all is well, 1 a rule is broken, 2 a case has failed through a fault of ours."""
    rules = {result.rule for result in results if not result.ok}
    return 2 if FAULT in rules else 1 if rules else 0


def rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """What was measured: a row for the image (its name is empty) and for each kernelspec."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        name = result.name.rpartition("/")[0]
        row = found.setdefault(
            name, {"name": name, "cases": 0, "failed": 0, "slow": 0, "seconds": 0.0, "times": {}}
        )
        row["cases"] += 1
        row["failed"] += not result.ok
        row["slow"] += result.word == "slow"
        row["seconds"] = round(row["seconds"] + result.seconds, 3)
        row["times"].update(result.times)
    for row in found.values():
        times = row["times"]
        row["times"] = {name: round(times[name], 3) for name in TIMES if name in times}
    return list(found.values())


def write_json(target: str, about: dict[str, Any], results: Iterable[Result]) -> None:
    """Write what was found to a file (in one step), or to standard output for `-`."""
    results = list(results)
    cases = [
        {
            **result._asdict(),
            "times": {name: round(seconds, 3) for name, seconds in result.times.items()},
            "slow": [slow.shown() for slow in result.slow],
            "document": document(result.rule) if result.rule in RULES else "",
        }
        for result in results
    ]
    found = {
        "schema": SCHEMA,
        **about,
        "verdict": verdict(results),
        "columns": list(TIMES),
        "rows": rows(results),
        "cases": cases,
    }
    text = json.dumps(found, indent=2) + "\n"
    if target == "-":
        print(text, end="")
        return
    half = f"{target}.{os.getpid()}"
    with open(half, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(half, target)
