"""What a release would do, told without doing it: `plan release` and `release --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.commands.common import open_workspace, print_json, say
from buildlib.errors import InputError
from buildlib.model.version import before, check_release
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.commands.call import Call
    from buildlib.releasing.run import Run


def tell(call: Call, words: Sequence[str]) -> int:
    """Tell the steps of a release, and all that would stop it.

    Args:
        call: The command line.
        words: Its words but for `release`.

    Returns:
        The exit code: 1 where something would stop it.
    """
    from buildlib.releasing import steps

    refuse_other_words(call, words)
    run = open_run(call)
    told = steps.plan(run)
    if call.flag("json"):
        plain = [{"step": it.step, "will": it.lines, "problems": it.problems} for it in told]
        print_json({"schema": 1, "version": run.version, "steps": plain})
    else:
        for each in told:
            for number, line in enumerate(
                [*each.lines, *(f"PROBLEM: {it}" for it in each.problems)]
            ):
                say(f"{each.step if not number else '':10}{line}")
    return 1 if any(each.problems for each in told) else 0


def open_run(call: Call) -> Run:
    """The release of the command line's version.

    Raises:
        InputError: The version cannot be released.
    """
    from buildlib.releasing.run import Run

    version = check_release(call.variables.get("VERSION", ""))
    dev = open_workspace(call, version=before(version))  # VERSION may be further, if this goes on
    final = open_workspace(call, version=version)
    return Run(dev, final, following=call.variables.get("NEXT", ""))


def refuse_other_words(call: Call, words: Sequence[str]) -> None:
    """Refuse words that are no steps, with a line that releases the version that was asked for."""
    from buildlib.releasing.steps import NAMES

    version = call.variables.get("VERSION") or "2.5.0"
    for word in words:
        if word not in NAMES:
            meant = nearest(word, NAMES)
            fix = f"./doitw release {meant or 'STEP'} VERSION={version}"
            raise InputError(
                f"a release has no step {word}{did_you_mean(word, NAMES)}",
                fix=f"{fix}  # steps: {' '.join(NAMES)}",
            )
