"""`plan`: what would be built and why. It runs nothing, and needs no engine and no network.

`plan release VERSION=2.5.0` shows what a release would do, `plan --remote` what a build would pull:
these two ask the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.cli.common import no_registry, open_workspace, warn
from buildlib.cli.plans import show
from buildlib.cli.verb import JSON, VARIABLES, VERBOSITY, Call, Option, Verb, find
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.execution.pull_and_publish import RegistryLookup
    from buildlib.build.workspace import Workspace


def run(call: Call) -> int:
    if call.words[:1] == ("release",):
        options = {**call.options, "dry-run": True}
        return find("release").run(call._replace(words=call.words[1:], options=options))
    for name in ("VERSION", "NEXT"):
        if name in call.variables:
            raise InputError(
                f"plan takes {name} for a release only",
                fix=f"./doitw plan release VERSION={call.variables.get('VERSION', '2.5.0')}",
            )
    workspace = open_workspace(call)
    show(workspace, call, _registry(workspace) if call.flag("remote") else None)
    return 0


def _registry(workspace: Workspace) -> RegistryLookup:
    """Asks the registry of the settings, whatever the role of this machine."""
    from buildlib.build.execution.pull_and_publish import RegistryLookup

    if workspace.shared_store is None:
        raise no_registry("plan --remote")
    return RegistryLookup(workspace, workspace.shared_store, warn)


VERB = Verb(
    "plan",
    "what would be built and why; nothing is run",
    run,
    words="[TARGET…] | release VERSION=2.5.0",
    options=(
        VERBOSITY._replace(help="2 shows each target's reasons, at any length"),
        JSON,
        Option("--remote", "ask the registry what would be pulled"),
    ),
    variables=VARIABLES,
)
