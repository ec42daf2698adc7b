"""`query`: questions about the graph, in the syntax of Bazel's query language."""

from __future__ import annotations

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb
from buildlib.errors import InputError


def run(call: Call) -> int:
    from buildlib.core.graph.query import EXAMPLE, query

    if not call.words:
        raise InputError("query needs an expression", fix=EXAMPLE)
    workspace = open_workspace(call)
    view = workspace.view
    labels = query(
        view.graph, " ".join(call.words), lambda word: view.resolve([word], folder=call.folder)
    )
    if call.flag("json"):
        print_json(plain_targets(view.graph, labels))
    else:
        for label in labels:
            say(str(label))
    workspace.save()
    return 0


VERB = Verb(
    "query",
    "ask the graph: deps, rdeps, somepath, allpaths, kind, attr",
    run,
    words="EXPRESSION",
    options=(JSON,),
)
