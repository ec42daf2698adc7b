"""A build and the registry: pull what it has first, publish what was built at the end.

Nothing here fails a build. A target that cannot be pulled is built, one that cannot be published
costs a warning, as does a registry that does not answer. `buildlib.build.sharing` knows what
entries look like and when they are valid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import Target
from buildlib.core.plan.plan import PULL, Plan, Step
from buildlib.errors import BuildError
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.build.execution.executor import Executor
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace

Say = Callable[[str], None]


class RegistryLookup:
    """Asks the registry for keys, each once.

    Args:
        say: Takes a warning where the registry refuses.
    """

    def __init__(self, workspace: Workspace, shared: SharedStore, say: Say) -> None:
        self._workspace = workspace
        self._shared = shared
        self._say = say
        self._answers = workspace.registry_answers

    def __call__(self, wanted: Sequence[tuple[Target, KeyRecord]]) -> dict[str, Entry]:
        """Return the valid entries by key; for `Planner.plan`."""
        new = [
            (target, record)
            for target, record in wanted
            if record.key not in self._answers and self._may_be_shared(target)
        ]
        if new and self._workspace.asks_registry:
            try:
                found = self._shared.find(new)
            except BuildError as error:  # it answers, and refuses us
                self._workspace.asks_registry = False
                found = {}
                self._say(f"warning: {error.what}; going on without the shared store")
            self._answers.update({record.key: found.get(record.key) for _, record in new})
        answers = {record.key: self._answers.get(record.key) for _, record in wanted}
        return {key: entry for key, entry in answers.items() if entry is not None}

    def give_up(self, key: str) -> None:
        """Treat a key as missing from the registry from now on."""
        self._answers[key] = None

    def _may_be_shared(self, target: Target) -> bool:
        """Whether the registry is worth asking; a target never built here may have taken long."""
        from buildlib.build.sharing.shared_store import is_worth_sharing

        last = self._workspace.state.last_key(target.label)
        return is_worth_sharing(target, self._workspace.records.get(last) if last else None)


def pull_all(
    workspace: Workspace, roots: Sequence[Label], executor: Executor, *, force: bool, say: Say
) -> tuple[Plan, list[Label]]:
    """Pull what is stale here and valid in the registry.

    With `force` the roots are built, whatever the registry has. The executor names what was pulled.

    Returns:
        The plan of the other targets, with nothing left to pull; and what was pulled.
    """
    shared = workspace.shared_for_builds
    if shared is None:
        return workspace.plan(roots, force=force), []
    lookup = RegistryLookup(workspace, shared, say)
    pulled: list[Label] = []
    while True:
        plan = workspace.plan(roots, force=force, shared=lookup)
        steps = [step for step in plan.steps if step.action == PULL]
        if not steps:
            return plan, pulled
        entries = lookup([_with_key_record(workspace, step.label) for step in steps])
        pulled += _pull(workspace, steps, entries, shared, executor, say)
        for step in steps:  # a target that was pulled is fresh now; any other is built
            lookup.give_up(step.key)


def _with_key_record(workspace: Workspace, label: Label) -> tuple[Target, KeyRecord]:
    return workspace.graph[label], workspace.keys.record(Reference(label))


def _pull(
    workspace: Workspace,
    steps: Sequence[Step],
    entries: Mapping[str, Entry],
    shared: SharedStore,
    executor: Executor,
    say: Say,
) -> list[Label]:
    """Pull some targets at once; return those that came."""
    from buildlib.build.sharing import transfers

    total = sum(step.size for step in steps)
    host = workspace.settings.registry
    say(f"pulling {_targets(len(steps))}, {total / 1e6:.1f} MB, from {host}")
    started = time.monotonic()
    failed: dict[Label, Exception] = {}
    pulled = transfers.pull(
        shared,
        {step.label: entries[step.key] for step in steps},
        workspace.engine,
        verb="pull",
        adopt=executor.adopt,
        failed=failed,
    )
    if pulled:
        took = duration(time.monotonic() - started)
        say(f"pulled {_names(workspace, pulled)} in {took}")
    _warn_failed(workspace, failed, "pulled", say)
    return pulled


def warn_if_refused(workspace: Workspace, *, say: Say) -> None:
    """Warn before a build that its registry takes nothing; the end of the build warns again.

    A registry that does not answer was reported already, and may answer again by the end.
    """
    from buildlib.outside.registry.protocol import RegistryUnavailable

    shared = workspace.shared_store
    if shared is None or not workspace.asks_registry or shared.is_down:
        return
    try:
        shared.try_writing()
    except RegistryUnavailable:
        return
    except BuildError as error:
        fix = f"\n  fix: {error.fix}" if error.fix else ""
        host = workspace.settings.registry
        say(f"warning: what is built cannot be published to {host}: {error.what}{fix}")


def publish_all(workspace: Workspace, labels: Iterable[Label], *, say: Say) -> None:
    """Publish what this run built: images, and files that took their time, as proofs do."""
    from buildlib.build.sharing import transfers

    worth = _worth_sharing(workspace, labels)
    shared = workspace.shared_store if worth else None
    if shared is None:
        return
    host = workspace.settings.registry
    try:
        # Uploads are retried for long; whether the registry answers at all is found out at once.
        workspace.connect(host, quick=True).ping()
    except BuildError as error:
        say(f"warning: {_names(workspace, worth)} cannot be published: {error.what}")
        return
    built = transfers.built_targets(workspace.view, workspace.records, worth)
    say(f"publishing {_targets(len(built))} to {host}")
    began, started = int(time.time()), time.monotonic()
    failed: dict[Label, Exception] = {}
    entries = transfers.publish(shared, built, workspace.engine, verb="publish", failed=failed)
    existing = [label for label, entry in entries.items() if entry.pushed < began]
    new = [label for label in entries if label not in existing]
    if existing:
        say(f"{_names(workspace, existing)}: another build has published the same keys")
    if new:
        took = duration(time.monotonic() - started)
        say(f"published {_names(workspace, new)} in {took}")
    _warn_failed(workspace, failed, "published", say)


def _worth_sharing(workspace: Workspace, labels: Iterable[Label]) -> list[Label]:
    from buildlib.build.sharing.shared_store import is_worth_sharing

    records = {
        label: workspace.records.get(workspace.keys.key(Reference(label))) for label in labels
    }
    return [
        label
        for label, record in records.items()
        if record is not None and is_worth_sharing(workspace.graph[label], record)
    ]


def _warn_failed(
    workspace: Workspace, failed: Mapping[Label, Exception], what: str, say: Say
) -> None:
    """Say which targets could not be moved, and why the first could not."""
    from buildlib.outside.registry.protocol import RegistryUnavailable

    if not failed:
        return
    first = next(iter(failed.values()))
    why = first.what if isinstance(first, BuildError) else str(first)
    say(f"warning: {_names(workspace, failed)} cannot be {what}: {why}")
    if any(isinstance(error, RegistryUnavailable) for error in failed.values()):
        workspace.asks_registry = False


def _names(workspace: Workspace, labels: Iterable[Label]) -> str:
    return ", ".join(workspace.graph.task_names[label] for label in labels)


def _targets(count: int) -> str:
    return "1 target" if count == 1 else f"{count} targets"
