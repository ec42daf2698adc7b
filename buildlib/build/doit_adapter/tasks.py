"""One doit task for each target that can be built.

doit gets names, order and what to call. Our plan says whether a task is up to date (doit's own file
check trusts mtimes), and our records say what was done (doit writes its state only at the end of a
run), so deleting doit's database changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from buildlib.build.execution.session import Session
from buildlib.core.model.label import Label
from buildlib.core.model.target import Target
from buildlib.errors import BuildError

if TYPE_CHECKING:
    from doit.exceptions import TaskFailed

DOCS = {
    "build": "build all that is stale, or build:TARGET",
    "verify": "prove that built images run kernels, or verify:TARGET",
}
"""The groups of tasks, one for each verb that makes targets."""


def leave(error: BuildError) -> NoReturn:
    """End doit with our message and exit code; doit would print a traceback."""
    sys.stderr.write(error.render() + "\n")
    sys.stderr.flush()
    raise SystemExit(error.exit_code)


def task_name(session: Session, label: Label) -> str:
    """Return the full name of a target's task, such as `build:kernel-py`."""
    graph = session.workspace.graph
    return f"{graph[label].rule.verb}:{graph.task_names[label]}"


def tasks(session: Session, verb: str) -> Iterator[dict[str, Any]]:
    """Yield the tasks of one verb, as doit takes them from a `task_VERB` function."""
    graph = session.workspace.graph
    yield {"basename": verb, "name": None, "doc": DOCS[verb], "watch": []}
    for label in graph.order:
        target = graph[label]
        if target.rule.is_built and target.rule.verb == verb:
            yield _task(session, target)


def _task(session: Session, target: Target) -> dict[str, Any]:
    # A member of a group runs with the group. A manual target stands alone, and so does one that is
    # left out: when asked for, it says why, and it has nothing to clean.
    own = {"basename": task_name(session, target.label)}
    member = {
        "basename": target.rule.verb,
        "name": session.workspace.graph.task_names[target.label],
    }
    left_out = target.label in session.workspace.left_out
    return {
        **(own if target.manual or left_out else member),
        "doc": target.doc or target.rule.kind,
        "actions": [(_run, [session, target.label])],
        "uptodate": [_UpToDate(session, target.label)],
        "task_dep": [
            task_name(session, label) for label in session.workspace.graph.build_deps(target.label)
        ],
        "clean": [] if left_out else [(_clean, [session, target.label])],
        "io": {"capture": False},  # doit's capture swaps sys.stdout for all threads at once
        "meta": {"label": target.label},
    }


class _UpToDate:
    """Ask the plan; doit calls it once for each task, when the task's turn comes.

    `doit info` and `doit list -s` call it, too, and show it.
    """

    def __init__(self, session: Session, label: Label) -> None:
        self._session = session
        self._label = label

    def __call__(self, task: object, values: object) -> bool:
        del task, values
        try:
            return self._session.is_fresh(self._label)
        except BuildError as error:
            leave(error)

    def __repr__(self) -> str:
        step = self._session.plan.step(self._label)
        return step.reason if step else self._session.workspace.left_out.get(self._label, "fresh")


def _run(session: Session, label: Label) -> TaskFailed | None:
    from doit.exceptions import TaskFailed

    try:
        session.run(label)
    except BuildError as error:
        return TaskFailed(error.render())
    return None


def _clean(session: Session, label: Label, dryrun: bool) -> None:
    from buildlib.build.execution.cleaning import clean

    try:
        for line in clean(session.workspace, [label], dry_run=dryrun).lines():
            session.say(line)
    except BuildError as error:
        leave(error)
