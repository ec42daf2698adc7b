"""One line when a target starts, one when it ends, one at the end; a status line in between."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import Any

from buildlib.build.execution.session import Session
from buildlib.core.model.label import Label
from buildlib.errors import BuildError
from buildlib.text import duration

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
        self._failed: list[str] = []
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
        labels = [
            tasks[name].meta["label"] for name in _expand(tasks, selected_tasks) if tasks[name].meta
        ]
        if not labels:
            return
        try:
            plan = self.session.start(labels)
        except BuildError as error:  # doit would show a traceback
            sys.stderr.write(error.render() + "\n")
            raise SystemExit(error.exit_code) from None
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
            if not running:
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
        if self.session.slots:  # `tasks` gives it back
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
        self._say(f"  {name}: {reason}{before}")

    def add_success(self, task: Any) -> None:
        since = self._started.pop(task.name, None)
        if since is not None:
            self._built.append(task.name)
            name = task.name.partition(":")[2]
            self._say(f"  {name}: done in {duration(time.monotonic() - since)}")

    def add_failure(self, task: Any, fail: Any) -> None:
        """Tell of a failure; what was built before stays."""
        self._started.pop(task.name, None)
        self._failed.append(task.name)
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
        self._say(f"  {task.name}: ignored, as `doit ignore` asked")

    def cleanup_error(self, exception: Any) -> None:
        sys.stderr.write(f"{exception}\n")

    def runtime_error(self, msg: str) -> None:
        sys.stderr.write(msg + "\n")

    def teardown_task(self, task: Any) -> None:
        """Do nothing: our tasks have no teardown."""

    def complete_run(self) -> None:
        self._over.set()
        took = duration(time.monotonic() - self._begin)
        if self._failed:
            self._say(f"{len(self._failed)} failed, {len(self._built)} done in {took}")
        elif self._built:
            self._say(f"{len(self._built)} done in {took}")
        for line in self.session.time_summary():
            self._say(line)
        self.session.finish(self._say)


def _expand(tasks: Any, names: list[str]) -> list[str]:
    """Replace each group of tasks by its members."""
    members: list[str] = []
    for name in names:
        task = tasks[name]
        members += task.task_dep if task.has_subtask else [name]
    return members
