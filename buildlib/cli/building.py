"""Bringing targets up to date, for every verb that needs them so.

Where there is nothing to do, that is found and said without importing doit: start-up time is a
feature. Otherwise doit schedules the plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from buildlib.build.execution.session import Session
from buildlib.cli import plans
from buildlib.cli.common import print_json, say, warn

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.cli.verb import Call
    from buildlib.core.model.label import Label

_QUIET, _LOUD = 1, 2


def build(
    workspace: Workspace,
    roots: Sequence[Label],
    *,
    jobs: int = 0,
    verbose: bool = False,
    force: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    keep_going: bool = False,
) -> int:
    """Bring targets of an open workspace up to date.

    Args:
        jobs: How many at a time; 0 for as many as is usual.
        as_json: Say nothing but the plan, as JSON, with the exit code.
        keep_going: After a failure, go on with what does not need the target that failed.
    """
    quiet = quiet or as_json
    tell = warn if quiet else say
    session = new_session(workspace, tell, verbose=verbose, force=force)
    plan = session.look(roots)
    before = plans.as_json(workspace, plan) if as_json else {}
    code = 0
    if plan.steps or force:
        from buildlib.build.doit_adapter.run import run_session

        code = run_session(
            session, roots, jobs=jobs or default_jobs(), quiet=quiet, keep_going=keep_going
        )
    else:
        session.start(roots)
        if not quiet:
            say(plans.lines(workspace, plan)[0])
    if as_json:
        print_json({**before, "exit_code": code})
    workspace.save()
    return code


def _relock(workspace: Workspace, tell: Callable[[str], None]) -> Callable[[str, Label], None]:
    """Make a lock entry anew; the lock's modules are imported when that is needed."""

    def renew(section: str, label: Label) -> None:
        from buildlib.build.lock.refresh import relock

        relock(workspace, tell)(section, label)

    return renew


def new_session(
    workspace: Workspace,
    tell: Callable[[str], None],
    *,
    force: bool,
    verbose: bool = False,
) -> Session:
    """A session as every build of a person has it: it locks anew, and removes old images."""
    relock = _relock(workspace, tell)
    return Session(workspace, say=tell, verbose=verbose, force=force, relock=relock, tidy=_tidy)


def _tidy(workspace: Workspace, tell: Callable[[str], None]) -> None:
    from buildlib.shipping.pruning.bound import after_build

    after_build(workspace, tell)


def default_jobs() -> int:
    """How many targets are built at a time where nobody says: the work is in the engine."""
    return min(4, os.cpu_count() or 1)


def is_loud(call: Call) -> bool:
    """Whether a command line asks for what the builder says."""
    return call.number("verbosity", _QUIET, least=0) >= _LOUD
