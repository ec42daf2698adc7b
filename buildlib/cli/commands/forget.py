"""`forget`: drop the records of targets, so that they are built again from their sources."""

from __future__ import annotations

from buildlib.build.execution.executor import Executor
from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, warn, with_workspace
from buildlib.cli.verb import JSON, Call, Verb


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    labels = workspace.resolve(call.words, folder=call.folder)
    Executor(workspace, say=warn).forget(labels)
    answer(
        call,
        lambda: {"schema": 1, "targets": list(map(str, labels))},
        [f"forgot {len(labels)} targets; images and files stay as they are"],
    )


VERB = Verb(
    "forget",
    "drop records, so that targets are built again",
    run,
    words="[TARGET…]",
    options=(JSON,),
)
