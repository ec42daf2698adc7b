"""Building targets, for every verb that needs them up to date.

If there is nothing to do, doit is not even imported, since start-up time is a feature. Otherwise
doit schedules the plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.build import noop_cache
from buildlib.build.execution.session import Session
from buildlib.cli import plans
from buildlib.cli.common import print_json, say, warn
from buildlib.errors import BuildError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label


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
    raises: bool = False,
    typed: Sequence[str] = (),
    before: Sequence[str] = (),
) -> int:
    """Bring targets up to date; returns the exit code.

    Args:
        jobs: Targets at a time; 0 for the default.
        as_json: Print only the plan, what failed and the exit code, as JSON.
        keep_going: After a failure, go on with targets that do not need the failed one.
        raises: Raise what failed first, for a verb that has no answer then.
        typed: The command line, where all it asks for is this build.
        before: What was said of it already.
    """
    quiet = quiet or as_json
    tell = warn if quiet else say
    session = new_session(workspace, tell, verbose=verbose, force=force)
    plan = session.make_plan(roots)
    planned = plans.as_json(workspace, plan) if as_json else {}
    code = 0
    if plan.steps or force:
        noop_cache.remove(workspace.root, typed)
        from buildlib.build.doit_adapter.run import run_session

        code = run_session(
            session, roots, jobs=jobs or default_jobs(), quiet=quiet, keep_going=keep_going
        )
    else:
        session.start(roots)
        if not quiet:
            answer = plans.lines(workspace, plan)[0]
            say(answer)
            workspace.cache_noop(typed, plan, [*before, answer])
    if as_json:
        print_json({**planned, **_outcome(session), "exit_code": code})
    workspace.save()
    if raises and session.failures:
        raise next(iter(session.failures.values())).error
    return code


def _outcome(session: Session) -> dict[str, Any]:
    """What failed and what was not begun, for programs."""
    return {
        "failed": [
            {
                "label": str(label),
                "log": log or None,
                "error": error.plain() if isinstance(error, BuildError) else {"what": repr(error)},
            }
            for label, (error, log) in session.failures.items()
        ],
        "not_begun": list(map(str, session.not_begun())),
    }


def _relock(workspace: Workspace, tell: Callable[[str], None]) -> Callable[[str, Label], None]:
    """A function that refreshes a lock entry; it imports the modules of the lock when called."""

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
    """A session that refreshes pins that are no longer served, and prunes old images."""
    relock = _relock(workspace, tell)
    return Session(workspace, say=tell, verbose=verbose, force=force, relock=relock, tidy=_prune)


def _prune(workspace: Workspace, tell: Callable[[str], None]) -> None:
    from buildlib.shipping.pruning.after_build import after_build

    after_build(workspace, tell)


def default_jobs() -> int:
    """Targets that are built at a time by default; the work is in the engine."""
    return min(4, os.cpu_count() or 1)
