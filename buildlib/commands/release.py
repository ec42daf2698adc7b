"""`release`: give what was proved a version, and publish it so that nobody sees half of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.cli.building import build
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import DRY_RUN, JSON, VARIABLES, Call, Verb
from buildlib.errors import InputError
from buildlib.model.version import before, check_release
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.model.label import Label
    from buildlib.releasing.run import Run
    from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    from buildlib.releasing import steps
    from buildlib.releasing.steps.step import Tools

    _refuse_other_words(call)
    if call.flag("dry-run"):
        return _tell(call)
    release = _open(call)
    as_json = call.flag("json")

    def make(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=True)

    def prove(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=as_json, force=True)

    tools = Tools(make, prove, warn if as_json else say)
    done = steps.release(release, tools, call.words or steps.NAMES)
    if as_json:
        told = [{"step": step, "did": did} for step, did in done.items()]
        print_json({"schema": 1, "version": release.version, "steps": told})
    return 0


def _tell(call: Call) -> int:
    """Say what a release would do, and what would stop it; nothing is changed."""
    from buildlib.releasing import steps

    release = _open(call)
    told = steps.plan(release)
    if call.flag("json"):
        plain = [{"step": it.step, "will": it.lines, "problems": it.problems} for it in told]
        print_json({"schema": 1, "version": release.version, "steps": plain})
    else:
        for each in told:
            for number, line in enumerate(
                [*each.lines, *(f"PROBLEM: {it}" for it in each.problems)]
            ):
                say(f"{each.step if not number else '':10}{line}")
    return 1 if any(each.problems for each in told) else 0


def _open(call: Call) -> Run:
    """The release of the command line's version.

    Raises:
        InputError: The version cannot be released.
    """
    from buildlib.releasing.run import Run

    version = check_release(call.variables.get("VERSION", ""))
    dev = open_workspace(call, version=before(version))  # VERSION may be further, if this goes on
    final = open_workspace(call, version=version)
    return Run(dev, final, following=call.variables.get("NEXT", ""))


def _refuse_other_words(call: Call) -> None:
    """Refuse words that are no steps, with a line that releases the version that was asked for."""
    from buildlib.releasing.steps import NAMES

    version = call.variables.get("VERSION") or "2.5.0"
    for word in call.words:
        if word not in NAMES:
            meant = nearest(word, NAMES)
            fix = f"./doitw release {meant or 'STEP'} VERSION={version}"
            raise InputError(
                f"a release has no step {word}{did_you_mean(word, NAMES)}",
                fix=f"{fix}  # steps: {' '.join(NAMES)}",
            )


VERB = Verb(
    "release",
    "give what was proved a version, and publish it",
    run,
    words="[STEP…] VERSION=2.5.0",
    options=(DRY_RUN._replace(help="tell what would be done, and what stops it"), JSON),
    variables=VARIABLES,
)
