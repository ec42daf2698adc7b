"""`build`: bring targets up to date."""

from __future__ import annotations

from buildlib.cli import plans
from buildlib.cli.building import build, default_jobs, is_loud
from buildlib.cli.common import open_workspace, say
from buildlib.cli.verb import (
    ALWAYS,
    DRY_RUN,
    JOBS,
    JSON,
    OFFLINE,
    VERBOSITY,
    Call,
    Verb,
)


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    if call.flag("dry-run"):
        return plans.show(workspace, call)
    if not call.flag("json"):
        out = plans.left_out(workspace) if not call.words else []
        for line in [*plans.release_commit(workspace), *out]:
            say(line)
    return build(
        workspace,
        workspace.resolve(call.words, folder=call.folder, verb="build"),
        jobs=call.number("jobs", default_jobs()),
        verbose=is_loud(call),
        force=call.flag("always"),
        as_json=call.flag("json"),
    )


VERB = Verb(
    "build",
    "build all that is stale, or the targets named and what they need",
    run,
    words="[TARGET…]",
    options=(JOBS, VERBOSITY, ALWAYS, DRY_RUN, OFFLINE, JSON),
)
