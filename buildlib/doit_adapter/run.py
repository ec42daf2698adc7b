"""Running a session's plan through doit, and the settings doit runs with."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from buildlib.doit_adapter.reporter import Reporter
from buildlib.doit_adapter.tasks import DOCS, task_name, tasks
from buildlib.execution import signals
from buildlib.execution.session import Session
from buildlib.model.label import Label


def doit_config(session: Session, *, jobs: int) -> dict[str, Any]:
    """`DOIT_CONFIG`: what holds for every run, whichever door was used."""
    Reporter.session = session
    return {
        "minversion": "0.37.0",
        "default_tasks": ["build"],
        "backend": "sqlite3",
        "dep_file": session.workspace.state.path("doit.sqlite3"),
        "reporter": Reporter,
        "num_process": jobs,
        "par_type": "thread",  # the work is in the engine; nothing here needs its own process
        "verbosity": 2,
        "subtasks": True,
    }


def run_session(session: Session, roots: Iterable[Label], *, jobs: int, quiet: bool) -> int:
    """Build some targets, several at a time.

    Args:
        session: What is built; its plan may be made already.
        roots: The targets wanted.
        jobs: How many at a time.
        quiet: Say nothing but errors.

    Returns:
        doit's exit code.
    """
    import os

    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain

    os.makedirs(session.workspace.state.folder, exist_ok=True)
    session.start(roots)  # errors come out here, as themselves, and not through doit
    signals.install(session.workspace.save)
    Reporter.quiet = quiet
    selected = [task_name(session, label) for label in session.labels()]
    if not selected:
        sys.stdout.write("" if quiet else "nothing to build\n")
        return 0
    module: dict[str, Any] = {"DOIT_CONFIG": doit_config(session, jobs=jobs)}
    for verb in DOCS:
        module[f"task_{verb}"] = partial(tasks, session, verb)
    return int(DoitMain(ModuleTaskLoader(module), config_filenames=()).run(["run", *selected]) or 0)
