"""The plan: the stale targets in order, each with its reason.

A target is fresh if its key has a record and the result in the record still exists: an image with
that ID *and* its content tag, files in the content store. Image labels prove nothing, since
children inherit them. A plan looks only at requested targets and at dependencies of stale ones. A
target that a shared store has is pulled, without a look at its dependencies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import lock_commands, pinned
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Export
from buildlib.core.model.target import Target, image_name
from buildlib.core.plan import critical_path
from buildlib.core.store import names
from buildlib.core.store.content import ContentStore
from buildlib.core.store.records import Record, Records
from buildlib.core.store.state import State
from buildlib.core.view import View

FRESH = "fresh"
BUILD = "build"
RESTORE = "restore"
"""The result exists, but lost its name: a tag, or the file in the workspace."""
PULL = "pull"
"""Stale here, but a shared store has it."""
FORCED = "asked to build it again"
FORGOTTEN = "forgotten: it is built again from its sources"
UNKNOWN = "unknown"
"""It was built, but no engine answers whether it still exists."""


class Present(Protocol):
    """An image that the engine has; `tags` are all references to it."""

    @property
    def id(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


Presence = Callable[[list[str]], "Mapping[str, Present | None] | None"]
"""Asks the engine for many references at once; returns None if no engine answers."""


class Offer(Protocol):
    """A shared store's entry for a key; `size` is the maximum of bytes to transfer."""

    @property
    def size(self) -> int: ...


Shared = Callable[[Sequence[tuple[Target, KeyRecord]]], Mapping[str, Offer]]
"""Asks a shared store for many targets at once; returns the keys that it has."""


class Step(NamedTuple):
    """One target of a plan.

    Attributes:
        key: Empty if pins have to be made before it is known.
        action: `build`, `pull`, `restore`, `unknown` or `fresh`.
        reason: Why, for people; empty if fresh.
        seconds: How long its last build took; 0 if unknown.
        size: Bytes to transfer at most, for a pull.
    """

    label: Label
    key: str
    action: str
    reason: str
    seconds: float = 0.0
    size: int = 0


class Plan:
    """What a build would do.

    Attributes:
        steps: Stale targets, dependencies first.
        fresh: Targets that were looked at and are up to date.
        order: The stale targets in the order to start them: dependencies first, then the one on
            the longest path.
        engine_asked: Whether an engine answered.
        lock_first: Commands that make the pins without which steps have no key.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        fresh: Iterable[Step],
        order: Iterable[Label],
        *,
        engine_asked: bool,
        lock_first: Iterable[str] = (),
    ) -> None:
        self.steps = tuple(steps)
        self.fresh = tuple(fresh)
        self.order = tuple(order)
        self.engine_asked = engine_asked
        self.lock_first = tuple(lock_first)
        self._stale = {step.label: step for step in self.steps}
        self._fresh = {step.label: step for step in self.fresh}

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do, nor to lock first: a download has pins and no step."""
        return not self.steps and not self.lock_first

    def look_up(self, label: Label) -> Step | None:
        """The step of a target, fresh or not; None if it was not looked at."""
        return self._stale.get(label) or self._fresh.get(label)

    def step(self, label: Label) -> Step | None:
        """The step of a target that is not fresh."""
        return self._stale.get(label)


class Planner:
    """Makes plans from a view, the records and an engine's answer.

    Args:
        exports: The exported file of a target, with its absolute path.
        explain: Why a key changed, in a few words.
    """

    def __init__(
        self,
        view: View,
        records: Records,
        store: ContentStore,
        state: State,
        *,
        exports: Callable[[Target], Export | None],
        explain: Callable[[Label], str],
    ) -> None:
        self._graph = view.graph
        self._keys = view.keys
        self._lock = view.lock
        self._settings = view.settings
        self._channel = view.channel if view.channel == names.DEV else ""
        self._records = records
        self._store = store
        self._state = state
        self._exports = exports
        self._explain = explain

    def plan(
        self,
        roots: Iterable[Label],
        presence: Presence,
        *,
        force: bool = False,
        shared: Shared | None = None,
        drafts: bool = False,
    ) -> Plan:
        """The plan for some targets.

        Args:
            presence: Asked for all recorded images at once, and again if content tags are lost.
            force: Build the roots even if they are up to date.
            shared: Asked for the stale targets of each depth at once, from the roots down.
            drafts: Plan targets whose pins would be locked anew, too, without a key: nobody can
                build such a plan.

        Raises:
            InputError: Something is wrong with a target; without `drafts`, also if the lock lacks
                pins that it needs.
        """
        roots = list(roots)
        self._graph.refuse_broken(roots)
        needed = self._graph.closure(roots)
        key_of = self._keys.key_or_none if drafts else self._keys.key
        keys = {label: key_of(Reference(label)) for label in needed}
        records = {
            label: self._records.get(keys[label]) if keys[label] else None
            for label in needed
            if self._graph[label].rule.is_built
        }
        images = self._look_up(records, keys, presence)
        forced = set(roots) if force else set()
        steps: dict[Label, Step] = {}
        pending = list(dict.fromkeys(roots))
        while pending:
            for label in pending:
                if label in records:
                    step = self._step(self._graph[label], keys[label], records[label], images)
                    steps[label] = _forced(step) if label in forced else step
                else:
                    steps[label] = Step(label, keys[label], FRESH, "")
            if shared:
                stale = [
                    x
                    for x in pending
                    if steps[x].action == BUILD
                    and keys[x]
                    and x not in forced
                    and steps[x].reason != FORGOTTEN
                ]
                steps.update(self._offered([steps[label] for label in stale], shared))
            # Parts of an archive have no step: each consumer assembles them.
            below = [
                other
                for label in pending
                if steps[label].action in (BUILD, UNKNOWN) or label not in records
                for other in self._graph.build_deps(label)
            ]
            pending = [label for label in dict.fromkeys(below) if label not in steps]
        built = [steps[label] for label in needed if label in steps and label in records]
        stale_steps = [step for step in built if step.action != FRESH]
        fresh = [step for step in built if step.action == FRESH]
        return Plan(
            stale_steps,
            fresh,
            self._order(stale_steps),
            engine_asked=images is not None,
            lock_first=lock_commands(self._keys.stale_pins(needed)),
        )

    def step(self, label: Label, presence: Presence, *, force: bool = False) -> Step:
        """The step of one target that has one, without a look at its dependencies."""
        key = self._keys.key(Reference(label))
        records = {label: self._records.get(key)}
        images = self._look_up(records, {label: key}, presence)
        step = self._step(self._graph[label], key, records[label], images)
        return _forced(step) if force else step

    def _order(self, steps: Sequence[Step]) -> list[Label]:
        seconds = {
            step.label: step.seconds
            or critical_path.guess(self._pinned(step.label) if step.key else 0)
            for step in steps
        }
        deps = {label: self._graph.build_deps(label) for label in seconds}
        return critical_path.most_urgent_first(list(seconds), deps, seconds)

    def _pinned(self, label: Label) -> int:
        target = self._graph[label]
        return sum(
            item.size
            for pin in target.pins
            for item in pinned(self._lock, pin, target).items.values()
        )

    def _look_up(
        self,
        records: Mapping[Label, Record | None],
        keys: Mapping[Label, str],
        presence: Presence,
    ) -> Mapping[str, Present | None] | None:
        return _ask(
            {
                self._content_tag(label, keys[label]): record
                for label, record in records.items()
                if record is not None and self._graph[label].rule.is_image
            },
            presence,
        )

    def _offered(self, stale: Sequence[Step], shared: Shared) -> dict[Label, Step]:
        """Pull steps for the stale targets that a shared store has."""
        if not stale:
            return {}
        offers = shared(
            [(self._graph[step.label], self._keys.record(Reference(step.label))) for step in stale]
        )
        return {
            step.label: step._replace(action=PULL, size=offers[step.key].size)
            for step in stale
            if step.key in offers
        }

    def _content_tag(self, label: Label, key: str) -> str:
        return names.content_tag(self._settings, image_name(self._graph[label]), key)

    def _step(
        self,
        target: Target,
        key: str,
        record: Record | None,
        images: Mapping[str, Present | None] | None,
    ) -> Step:
        label = target.label
        if record is None:
            forgotten = key and self._records.is_forgotten(key)
            reason = FORGOTTEN if forgotten else self._explain(label)
            return Step(label, key, BUILD, reason, self._last_seconds(label))
        if target.rule.is_image:
            action, reason = self._image_state(target, key, record, images)
        else:
            action, reason = self._files_state(target, record)
        return Step(label, key, action, reason, record.seconds)

    def _last_seconds(self, label: Label) -> float:
        last = self._state.last_key(label)
        record = self._records.get(last) if last else None
        return record.seconds if record else 0.0

    def _image_state(
        self, target: Target, key: str, record: Record, images: Mapping[str, Present | None] | None
    ) -> tuple[str, str]:
        if images is None:
            return UNKNOWN, "built before; no engine answers whether it is still there"
        tag = self._content_tag(target.label, key)
        tagged = images.get(tag)
        if tagged is not None and tagged.id in record.images:
            if not self._channel:
                return FRESH, ""
            references = names.names_of(
                self._settings, image_name(target), target.tags, self._channel
            )
            missing = next((name for name in references if name not in tagged.tags), "")
            return (RESTORE, f"it lacks the tag {missing}") if missing else (FRESH, "")
        if any(images.get(image) is not None for image in record.images):
            return RESTORE, f"it lacks the tag {tag}"
        if tagged is not None:
            return BUILD, f"{tag} is not the image that was built"
        return BUILD, "the image is gone from the engine"

    def _files_state(self, target: Target, record: Record) -> tuple[str, str]:
        missing = missing_output(target, self._graph, record)
        if missing:
            return BUILD, f"its record lacks {missing}"
        for name, file in record.files.items():
            if not self._store.has(file.sha256, file.size):
                return BUILD, f"{name} is gone from the content store"
        export = self._exports(target)
        if export and export.file not in record.files:
            return BUILD, "its record lacks the release file"
        if export and not self._state.is_exported(export.path, record.files[export.file].sha256):
            return RESTORE, f"{os.path.relpath(export.path)} is not there, or not as it was written"
        return FRESH, ""


def _forced(step: Step) -> Step:
    return step if step.action == BUILD else step._replace(action=BUILD, reason=FORCED)


def _ask(images: Mapping[str, Record], presence: Presence) -> Mapping[str, Present | None] | None:
    """Which images the engine has, by content tag and, where that is lost, by ID."""
    if not images:
        return {}
    tagged = presence(list(images))
    if tagged is None:
        return None
    lost: dict[str, None] = {}
    for tag, record in images.items():
        image = tagged.get(tag)
        if image is None or image.id not in record.images:
            lost.update(dict.fromkeys(record.images))
    if not lost:
        return tagged
    by_id = presence(list(lost))
    return None if by_id is None else {**tagged, **by_id}


def missing_output(target: Target, graph: Graph, record: Record) -> str:
    """The first output of a target's rule that a record lacks; empty if it has all."""
    names = target.rule.output_names(target, graph.targets)
    return next((name for name in names if name not in record.files), "")
