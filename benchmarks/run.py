"""All benchmarks, or one: `.venv/bin/python benchmarks/run.py [--only NAME] [--small] [--json]`.

Prints ratios of commands that ran in turn; docs/performance.md says how to read them, and
`--write` puts them there.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import builds
import page
from family import LEAST, Family
from lab import Lab
from many import Many
from measure import Case, machine, measure

CASES: dict[str, Callable[[Family, Many], Case]] = {
    "noop": lambda family, _: builds.noop(family),
    "docker": lambda family, _: builds.docker(family),
    "bake": lambda family, _: builds.bake(family),
    "one": lambda family, _: builds.one(family),
    "every": lambda family, _: builds.every(family),
    "edit": lambda family, _: builds.edit(family),
    "launcher": lambda family, _: builds.launcher(family),
    "touch": lambda family, _: builds.touch(family),
    "many": lambda _, many: many.load(),
    "replan": lambda _, many: many.replan(),
}
NEEDS_BUILDX = frozenset(("bake", "one", "every"))


def main() -> int:
    """Run what was asked for and print it.

    Returns:
        0: a goal that is missed is a result, not a failure. A command that fails ends it with 1.
    """
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    lab = Lab()
    try:
        report = _report(lab, options)
    finally:
        lab.close()
    if options.json:
        json.dump(report, sys.stdout, indent=2)
        print()
    if options.write:
        page.write(report, _machine_line(report["machine"]), time.strftime("%Y-%m-%d"))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the build system with its peers.")
    parser.add_argument("--json", action="store_true", help="print times and ratios as JSON")
    parser.add_argument(
        "--only", action="append", choices=CASES, metavar="NAME", help=f"one of {', '.join(CASES)}"
    )
    parser.add_argument("--rounds", type=int, default=0, help="runs of each command")
    parser.add_argument(
        "--small", action="store_true", help="see that all of it runs; the figures say nothing"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the ratios into docs/performance.md"
    )
    options = parser.parse_args()
    if options.write and options.small:
        parser.error("--small measures nothing that could be written")
    return options


def _report(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Run the cases; for people, each is shown as it ends."""
    found = machine() | {"engine": lab.engine_version(), "buildx": lab.buildx_version()}
    if not options.json:
        print(f"{_machine_line(found)}; load {found['load']}", flush=True)
    small = options.small
    family = Family(lab, images=LEAST, files=20) if small else Family(lab)
    many = Many(lab, packages=1) if small else Many(lab)
    left_out = NEEDS_BUILDX if lab.buildx is None and not options.only else frozenset()
    if left_out and not options.json:
        print(f"left out, since there is no buildx here: {', '.join(sorted(left_out))}")
    results = []
    for name in options.only or (name for name in CASES if name not in left_out):
        case = CASES[name](family, many)
        if small:  # one round of little is nothing to judge
            case = case._replace(
                rounds=1, goals=[goal._replace(at_most=None) for goal in case.goals]
            )
        results.append(measure(case, options.rounds))
        if not options.json:
            print("\n".join(["", *_lines(results[-1])]), flush=True)
    return {
        "schema": 1,
        "organization": lab.organization,
        "machine": found,
        "left_out": sorted(left_out),
        "cases": results,
    }


def _machine_line(found: dict[str, Any]) -> str:
    return (
        f"{found['cpu']}, {found['cores']} cores; {found['system']}; Python {found['python']}; "
        f"engine {found['engine']}; buildx {found['buildx'] or 'none'}"
    )


def _lines(case: dict[str, Any]) -> list[str]:
    lines = [f"{case['name']}: {case['doc']}"]
    for side in case["sides"]:
        median, minimum = side["median"] * 1000, side["minimum"] * 1000
        lines.append(
            f"  {side['name']:28} median {median:8.1f} ms  min {minimum:8.1f} ms  "
            f"({side['runs']} runs)"
        )
    for ratio in case["ratios"]:
        goal = f"  goal {ratio['goal']:.3g}: {ratio['verdict']}" if ratio["verdict"] else ""
        lines.append(
            f"  {ratio['ours']} / {ratio['peer']}: "
            f"medians {ratio['medians']:.3f}, minima {ratio['minima']:.3f}{goal}"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
