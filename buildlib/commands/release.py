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
    from buildlib.releasing.run import STEPS

    _refuse_other_words(call, call.words)
    if call.flag("dry-run"):
        return tell(call)
    release = _open(call)
    done = release.run(call.words or STEPS)
    if call.flag("json"):
        steps = [{"step": step, "did": did} for step, did in done.items()]
        print_json({"schema": 1, "version": release.version, "steps": steps})
    return 0


def tell(call: Call) -> int:
    """Say what a release would do; nothing is changed."""
    from buildlib.releasing.describe import describe

    release = _open(call)
    told = describe(release)
    if call.flag("json"):
        steps = [{"step": it.step, "will": it.lines, "problems": it.problems} for it in told]
        print_json({"schema": 1, "version": release.version, "steps": steps})
    else:
        for each in told:
            for number, line in enumerate(
                [*each.lines, *(f"PROBLEM: {it}" for it in each.problems)]
            ):
                say(f"{each.step if not number else '':10}{line}")
    return 1 if any(each.problems for each in told) else 0


def _refuse_other_words(call: Call, words: Sequence[str]) -> None:
    """Refuse words that are no steps, with a line that releases the version that was asked for."""
    from buildlib.releasing.run import STEPS

    version = call.variables.get("VERSION") or "2.5.0"
    for word in words:
        if word not in STEPS:
            meant = nearest(word, STEPS)
            fix = f"./doitw release {meant or 'STEP'} VERSION={version}"
            raise InputError(
                f"a release has no step {word}{did_you_mean(word, STEPS)}",
                fix=f"{fix}  # steps: {' '.join(STEPS)}",
            )


def _upload(workspace: Workspace, labels: Sequence[Label]) -> None:
    """Publish some images by key, several at a time, and show how far they are."""
    from buildlib.commands.push import publish

    if workspace.sharing is not None:
        publish(workspace, workspace.sharing, list(labels))


def _open(call: Call) -> Run:
    """The release of the command line's version.

    Raises:
        InputError: The version cannot be released.
    """
    from buildlib.releasing.run import Run, Tools

    version = check_release(call.variables.get("VERSION", ""))
    dev = open_workspace(call, version=before(version))  # VERSION may be further, if this goes on
    final = open_workspace(call, version=version)
    tell_to = warn if call.flag("json") else say

    def make(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=True)

    def prove(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=call.flag("json"), force=True)

    tools = Tools(make, prove, _upload, tell_to)
    return Run(dev, final, tools, following=call.variables.get("NEXT", ""))


VERB = Verb(
    "release",
    "give what was proved a version, and publish it",
    run,
    words="[STEP…] VERSION=2.5.0",
    options=(DRY_RUN._replace(help="tell what would be done, and what stops it"), JSON),
    variables=VARIABLES,
)
