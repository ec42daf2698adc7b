"""`clean`: remove what builds of this workspace made, and nothing else."""

from __future__ import annotations

from buildlib.build.execution.cleaning import clean
from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, with_workspace
from buildlib.cli.verb import DRY_RUN, JSON, Call, Verb

_NOTHING = "nothing to remove: no build has made these targets at their present keys"


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    labels = reversed(workspace.resolve(call.words, folder=call.folder))
    cleaned = clean(workspace, labels, dry_run=call.flag("dry-run"))
    answer(call, lambda: {"schema": 1, **cleaned._asdict()}, cleaned.lines() or [_NOTHING])


VERB = Verb(
    "clean",
    "remove the images and files of targets",
    run,
    words="[TARGET…]",
    options=(DRY_RUN._replace(help="show what would be removed"), JSON),
)
