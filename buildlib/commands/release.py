"""`release`: give what was proved a version, and publish it so that nobody sees half of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.commands.build import build
from buildlib.commands.call import VARIABLES, Call, Verb
from buildlib.commands.common import print_json, say, warn
from buildlib.commands.release_plan import open_run, refuse_other_words, tell

if TYPE_CHECKING:
    from buildlib.model.label import Label
    from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    from buildlib.releasing import steps
    from buildlib.releasing.steps.step import Tools

    if call.flag("dry-run"):
        return tell(call, call.words)
    refuse_other_words(call, call.words)
    release = open_run(call)
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


VERB = Verb(
    "release",
    "give what was proved a version, and publish it",
    "[STEP…] VERSION=2.5.0",
    ("--dry-run", "--json"),
    run,
    variables=VARIABLES,
)
