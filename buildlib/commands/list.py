"""`list`: the targets, with their one-line descriptions."""

from __future__ import annotations

from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, print_json, say, task_name


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    labels = sorted(workspace.resolve(call.words, folder=call.folder))
    if call.flag("json"):
        print_json(
            [
                {
                    "label": str(label),
                    "task": task_name(workspace, label),
                    "rule": workspace.graph[label].rule.kind,
                    "doc": workspace.graph[label].doc,
                    "where": str(workspace.graph[label].where),
                }
                for label in labels
            ]
        )
    else:
        rows = [(str(label), workspace.graph[label]) for label in labels]
        width = max((len(name) for name, _ in rows), default=0)
        for name, target in rows:
            say(f"{name.ljust(width)}  {target.doc or target.rule.kind}")
    workspace.save()
    return 0


VERB = Verb("list", "the targets, with a line on each", "[TARGET…]", ("--json",), run)
