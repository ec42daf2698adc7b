"""The table of figures in docs/performance.md, written from what was measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from lab import CHECKOUT

PAGE = CHECKOUT / "docs/performance.md"
_TABLE = re.compile(
    r"(?<=<!-- figures: benchmarks/run\.py --write -->\n).*?(?=<!-- end of figures -->)", re.DOTALL
)
_HEAD = (
    "| case | ours / peer | medians | minima | goal | | day |",
    "|---|---|---|---|---|---|---|",
)
_ROW = re.compile(r"^\| `(?P<case>\w+)` \|.*", re.MULTILINE)


def write(report: dict[str, Any], line: str, day: str, page: Path = PAGE) -> None:
    """Put the ratios of a run into the table; rows of other cases stay.

    Args:
        report: What was measured, as `--json` prints it.
        line: The machine and the engine, in a line.
        day: Of the run, such as `2026-12-01`.
        page: The page with the table.

    Raises:
        SystemExit: Rows of another machine would stay beside those of this one.
    """
    text = page.read_text(encoding="utf-8")
    found = _TABLE.search(text)
    if found is None:
        sys.exit(f"error: {page} has no place for the figures\n  fix: git checkout -- {page}")
    measured = {case["name"] for case in report["cases"]}
    kept = [row.group() for row in _ROW.finditer(found.group()) if row["case"] not in measured]
    if kept and f"\n{line}\n" not in found.group():
        sys.exit(
            f"error: {page} has figures of another machine\n"
            "  fix: .venv/bin/python benchmarks/run.py --write  # all cases"
        )
    table = "\n".join(["", line, "", *_HEAD, *kept, *_rows(report, day), "", ""])
    page.write_text(text[: found.start()] + table + text[found.end() :], encoding="utf-8")


def _rows(report: dict[str, Any], day: str) -> list[str]:
    return [
        f"| `{case['name']}` | {ratio['ours']} / {ratio['peer']} | {ratio['medians']:.3g} "
        f"| {ratio['minima']:.3g} | {_goal(ratio['goal'])} | {ratio['verdict']} | {day} |"
        for case in report["cases"]
        for ratio in case["ratios"]
    ]


def _goal(goal: float | None) -> str:
    return "" if goal is None else f"{goal:.3g}"
