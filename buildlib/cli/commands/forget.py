"""`forget`: drop the records of targets, so that they are built again from their sources."""

from __future__ import annotations

from buildlib.build.execution.executor import Executor
from buildlib.cli.common import open_workspace, say
from buildlib.cli.verb import Call, Verb


def run(call: Call) -> int:
    workspace = open_workspace(call)
    labels = workspace.resolve(call.words, folder=call.folder)
    Executor(workspace, say=say).forget(labels)
    say(f"forgot {len(labels)} targets; images and files stay as they are")
    workspace.save()
    return 0


VERB = Verb("forget", "drop records, so that targets are built again", run, words="[TARGET…]")
