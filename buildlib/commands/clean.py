"""`clean`: remove what builds of this workspace made, and nothing else."""

from __future__ import annotations

from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, say
from buildlib.execution.cleaning import clean


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    labels = reversed(workspace.resolve(call.words, folder=call.folder))
    for line in clean(workspace, labels, dry_run=call.flag("dry-run")):
        say(line)
    workspace.save()
    return 0


VERB = Verb("clean", "remove the images and files of targets", "[TARGET…]", ("--dry-run",), run)
