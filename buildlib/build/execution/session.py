"""One build from start to end: what both front doors, `./doitw` and `doit`, drive.

`start` makes the plan, finds (or makes) an engine if the plan needs one, pulls what the registry
has of it, and fetches what the rest will read. Where that is much, what cannot change the plan is
fetched while targets are made, in the order in which it is needed. Then each target is run, along
the critical path first. At the end, what was built is published where this machine's role is to
write.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

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

Say = Callable[[str], None]
_PREFETCH_ABOVE = 100_000_000
"""Bytes above which targets are made while their downloads still come."""
_SUMMARY_TARGETS = 3
_SUMMARY_SECONDS = 20.0
"""Targets and seconds from which it is told where the time of a build went."""


class Session:
    """A build of one workspace.

    Args:
        workspace: The workspace.
        say: Takes lines for the person who waits; called from several threads.
        verbose: Also say what the builder says.
        force: Build what is asked for even if it is fresh.
        relock: Makes the lock's entry for (section, target) anew; None to fail instead.
        tidy: Bounds what the engine keeps, after a build that made images; None to let all stay.
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
        self._relock = relock
        self._tidy = tidy
        self._plan: Plan | None = None
        self._roots: tuple[Label, ...] = ()
        self._started = False
        self._lock = threading.Lock()
        self._executor = Executor(workspace, say=say, verbose=verbose)
        self._prefetcher: Prefetcher | None = None
        self.pulled: list[Label] = []
        """What was pulled from the registry instead of being built."""

    @property
    def spans(self) -> list[Span]:
        """The targets that were made so far, with their times."""
        return self._executor.spans

    @property
    def _has_new_images(self) -> bool:
        """Whether images were made or pulled: the engine may have more than it should keep."""
        graph = self.workspace.graph
        new = [*(span.label for span in self.spans), *self.pulled]
        return any(graph[label].rule.is_image for label in new)

    @property
    def fetching(self) -> str:
        """How far the fetching beside the build is; empty when there is none."""
        return self._prefetcher.state if self._prefetcher else ""

    @property
    def doing(self) -> Mapping[Label, str]:
        """The step that each running target is at; see `Executor.doing`."""
        return self._executor.doing

    @property
    def plan(self) -> Plan:
        """The plan that was started with."""
        if self._plan is None:
            return self.start(self.workspace.graph.of_verb("build"))
        return self._plan

    def make_plan(self, roots: Iterable[Label]) -> Plan:
        """Make the plan, and do nothing yet.

        Raises:
            InputError: One of the roots is left out in this flavour.
        """
        self._roots = tuple(roots)
        self.workspace.view.refuse_left_out(self._roots)
        self._plan = self.workspace.plan(self._roots, force=self.force)
        return self._plan

    def start(self, roots: Iterable[Label]) -> Plan:
        """Make the plan and all that its actions need; once started, it is as it is.

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
                if self.plan.steps == before:  # the action that reads it says what is missing
                    break
            self._check_before_work()
            self._prefetch()
            self._started = True
            for step in self.plan.fresh:
                self._executor.note_fresh(step.label)
            return self.plan

    def plan_and_pull(self, roots: Iterable[Label]) -> Plan:
        """Make the plan, and pull what the registry has of it; nothing is fetched or built.

        Raises:
            ActionError: There is no engine.
        """
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
        """Whether the content store has damaged files of what the plan's actions will read.

        They are found here, and not in an action, so that a new plan makes them again.
        """
        workspace = self.workspace
        built = {step.label: None for step in self.plan.steps if step.action == BUILD}
        restored = [step.label for step in self.plan.steps if step.action == RESTORE]
        below = [other for label in built for other in workspace.graph.build_deps(label)]
        found = []
        for label in dict.fromkeys([*restored, *below]):
            if workspace.graph[label].rule.is_image:  # its record names no file
                continue
            record = workspace.records.get(workspace.keys.key(Reference(label)))
            if record is not None and label not in built:
                found.append(workspace.damaged(record, Reference(label)))
        return any(found)

    def labels(self) -> list[Label]:
        """What will be run, dependencies first; of several that could be run, the most urgent."""
        return list(self.plan.order)

    def is_chain(self) -> bool:
        """Whether each target to be run needs the one before it, so that none can run beside."""
        build_deps = self.workspace.graph.build_deps
        return all(first in build_deps(then) for first, then in pairwise(self.plan.order))

    def is_fresh(self, label: Label) -> bool:
        """Whether there is nothing to do for a target, or nobody needs it."""
        return self.plan.step(label) is None

    def time_summary(self) -> list[str]:
        """Of a longer build: what its time went to, in lines; draws the picture of it, too."""
        spans = list(self.spans)
        if len(spans) < _SUMMARY_TARGETS or max(span.end for span in spans) < _SUMMARY_SECONDS:
            return []
        from buildlib.build.execution import gantt, timeline

        workspace = self.workspace
        below = {span.label: workspace.graph.build_deps(span.label) for span in spans}
        names = {span.label: workspace.graph.task_names[span.label] for span in spans}
        path = workspace.state.path("last-build.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(gantt.draw(spans, names, timeline.critical_path_of(spans, below)))
        shown = os.path.relpath(path, workspace.root)
        return [*timeline.summary(spans, below, names), f"picture: {shown}"]

    def run(self, label: Label) -> bool:
        """Bring one target up to date; see `Executor.execute`."""
        return self._executor.execute(label, force=self.force and label in self._roots)

    def _ensure_engine(self) -> None:
        """Find an engine where the plan has use for one; plan again when it can be asked."""
        uses = [label for label in self.plan.order if self._uses_engine(label)]
        if not uses:
            return
        self.workspace.outside.ensure_engine()
        self.workspace.engine.ping()
        if any(step.action == UNKNOWN for step in self.plan.steps):
            self.make_plan(self._roots)

    def _uses_engine(self, label: Label) -> bool:
        return self.workspace.graph[label].rule.takes_engine

    def _pull(self) -> None:
        """Pull what is stale here and in the registry, so that only the rest is built."""
        if not any(step.action == BUILD for step in self.plan.steps):
            return
        if self.workspace.role != OFF:
            from buildlib.build.execution.sharing import pull_all  # with all that asks a registry

            self._plan, self.pulled = pull_all(
                self.workspace, self._roots, self._executor, force=self.force, say=self.say
            )

    def finish(self, say: Say) -> None:
        """What comes after a build, and never fails it.

        What was found out is kept, what was built is published, and old images are removed.

        Args:
            say: Takes lines for the person who waits.
        """
        self.workspace.save()
        self.publish()
        if self._tidy is not None and self._has_new_images:
            self._tidy(self.workspace, say)

    def publish(self) -> None:
        """Publish what this build made, where the role is to write; never a reason to fail."""
        if self.spans and self.workspace.role == WRITE:
            from buildlib.build.execution.sharing import publish_all

            publish_all(self.workspace, [span.label for span in self.spans], say=self.say)

    def _check_before_work(self) -> None:
        """Find out before anything is fetched or built what could only fail later.

        Raises:
            ActionError: No client on this machine can build with the engine.
        """
        graph = self.workspace.graph
        built = [graph[step.label] for step in self.plan.steps if step.action == BUILD]
        if any(target.rule.request(target) for target in built):
            self.workspace.builder.ready()
        if built and self.workspace.role == WRITE:
            from buildlib.build.execution.sharing import warn_if_refused

            warn_if_refused(self.workspace, say=self.say)

    def _prefetch(self) -> None:
        """Fetch what the plan's actions read; lock anew what is no longer served."""
        wanted = self.workspace.missing(self.downloads())
        if not wanted:
            return
        from buildlib.outside.fetch.failures import NotServed  # with urllib and http: 3 ms
        from buildlib.outside.fetch.source import DebianPath

        wait_for, later = wanted, []
        if (
            not self.workspace.offline
            and sum(entry.size or 0 for entry in wanted) > _PREFETCH_ABOVE
        ):
            # A Debian package that is no longer served is locked anew, which changes the plan.
            wait_for = [entry for entry in wanted if isinstance(entry.source, DebianPath)]
            later = [entry for entry in wanted if not isinstance(entry.source, DebianPath)]
        try:
            self.workspace.fetch(wait_for, self.say)
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
        """Downloads in the groups and the order in which targets will ask for them."""
        left = {entry.sha256: entry for entry in later}
        groups = []
        for label in self.plan.order:
            mine = [entry.sha256 for entry in downloads_of(self.workspace, [label])]
            groups.append([left.pop(sha256) for sha256 in dict.fromkeys(mine) if sha256 in left])
        return [group for group in groups if group]

    def downloads(self) -> list[Download]:
        """All files from outside that the plan's actions read."""
        return downloads_of(
            self.workspace,
            [step.label for step in self.plan.steps if step.action == BUILD],
        )

    def _lock_anew(self, error: NotServed, relock: Callable[[str, Label], None]) -> None:
        """A Debian package is gone from the archive: pin what is served now, and say so."""
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
        # Parents first: a child's packages are resolved in its parent, also what was up to date.
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
        """Whether a target's Debian packages were resolved in an image that has moved."""
        graph = self.workspace.graph
        has_apt = any(pin.section == APT.name for pin in graph[label].pins)
        return has_apt and not moved.isdisjoint(graph.closure([label]))


def downloads_of(workspace: Workspace, labels: Iterable[Label]) -> list[Download]:
    """All files from outside that the actions of some targets read.

    Raises:
        InputError: The lock lacks an entry.
    """
    graph = workspace.graph
    found: list[Download] = []
    met: set[Reference] = set()
    pending = [Reference(label) for label in labels]
    while pending:
        ref = pending.pop()
        if ref in met:
            continue
        met.add(ref)
        target = graph[ref.label]
        found += [download for _, download in pinned_files(workspace.lock, target)]
        # A target with a step of its own fetches for itself. Groups of files and parts of archives
        # have none: the target that takes them fetches what they need.
        below = [dep.ref for dep in graph.deps(ref) if not dep.by_name]
        pending += [other for other in below if other.parts or not graph[other.label].rule.is_built]
    return found


def build_in_order(session: Session) -> None:
    """Run all of a started session's targets one after the other, without a scheduler.

    Raises:
        ActionError: One failed.
    """
    for label in session.plan.order:
        session.run(label)
