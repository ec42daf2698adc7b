"""`undeploy`: have `deploy/` remove what it started from this workspace, and nothing else.

If there is nothing to remove, that is no error.
"""

from __future__ import annotations

from buildlib.build.execution import signals
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.program import run_program
from buildlib.cli.verb import JSON, Call, Option, Verb


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    name = ["--name", str(call.options["name"])] if "name" in call.options else []
    tell = warn if call.flag("json") else say
    answer = run_program(workspace, "deploy", ["down", *call.words, *name], tell)
    if call.flag("json"):
        print_json(answer)
    return 0


VERB = Verb(
    "undeploy",
    "remove what deploy started, with its kernels",
    run,
    words="[compose|swarm|kubernetes|demo|demo-cluster]",
    options=(Option("--name", "name of the deployment", "NAME"), JSON),
)
