"""`list`: the targets, with their one-line descriptions."""

from __future__ import annotations

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb


def run(call: Call) -> int:
    workspace = open_workspace(call)
    labels = sorted(workspace.resolve(call.words, folder=call.folder, left_out=True))
    if call.flag("json"):
        print_json(plain_targets(workspace.graph, labels))
    else:
        stamped = workspace.graph.stamped()
        width = max((len(str(label)) for label in labels), default=0)
        for label in labels:
            target = workspace.graph[label]
            note = "  [stamped]" if label in stamped else ""
            say(f"{str(label).ljust(width)}  {target.doc or target.rule.kind}{note}")
    workspace.save()
    return 0


VERB = Verb("list", "the targets, with a line on each", run, words="[TARGET…]", options=(JSON,))
