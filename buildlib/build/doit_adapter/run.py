"""Run a session's plan through doit, with the settings doit needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from buildlib.build.doit_adapter.reporter import Reporter
from buildlib.build.doit_adapter.tasks import DOCS, task_name, tasks
from buildlib.build.execution import signals
from buildlib.build.execution.session import Session
from buildlib.core.model.label import Label
from buildlib.errors import BuildError
from buildlib.parallel import Slots, map_threads

_ERROR = 2
_WAITING = 16
"""Targets that may wait for the engine, beside those that are worked on."""


def doit_config(session: Session, *, jobs: int, waiting: int = _WAITING) -> dict[str, Any]:
    """Return `DOIT_CONFIG`: the same for every run, from either front door.

    Beside the `jobs` targets that are worked on, some may wait for the engine to take an image: it
    takes several at once in half the time. That is `waiting`.
    """
    Reporter.session = session
    several = jobs > 1 and waiting > 0
    session.slots = Slots(jobs) if several else None
    return {
        "minversion": "0.37.0",
        "default_tasks": ["build"],
        "backend": "sqlite3",
        "dep_file": ":memory:",  # it would hold nothing of value, and could be damaged or locked
        "reporter": Reporter,
        "num_process": jobs + waiting if several else jobs,
        "par_type": "thread",  # the work is in the engine; nothing here needs its own process
        "verbosity": 2,
        "subtasks": True,
    }


def run_session(
    session: Session, roots: Iterable[Label], *, jobs: int, quiet: bool, keep_going: bool = False
) -> int:
    """Build targets, `jobs` at a time; return doit's exit code.

    The session may have made its plan already. With `keep_going`, a failure only stops the targets
    that need the one that failed.
    """
    os.makedirs(session.workspace.state.folder, exist_ok=True)
    signals.install(session.workspace.save, session.running)
    session.start(roots)  # errors come out here, as themselves, and not through doit
    Reporter.session, Reporter.quiet = session, quiet
    selected = [task_name(session, label) for label in session.labels()]
    if not selected:
        left = "nothing left to build" if session.pulled else "nothing to build"
        sys.stdout.write("" if quiet else f"{left}\n")
        session.finish(session.say)
        return 0
    session.keep_going = keep_going
    config = {**doit_config(session, jobs=jobs), "continue": keep_going}
    unscheduled = session.chain_and_fan()
    if unscheduled:
        return _run_unscheduled(session, *unscheduled, threads=config["num_process"])
    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain

    module: dict[str, Any] = {"DOIT_CONFIG": config}
    for verb in DOCS:
        module[f"task_{verb}"] = _task_creator(session, verb)
    code = DoitMain(ModuleTaskLoader(module), config_filenames=()).run(["run", *selected])
    return exit_code(session, code)


def exit_code(session: Session, code: int | None) -> int:
    """Return ours for doit's, which is 2 where it passed over tasks that need a failed one."""
    errors = [failure.error for failure in session.failures.values()]
    if code == _ERROR and errors and all(isinstance(error, BuildError) for error in errors):
        return BuildError.exit_code
    return code or 0


def _task_creator(session: Session, verb: str) -> Callable[[], Iterator[dict[str, Any]]]:
    """Make a `task_VERB` function; doit takes functions only, and would pass over a `partial`."""

    def create() -> Iterator[dict[str, Any]]:
        return tasks(session, verb)

    return create


class _Task(NamedTuple):
    """What the reporter reads of a doit task."""

    name: str
    meta: dict[str, Label]
    has_subtask: bool = False


def _run_unscheduled(
    session: Session, chain: Iterable[Label], fan: Iterable[Label], *, threads: int
) -> int:
    """Run a chain of targets and what stands on it, without doit: it would schedule nothing.

    Importing doit takes half as long as building a small image.
    """
    one_by_one, at_once = (
        [_Task(task_name(session, label), {"label": label}) for label in labels]
        for labels in (chain, fan)
    )
    tasks = [*one_by_one, *at_once]
    reporter = Reporter(sys.stdout, {})
    reporter.initialize({task.name: task for task in tasks}, [task.name for task in tasks])

    def run(task: _Task) -> None:
        reporter.execute_task(task)
        try:
            session.run(task.meta["label"])
        except BuildError as error:
            reporter.add_failure(task, error)
        else:
            reporter.add_success(task)

    for task in one_by_one:
        run(task)
        if session.failures:
            break  # all others need it
    else:
        map_threads(run, at_once, threads=threads)
    reporter.complete_run()
    return int(bool(session.failures))
