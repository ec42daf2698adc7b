"""`build`: bring targets up to date."""

from __future__ import annotations

from buildlib.cli import plans
from buildlib.cli.building import build, default_jobs
from buildlib.cli.common import open_workspace, say
from buildlib.cli.verb import (
    ALWAYS,
    DRY_RUN,
    JOBS,
    JSON,
    OFFLINE,
    VERBOSITY,
    Call,
    Option,
    Verb,
)

STALE = 1
"""Exit code of `--check` where something would be built."""


def run(call: Call) -> int:
    workspace = open_workspace(call)
    if call.flag("check") or call.flag("dry-run"):
        stale = plans.show(workspace, call)
        return STALE if stale and call.flag("check") else 0
    before: list[str] = []
    if not call.flag("json"):
        before += plans.release_commit(workspace)
        before += plans.left_out(workspace) if not call.words else []
        for line in before:
            say(line)
    return build(
        workspace,
        workspace.resolve(call.words, folder=call.folder, verb="build"),
        jobs=call.number("jobs", default_jobs()),
        verbose=call.is_verbose,
        force=call.flag("always"),
        as_json=call.flag("json"),
        keep_going=call.flag("keep-going"),
        typed=call.typed,
        before=before,
    )


VERB = Verb(
    "build",
    "build all that is stale, or the targets named and what they need",
    run,
    words="[TARGET…]",
    options=(
        JOBS,
        VERBOSITY,
        ALWAYS,
        Option("--keep-going", "after a failure, go on with what does not need it", short="-k"),
        DRY_RUN,
        Option("--check", "show the plan, do nothing, and fail if anything is stale"),
        OFFLINE,
        JSON,
    ),
)
