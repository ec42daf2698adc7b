"""`undeploy`: remove what `deploy` started from this workspace, and nothing else.

Kernels of the deployment go with it: those on its network. There may be nothing to remove; that
is no error.
"""

from __future__ import annotations

from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.commands.deploy import kind_of
from buildlib.deployment import kept
from buildlib.errors import InputError
from buildlib.execution import signals


def run(call: Call) -> int:
    """See the module."""
    kind = kind_of(call) if call.words else ""
    name = str(call.options.get("name", ""))
    workspace = open_workspace(call)
    signals.install(workspace.save)
    tell = warn if call.flag("json") else say
    keep = kept.Kept(workspace.root)
    found = [
        deployment
        for deployment in keep.all()
        if kind in ("", deployment.kind) and name in ("", deployment.name)
    ]
    if len(found) > 1:
        named = ", ".join(f"{each.name} ({each.kind})" for each in found)
        raise InputError(
            f"there are several deployments: {named}",
            fix=f"./doitw undeploy --name {found[0].name}",
        )
    gone: list[str] = []
    for deployment in found:
        from buildlib.deployment import compose, swarm
        from buildlib.deployment.client import Docker

        tell(f"removing {deployment.name}")
        platform = compose if deployment.kind == kept.COMPOSE else swarm
        gone = platform.down(Docker(), deployment, tell)
        keep.forget(deployment)
    if call.flag("json"):
        print_json({"name": found[0].name if found else None, "removed": gone})
        return 0
    for each in gone:
        say(f"  removed {each}")
    if not found:
        say("nothing is deployed from this workspace" + (f" as {name}" if name else ""))
    return 0


VERB = Verb(
    "undeploy",
    "remove what deploy started, with its kernels",
    run,
    words="[compose|swarm]",
    options=(Option("--name", "name of the deployment", "NAME"), JSON),
)
