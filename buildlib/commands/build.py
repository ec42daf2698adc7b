"""`build`: bring targets up to date.

Where there is nothing to do, that is found and said without importing doit: start-up time is a
feature. Otherwise doit schedules the plan.
"""

from __future__ import annotations

import os

from buildlib.commands import plan as plan_verb
from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, print_json, say
from buildlib.execution.session import Session

DEFAULT_VERBOSITY = 1
LOUD = 2


def run(call: Call) -> int:
    """See the module."""
    if call.flag("dry-run"):
        return plan_verb.run(call)
    workspace = open_workspace(call)
    roots = workspace.resolve(call.words, folder=call.folder)
    verbose = call.number("verbosity", DEFAULT_VERBOSITY) >= LOUD
    session = Session(workspace, say=say, verbose=verbose, force=call.flag("always"))
    plan = session.look(roots)
    before = plan_verb.as_json(workspace, plan) if call.flag("json") else None
    code = 0
    if plan.steps or session.force:
        from buildlib.doit_adapter.run import run_session

        jobs = call.number("jobs", default_jobs())
        code = run_session(session, roots, jobs=jobs, quiet=before is not None)
    else:
        session.start(roots)
        if before is None:
            say(plan_verb.lines(workspace, plan)[0])
    if before is not None:
        print_json({**before, "exit_code": code})
    workspace.save()
    return code


def default_jobs() -> int:
    """How many targets are built at a time where nobody says: the work is in the engine."""
    return min(4, os.cpu_count() or 1)


VERB = Verb(
    "build",
    "build all that is stale, or the targets named and what they need",
    "[TARGET…]",
    ("--jobs", "--verbosity", "--always", "--dry-run", "--offline", "--json"),
    run,
)
