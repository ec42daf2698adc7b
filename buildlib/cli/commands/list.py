"""`list`: the targets, with their one-line descriptions."""

from __future__ import annotations

from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, with_workspace
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    labels = sorted(workspace.resolve(call.words, folder=call.folder, left_out=True))
    rows = plain_targets(workspace.graph, labels)
    width = max((len(row["label"]) for row in rows), default=0)
    lines = (
        f"{row['label'].ljust(width)}  {row['doc'] or row['rule']}"
        + ("  [stamped]" if row["stamped"] else "")
        for row in rows
    )
    answer(call, lambda: rows, lines)


VERB = Verb("list", "the targets, with a line on each", run, words="[TARGET…]", options=(JSON,))
