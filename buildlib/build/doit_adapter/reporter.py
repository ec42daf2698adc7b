"""One line when a target starts, one when it ends, one at the end; a status line in between."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import Any

from buildlib.build.doit_adapter.tasks import leave
from buildlib.build.execution import signals
from buildlib.build.execution.session import Session
from buildlib.core.model.label import Label
from buildlib.core.plan.plan import Plan
from buildlib.errors import BuildError
from buildlib.text import clipped, duration, wrapped

_SIGN_OF_LIFE = 20.0
"""Seconds between two lines that name the running targets, where no terminal shows them."""
_BLINK = 0.5
"""Seconds between two updates of the status line."""


class Reporter:
    """A doit reporter; doit makes it with its stream and its options.

    Attributes:
        session: Set by the adapter before doit runs.
        quiet: Say nothing but errors.
    """

    desc = "one line for each target that is built"
    session: Session
    quiet = False

    def __init__(self, outstream: Any, options: Any) -> None:
        del options
        self._out = outstream
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._labels: dict[str, Label] = {}
        self._status = ""
        self._begin = time.monotonic()
        self._built: list[str] = []
        self._over = threading.Event()

    def _say(self, line: str) -> None:
        if not self.quiet:
            with self._lock:
                self._clear()
                self._out.write(line + "\n")
                self._out.flush()

    def _clear(self) -> None:
        """Take the status line off the terminal; the caller holds the lock."""
        if self._status:
            self._out.write("\r\x1b[K")
            self._status = ""

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        """Plan what was selected, and what it needs, before doit starts."""
        plan = begin(self.session, tasks, selected_tasks)
        if plan is None:
            return
        count = len(self.session.labels())
        if not count:
            self._say(f"nothing to build: {len(plan.fresh)} up to date")
            return
        self._say(f"{count} to do, {len(plan.fresh)} up to date")
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        """Show what is running: as a status line on a terminal, else as a line now and then."""
        terminal = not self.quiet and self._out.isatty()
        while not self._over.wait(_BLINK if terminal else _SIGN_OF_LIFE):
            now = time.monotonic()
            running = [
                self._running(name, now - since) for name, since in list(self._started.items())
            ]
            if self.session.fetching:
                running.append(self.session.fetching)
            if not running or signals.stopping():
                continue
            line = "  … " + ", ".join(running)
            if not terminal:
                self._say(line)
                continue
            with self._lock:
                self._clear()
                self._status = line[: shutil.get_terminal_size().columns - 1]
                self._out.write(self._status)
                self._out.flush()

    def _running(self, task_name: str, seconds: float) -> str:
        label = self._labels.get(task_name)
        doing = self.session.doing.get(label, "") if label else ""
        what = f" ({doing})" if doing else ""
        return f"{task_name.partition(':')[2]} {duration(seconds)}{what}"

    def get_status(self, task: Any) -> None:
        """Do nothing: doit calls it before it asks whether a task is up to date."""

    def execute_task(self, task: Any) -> None:
        """Wait until it is a task's turn, and say that it starts; called on a worker's thread."""
        if not task.meta:
            return
        if self.session.slots:  # `Session.run` gives it back
            self.session.slots.take()
        if self.session.is_over:
            return
        label = task.meta["label"]
        self._labels[task.name] = label
        step = self.session.plan.step(label)
        name = task.name.partition(":")[2]
        self._started[task.name] = time.monotonic()
        reason = step.reason if step else "asked to build it again"
        before = f" (last time {duration(step.seconds)})" if step and step.seconds else ""
        self._say(clipped(f"  {name}: {reason}", before, whole=self.session.verbose))

    def add_success(self, task: Any) -> None:
        since = self._started.pop(task.name, None)
        if since is not None:
            self._built.append(task.name)
            name = task.name.partition(":")[2]
            self._say(f"  {name}: done in {duration(time.monotonic() - since)}")

    def add_failure(self, task: Any, fail: Any) -> None:
        """Tell of a failure; what was built before stays."""
        if type(fail).__name__ == "UnmetDependency":  # of doit: it was not begun
            return
        self._started.pop(task.name, None)
        text = str(getattr(fail, "message", "") or fail)
        with self._lock:
            self._clear()
            sys.stderr.write(f"{task.name} failed\n{text}\n")
            trace = "".join(getattr(fail, "traceback", None) or [])
            if trace:
                sys.stderr.write(trace)
            sys.stderr.flush()

    def skip_uptodate(self, task: Any) -> None:
        """Do nothing: fresh targets are counted once, at the start."""

    def skip_ignore(self, task: Any) -> None:
        """Do nothing: `doit ignore` is refused."""

    def cleanup_error(self, exception: Any) -> None:
        sys.stderr.write(f"{exception}\n")

    def runtime_error(self, msg: str) -> None:
        sys.stderr.write(msg + "\n")

    def teardown_task(self, task: Any) -> None:
        """Do nothing: our tasks have no teardown."""

    def complete_run(self) -> None:
        self._over.set()
        took = duration(time.monotonic() - self._begin)
        if self._built and not self.session.failures:
            self._say(f"{len(self._built)} done in {took}")
        for line in self.session.time_summary():
            self._say(line)
        self.session.finish(self._say)
        if self.session.failures:
            self._tell_failures(took)

    def _tell_failures(self, took: str) -> None:
        """Tell once more what failed, as the last lines: much may have been said since."""
        names, failures = self.session.workspace.graph.task_names, self.session.failures
        not_begun = [names[label] for label in self.session.not_begun()]
        left = f", {len(not_begun)} not begun" if not_begun else ""
        self._say(f"{len(failures)} failed, {len(self._built)} done{left} in {took}")
        for line in wrapped(f"not begun: {', '.join(not_begun)}") if not_begun else ():
            self._say(line)
        for label, (error, log) in failures.items():
            what = error.headline() if isinstance(error, BuildError) else repr(error)
            self._say(f"failed: {names[label]}: {what}" + (f"\n  log: {log}" if log else ""))


def begin(session: Session, tasks: Any, selected_tasks: Any) -> Plan | None:
    """Start a session with the targets of the selected tasks; None if there are none."""
    names = _expand(tasks, selected_tasks)
    labels = [tasks[name].meta["label"] for name in names if tasks[name].meta]
    try:
        return session.start(labels) if labels else None
    except BuildError as error:
        leave(error)


def _expand(tasks: Any, names: list[str]) -> list[str]:
    """Replace each group of tasks by its members."""
    members: list[str] = []
    for name in names:
        task = tasks[name]
        members += task.task_dep if task.has_subtask else [name]
    return members
