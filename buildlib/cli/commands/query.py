"""`query`: questions about the graph, in the syntax of Bazel's query language."""

from __future__ import annotations

from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, with_workspace
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, Call, Verb
from buildlib.errors import InputError


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    from buildlib.core.graph.query import EXAMPLE, query

    if not call.words:
        raise InputError("query needs an expression", fix=EXAMPLE)
    view = workspace.view
    labels = query(
        view.graph, " ".join(call.words), lambda word: view.resolve([word], folder=call.folder)
    )
    answer(call, lambda: plain_targets(view.graph, labels), map(str, labels))


VERB = Verb(
    "query",
    "ask the graph: deps, rdeps, somepath, allpaths, kind, attr",
    run,
    words="EXPRESSION",
    options=(JSON,),
)
