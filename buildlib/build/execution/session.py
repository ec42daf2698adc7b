"""One build from start to end; both front doors, `./doitw` and `doit`, drive it.

`start` makes the plan, finds (or makes) an engine if the plan needs one, pulls what the registry
has, and fetches what the other targets will read. A large fetch becomes a prefetch: all that cannot
change the plan is fetched while targets are built. Then each target is run, along the critical path
first. At the end, a machine whose role is `write` publishes what was built.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from buildlib.build.execution.downloads import pinned_files
from buildlib.build.execution.executor import Executor
from buildlib.core.keys.compute import pinned
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.section import APT, DEBIAN, SECTIONS
from buildlib.core.model.settings import OFF, WRITE
from buildlib.core.plan.plan import BUILD, RESTORE, UNKNOWN, Plan

if TYPE_CHECKING:
    from buildlib.build.execution.prefetch import Prefetcher
    from buildlib.build.execution.timeline import Span
    from buildlib.build.workspace import Workspace
    from buildlib.outside.fetch.failures import NotServed
    from buildlib.outside.fetch.source import Download
    from buildlib.parallel import Slots

Say = Callable[[str], None]
_PREFETCH_ABOVE = 100_000_000
"""Bytes of downloads above which targets are built while the rest is still being fetched."""
_SUMMARY_TARGETS = 3
_SUMMARY_SECONDS = 20.0
"""Targets and seconds from which on a build says where its time went."""


class Failure(NamedTuple):
    """Why a target was not built; `log` is the file with all that its builder said, or empty."""

    error: BaseException
    log: str


class Session:
    """A build of one workspace.

    Args:
        say: Takes lines for the person who waits; called from several threads.
        verbose: Also show the builder's output.
        force: Build the roots even if they are fresh.
        relock: Renews the lock's entry for (section, target); None to fail instead.
        tidy: Prunes the engine, after a build that made images; None to keep all images.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        say: Say,
        verbose: bool = False,
        force: bool = False,
        relock: Callable[[str, Label], None] | None = None,
        tidy: Callable[[Workspace, Say], None] | None = None,
    ) -> None:
        self.workspace = workspace
        self.say = say
        self.force = force
        self.verbose = verbose
        self._relock = relock
        self._tidy = tidy
        self._plan: Plan | None = None
        self._roots: tuple[Label, ...] = ()
        self._started = False
        self._lock = threading.Lock()
        self._executor = Executor(workspace, say=say, verbose=verbose)
        self._prefetcher: Prefetcher | None = None
        self.pulled: list[Label] = []
        """Targets pulled from the registry instead of being built."""
        self.slots: Slots | None = None
        """Of the targets that are worked on, where more than those run at a time."""
        self.keep_going = False
        """Whether to go on with other targets after a failure."""
        self.failures: dict[Label, Failure] = {}
        """The targets that were begun and not built."""
        self._begun: dict[Label, None] = {}
        self._running: dict[Label, None] = {}

    @property
    def spans(self) -> list[Span]:
        """The targets that were built so far, with their times."""
        return self._executor.spans

    @property
    def _has_new_images(self) -> bool:
        """Whether images were built or pulled: the engine may have more than it should keep."""
        graph = self.workspace.graph
        new = [*(span.label for span in self.spans), *self.pulled]
        return any(graph[label].rule.is_image for label in new)

    @property
    def fetching(self) -> str:
        """The progress of the prefetch; empty when there is none."""
        return self._prefetcher.state if self._prefetcher else ""

    @property
    def doing(self) -> Mapping[Label, str]:
        return self._executor.doing

    @property
    def plan(self) -> Plan:
        """The plan of `start`; where nothing was started yet, that of all that can be built."""
        if self._plan is None:
            graph, left_out = self.workspace.graph, self.workspace.left_out
            labels = [label for label in graph.order if graph[label].rule.is_built]
            return self.make_plan([label for label in labels if label not in left_out])
        return self._plan

    def make_plan(self, roots: Iterable[Label]) -> Plan:
        """Make the plan, and do nothing yet.

        Raises:
            InputError: A root is left out in this flavour.
        """
        self._roots = tuple(roots)
        self.workspace.view.refuse_left_out(self._roots)
        self._plan = self.workspace.plan(self._roots, force=self.force)
        return self._plan

    def start(self, roots: Iterable[Label]) -> Plan:
        """Make the plan and get what its actions need; further calls change nothing.

        Raises:
            ActionError: There is no engine, or something cannot be fetched.
        """
        with self._lock:
            if self._started:
                return self.plan
            self._plan_and_pull(roots)
            while self._has_damaged_inputs():
                before, self._plan = self.plan.steps, None
                self._plan_and_pull(roots)
                if self.plan.steps == before:  # the action that reads the file says what is missing
                    break
            self._check_before_work()
            self._prefetch()
            self._started = True
            for step in self.plan.fresh:
                self._executor.note_fresh(step.label)
            return self.plan

    def plan_and_pull(self, roots: Iterable[Label]) -> Plan:
        """Make the plan, and pull what the registry has of it; fetch and build nothing."""
        with self._lock:
            self._plan_and_pull(roots)
            return self.plan

    def _plan_and_pull(self, roots: Iterable[Label]) -> None:
        roots = tuple(roots)
        if self._plan is None or roots != self._roots:
            self.make_plan(roots)
        self._ensure_engine()
        self._pull()

    def _has_damaged_inputs(self) -> bool:
        """Whether the content store has damaged files that the plan's actions will read.

        They are found here, and not in an action, so that a new plan makes them again.
        """
        workspace = self.workspace
        built = {step.label: None for step in self.plan.steps if step.action == BUILD}
        restored = [step.label for step in self.plan.steps if step.action == RESTORE]
        below = [other for label in built for other in workspace.graph.build_deps(label)]
        damaged = []
        for label in dict.fromkeys([*restored, *below]):
            if workspace.graph[label].rule.is_image:  # its record names no file
                continue
            record = workspace.records.get(workspace.keys.key(Reference(label)))
            if record is not None and label not in built:
                damaged.append(workspace.damaged(record, Reference(label)))
        return any(damaged)

    def labels(self) -> list[Label]:
        """Return the targets to run: dependencies first, then by urgency."""
        return list(self.plan.order)

    def chain_and_fan(self) -> tuple[list[Label], list[Label]] | None:
        """Return the targets to run where there is nothing to schedule; None in all other plans.

        Returns:
            Targets each of which needs the one before it, and targets that all need the last of
            these and none of each other, so that they can run at once; either may be empty.
        """
        build_deps, order = self.workspace.graph.build_deps, list(self.plan.order)
        fan: list[Label] = []
        needed: set[Label] = set()
        while order and order[-1] not in needed:
            fan.append(order.pop())
            needed.update(build_deps(fan[-1]))
        fan.reverse()
        links = [*pairwise(order), *((order[-1], label) for label in fan if order)]
        return (order, fan) if all(first in build_deps(then) for first, then in links) else None

    def is_fresh(self, label: Label) -> bool:
        """Whether a target needs no work, or no stale target needs it."""
        return self.plan.step(label) is None and label not in self.workspace.left_out

    def time_summary(self) -> list[str]:
        """Say in lines where the time of a longer build went, and draw its Gantt chart."""
        spans = list(self.spans)
        if len(spans) < _SUMMARY_TARGETS or max(span.end for span in spans) < _SUMMARY_SECONDS:
            return []
        from buildlib.build.execution import gantt, timeline

        workspace = self.workspace
        deps = {span.label: workspace.graph.build_deps(span.label) for span in spans}
        names = {span.label: workspace.graph.task_names[span.label] for span in spans}
        path = workspace.state.path("last-build.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(gantt.draw(spans, names, timeline.critical_path_of(spans, deps)))
        shown = os.path.relpath(path, workspace.root)
        return [*timeline.summary(spans, deps, names), f"picture: {shown}"]

    @property
    def is_over(self) -> bool:
        """Whether a target failed, so that no other one is begun."""
        return bool(self.failures) and not self.keep_going

    def not_begun(self) -> list[Label]:
        """The targets that were to be built, and whose turn never came."""
        return [label for label in self.plan.order if label not in self._begun]

    def running(self) -> list[str]:
        """The names of the targets that are worked on now; safe to call in a signal handler."""
        return [self.workspace.graph.task_names[label] for label in tuple(self._running)]

    def run(self, label: Label) -> bool:
        """Bring one target up to date, unless all is over; return whether anything was built.

        The thread's slot, if it has one, is given back.
        """
        try:
            return not self.is_over and self._run(label)
        finally:
            if self.slots:
                self.slots.give_back()

    def _run(self, label: Label) -> bool:
        self._begun[label] = self._running[label] = None
        try:
            return self._executor.execute(label, force=self.force and label in self._roots)
        except BaseException as error:
            self.failures[label] = Failure(error, self._executor.logs.get(label, ""))
            raise
        finally:
            del self._running[label]

    def _ensure_engine(self) -> None:
        """Find an engine if the plan needs one; plan again once it can be asked."""
        graph = self.workspace.graph
        if not any(graph[label].rule.takes_engine for label in self.plan.order):
            return
        self.workspace.outside.ensure_engine()
        self.workspace.engine.ping()
        if any(step.action == UNKNOWN for step in self.plan.steps):
            self.make_plan(self._roots)

    def _pull(self) -> None:
        """Pull stale targets that the registry has, so that only the others are built."""
        if not any(step.action == BUILD for step in self.plan.steps):
            return
        if self.workspace.role != OFF:
            from buildlib.build.execution.pull_and_publish import (
                pull_all,  # with all that asks a registry
            )

            self._plan, self.pulled = pull_all(
                self.workspace, self._roots, self._executor, force=self.force, say=self.say
            )

    def finish(self, say: Say) -> None:
        """Do what comes after a build, and never fail it.

        State is saved, what was built is published, and old images are removed.
        """
        self.workspace.save()
        self.publish()
        if self._tidy is not None and self._has_new_images:
            self._tidy(self.workspace, say)

    def publish(self) -> None:
        """Publish what this build made, if the role is `write`; never fail."""
        if self.spans and self.workspace.role == WRITE:
            from buildlib.build.execution.pull_and_publish import publish_all

            publish_all(self.workspace, [span.label for span in self.spans], say=self.say)

    def _check_before_work(self) -> None:
        """Report now, before anything is fetched or built, what could only fail later."""
        graph = self.workspace.graph
        built = [graph[step.label] for step in self.plan.steps if step.action == BUILD]
        if any(target.rule.request(target) for target in built):
            self.workspace.builder.ready()
        for target in built:
            self.workspace.refuse_missing_secrets(target)
        if built and self.workspace.role == WRITE:
            from buildlib.build.execution.pull_and_publish import warn_if_refused

            warn_if_refused(self.workspace, say=self.say)

    def _prefetch(self) -> None:
        """Fetch what the plan's actions read; lock anew what is no longer served."""
        missing = self.workspace.missing(self.downloads())
        if not missing:
            return
        from buildlib.outside.fetch.failures import NotServed  # with urllib and http: 3 ms
        from buildlib.outside.fetch.source import DEBIAN

        first, later = missing, []
        size = sum(entry.size or 0 for entry in missing)
        if size > _PREFETCH_ABOVE and not self.workspace.offline:
            # A Debian package that is no longer served is locked anew, which changes the plan.
            first = [entry for entry in missing if entry.is_of(DEBIAN)]
            later = [entry for entry in missing if not entry.is_of(DEBIAN)]
        try:
            self.workspace.fetch(first, self.say)
        except NotServed as error:
            if self.workspace.settings.strict or self._relock is None:
                raise
            self._lock_anew(error, self._relock)
            self.make_plan(self._roots)
            self.workspace.fetch(self.downloads(), self.say)
            return
        if later:
            from buildlib.build.execution.prefetch import Prefetcher

            self._prefetcher = Prefetcher(self.workspace, self._grouped_by_target(later), self.say)

    def _grouped_by_target(self, later: Iterable[Download]) -> list[list[Download]]:
        """Group downloads by the target that reads them first, in the order of the plan."""
        rest = {entry.sha256: entry for entry in later}
        groups = []
        for label in self.plan.order:
            own = [entry.sha256 for entry in downloads_of(self.workspace, [label])]
            groups.append([rest.pop(sha256) for sha256 in dict.fromkeys(own) if sha256 in rest])
        return [group for group in groups if group]

    def downloads(self) -> list[Download]:
        """Return all files from outside that the plan's actions read."""
        return downloads_of(
            self.workspace,
            [step.label for step in self.plan.steps if step.action == BUILD],
        )

    def _lock_anew(self, error: NotServed, relock: Callable[[str, Label], None]) -> None:
        """Pin what the archive serves now, instead of Debian packages that are gone, and say so."""
        gone = {download.sha256 for download in error.downloads}
        stale = [
            (pin.section, label)
            for label in self.plan.order
            for pin in self.workspace.graph[label].pins
            if SECTIONS[pin.section].source == DEBIAN
            and any(
                item.sha256 in gone
                for item in pinned(
                    self.workspace.lock, pin, self.workspace.graph[label]
                ).items.values()
            )
        ]
        if not stale:
            raise error
        moved: set[Label] = set()
        # Parents first, also those that were up to date: a child's packages are resolved in its
        # parent.
        for label in self.workspace.graph.closure(self._roots):
            for section in [section for section, other in stale if other == label]:
                self.say(
                    f"warning: packages locked for {label} are no longer served;"
                    " locking them anew\n"
                    f"  fix: ./doitw lock {section} && git add images.lock && git commit"
                    "  # what else stands on it, too"
                )
                relock(section, label)
                moved.add(label)
            if label not in moved and self._adds_to(label, moved):
                self.say(f"warning: {label} adds packages to what moved; locking them anew")
                relock(APT.name, label)
                moved.add(label)

    def _adds_to(self, label: Label, moved: set[Label]) -> bool:
        """Whether a target's Debian packages were resolved in an image whose packages moved."""
        graph = self.workspace.graph
        has_apt = any(pin.section == APT.name for pin in graph[label].pins)
        return has_apt and not moved.isdisjoint(graph.closure([label]))


def downloads_of(workspace: Workspace, labels: Iterable[Label]) -> list[Download]:
    """Return all files from outside that the actions of some targets read."""
    graph = workspace.graph
    downloads: list[Download] = []
    visited: set[Reference] = set()
    pending = [Reference(label) for label in labels]
    while pending:
        ref = pending.pop()
        if ref in visited:
            continue
        visited.add(ref)
        target = graph[ref.label]
        downloads += [download for _, download in pinned_files(workspace.lock, target)]
        # A target with a step of its own fetches for itself. Groups of files and parts of archives
        # have none: the target that takes them fetches what they need.
        below = graph.needs(ref)
        pending += [other for other in below if other.parts or not graph[other.label].rule.is_built]
    return downloads


def build_in_order(session: Session) -> None:
    """Run all targets of a started session one after the other, without a scheduler."""
    for label in session.plan.order:
        session.run(label)
