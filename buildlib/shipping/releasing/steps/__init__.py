"""The steps of a release: `STEPS` lists them in order.

`release` runs them, `plan release` shows what each would do. Nothing that people see changes before
`tag`, and nothing in git before `commit`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from buildlib.shipping.releasing.run import Run
from buildlib.shipping.releasing.steps.artifacts import Artifacts
from buildlib.shipping.releasing.steps.check import Check
from buildlib.shipping.releasing.steps.commit import Commit
from buildlib.shipping.releasing.steps.stamp import Stamp
from buildlib.shipping.releasing.steps.step import Step, Tools
from buildlib.shipping.releasing.steps.tag import PutTags
from buildlib.shipping.releasing.steps.upload import Upload
from buildlib.shipping.releasing.steps.verify import Verify
from buildlib.text import duration

STEPS: tuple[type[Step], ...] = (Check, Stamp, Verify, Upload, Artifacts, PutTags, Commit)
NAMES = tuple(step.name for step in STEPS)


class StepPlan(NamedTuple):
    """What one step would do.

    Attributes:
        problems: What would stop it, in the words of the errors.
    """

    step: str
    lines: list[str]
    problems: list[str]


def plan(run: Run) -> list[StepPlan]:
    """What each step would do, and all that would stop it; changes nothing."""
    return [StepPlan(step.name, step.will(), step.problems()) for step in (of(run) for of in STEPS)]


def release(run: Run, tools: Tools, names: Sequence[str] = NAMES) -> dict[str, str]:
    """Run some steps, in their order.

    Returns:
        Step -> what it did, in a sentence.
    """
    done = {}
    for step in (of(run) for of in STEPS if of.name in names):
        started = time.monotonic()
        done[step.name] = step.do(tools)
        took = duration(time.monotonic() - started)
        tools.say(f"{step.name:10}{done[step.name]} ({took})")
    return done
