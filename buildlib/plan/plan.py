"""The plan: the stale targets in order, each with its reason.

A target is fresh when there is a record of its key and what the record names is still there: an
image by its ID *and* its content tag, a file in the content store. Labels prove nothing, since
children inherit them. Nothing is asked of a target that no stale target needs, and where a shared
store is asked, nothing below what it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from buildlib.graph.graph import Graph
from buildlib.keys.compute import Keys
from buildlib.keys.record import KeyRecord
from buildlib.model.label import Label, Reference
from buildlib.model.output import Export
from buildlib.model.settings import Settings
from buildlib.model.target import Target, image_name
from buildlib.store import names
from buildlib.store.content import ContentStore
from buildlib.store.records import Record, Records
from buildlib.store.state import State

FRESH = "fresh"
BUILD = "build"
RESTORE = "restore"
"""What there is gets its name back: a tag, or the file in the workspace."""
PULL = "pull"
"""It is stale here, and a shared store has it."""
FORCED = "asked to build it again"
FORGOTTEN = "forgotten: it is built again from its sources"
UNKNOWN = "unknown"
"""It was built, but no engine could be asked whether it is still there."""


class Present(Protocol):
    """What the engine says of one reference."""

    @property
    def id(self) -> str:
        """The image's ID."""

    @property
    def tags(self) -> tuple[str, ...]:
        """All references the image has."""


Presence = Callable[[list[str]], "Mapping[str, Present | None] | None"]
"""Asks the engine for many references at once; None where no engine answers."""


class Offer(Protocol):
    """What a shared store has for a key."""

    @property
    def size(self) -> int:
        """Bytes to transfer at most."""


Shared = Callable[[Sequence[tuple[Target, KeyRecord]]], Mapping[str, Offer]]
"""Asks a shared store for many targets at once; the keys that it has."""


class Step(NamedTuple):
    """One target of a plan.

    Attributes:
        label: The target.
        key: Its key.
        action: `build`, `pull`, `restore`, `unknown` or `fresh`.
        reason: Why, for people; empty where it is fresh.
        seconds: How long it took the last time it was built; 0 where that is not known.
        size: Bytes to transfer at most, where it is pulled.
    """

    label: Label
    key: str
    action: str
    reason: str
    seconds: float = 0.0
    size: int = 0


class Plan(NamedTuple):
    """What a build would do.

    Attributes:
        steps: Stale targets, dependencies first.
        fresh: Targets that were looked at and are up to date.
        engine_asked: Whether an engine said what is still there.
    """

    steps: tuple[Step, ...]
    fresh: tuple[Step, ...]
    engine_asked: bool

    def look_up(self, label: Label) -> Step | None:
        """What the plan says of a target, fresh or not; None where it was not looked at."""
        return next((step for step in (*self.steps, *self.fresh) if step.label == label), None)

    def step(self, label: Label) -> Step | None:
        """The step of a target that is not fresh."""
        return next((step for step in self.steps if step.label == label), None)


class Planner:
    """Makes plans from a graph, its keys, the records and an engine's answer.

    Args:
        graph: All targets.
        keys: Their keys.
        records: What was built before.
        store: Where built files are.
        state: What was built last in this workspace.
        settings: Names of images.
        channel: Tag that images must have beside that of their content; empty for none.
        exports: For a target with a file in the workspace, which and where it goes (absolute).
        explain: Why a key differs from the last one, in a few words.
    """

    def __init__(
        self,
        graph: Graph,
        keys: Keys,
        records: Records,
        store: ContentStore,
        state: State,
        settings: Settings,
        *,
        channel: str,
        exports: Callable[[Target], Export | None],
        explain: Callable[[Label], str],
    ) -> None:
        self._graph = graph
        self._keys = keys
        self._records = records
        self._store = store
        self._state = state
        self._settings = settings
        self._channel = channel
        self._exports = exports
        self._explain = explain

    def plan(
        self,
        roots: Iterable[Label],
        presence: Presence,
        *,
        force: bool = False,
        shared: Shared | None = None,
    ) -> Plan:
        """The plan for some targets.

        Args:
            roots: What is wanted.
            force: Build the roots even if they are up to date.
            presence: Asked for all images that could matter at once; for a second time where
                a content tag is not on its image.
            shared: Asked for what is stale, from the roots down: all of one depth at once. What
                it has is pulled, and nothing below that is looked at. No store is asked when None.
        """
        roots = list(roots)
        needed = self._graph.closure(roots)
        keys = {label: self._keys.key(Reference(label)) for label in needed}
        kept = {
            label: self._records.get(keys[label])
            for label in needed
            if self._graph[label].rule.is_built
        }
        images = {
            self._content_tag(label, keys[label]): record
            for label, record in kept.items()
            if record is not None and self._graph[label].rule.is_image
        }
        there = _look_up(images, presence)
        forced = set(roots) if force else set()
        steps: dict[Label, Step] = {}
        pending = list(dict.fromkeys(roots))
        while pending:
            for label in pending:
                target = self._graph[label]
                if not target.rule.is_built:
                    steps[label] = Step(label, keys[label], FRESH, "")
                else:
                    steps[label] = self._step(target, keys[label], kept[label], there)
                    if label in forced and steps[label].action != BUILD:
                        steps[label] = steps[label]._replace(action=BUILD, reason=FORCED)
            if shared:
                stale = [
                    x
                    for x in pending
                    if steps[x].action == BUILD and x not in forced and steps[x].reason != FORGOTTEN
                ]
                steps.update(self._offered([steps[label] for label in stale], shared))
            # Parts of an archive are put together by whoever takes them, not as a step.
            below = [
                other
                for label in pending
                if steps[label].action in (BUILD, UNKNOWN) or not self._graph[label].rule.is_built
                for other in self._graph.made_below(label)
            ]
            pending = [label for label in dict.fromkeys(below) if label not in steps]
        ordered = [steps[label] for label in needed if label in steps]
        buildable = [x for x in ordered if self._graph[x.label].rule.is_built]
        return Plan(
            tuple(step for step in buildable if step.action != FRESH),
            tuple(step for step in buildable if step.action == FRESH),
            there is not None,
        )

    def _offered(self, stale: Sequence[Step], shared: Shared) -> dict[Label, Step]:
        """The steps of what a shared store has, of some that would be built."""
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
        there: Mapping[str, Present | None] | None,
    ) -> Step:
        label = target.label
        if record is None:
            forgotten = self._records.is_forgotten(key)
            reason = FORGOTTEN if forgotten else self._explain(label)
            return Step(label, key, BUILD, reason, self._last_seconds(label))
        if target.rule.is_image:
            action, reason = self._image_state(target, key, record, there)
        else:
            action, reason = self._files_state(target, record)
        return Step(label, key, action, reason, record.seconds)

    def _last_seconds(self, label: Label) -> float:
        last = self._state.last_key(label)
        record = self._records.get(last) if last else None
        return record.seconds if record else 0.0

    def _image_state(
        self, target: Target, key: str, record: Record, there: Mapping[str, Present | None] | None
    ) -> tuple[str, str]:
        if there is None:
            return UNKNOWN, "built before; no engine answers whether it is still there"
        tag = self._content_tag(target.label, key)
        tagged = there.get(tag)
        if tagged is not None and tagged.id in record.images:
            if not self._channel:
                return FRESH, ""
            wanted = names.names_of(self._settings, image_name(target), target.tags, self._channel)
            lost = next((name for name in wanted if name not in tagged.tags), "")
            return (RESTORE, f"the tag {lost} is not on it") if lost else (FRESH, "")
        if any(there.get(image) is not None for image in record.images):
            return RESTORE, f"the tag {tag} is not on it"
        if tagged is not None:
            return BUILD, f"{tag} is not the image that was built"
        return BUILD, "the image is gone from the engine"

    def _files_state(self, target: Target, record: Record) -> tuple[str, str]:
        missing = unnamed(target, self._graph, record)
        if missing:
            return BUILD, f"its record lacks {missing}"
        for name, made in record.files.items():
            if not self._store.has(made.sha256, made.size):
                return BUILD, f"{name} is gone from the content store"
        export = self._exports(target)
        if export and export.file not in record.files:
            return BUILD, "its record lacks the release file"
        if export and not self._state.is_exported(export.path, record.files[export.file].sha256):
            return RESTORE, f"{os.path.relpath(export.path)} is not there, or not as it was written"
        return FRESH, ""


def _look_up(
    images: Mapping[str, Record], presence: Presence
) -> Mapping[str, Present | None] | None:
    """What the engine has of some images, by content tag and, where the tag is lost, by ID.

    A tag that is where it belongs says all there is to know, so IDs are asked for the others only.
    """
    if not images:
        return {}
    tagged = presence(list(images))
    if tagged is None:
        return None
    lost: dict[str, None] = {}
    for tag, record in images.items():
        found = tagged.get(tag)
        if found is None or found.id not in record.images:
            lost.update(dict.fromkeys(record.images))
    if not lost:
        return tagged
    by_id = presence(list(lost))
    return None if by_id is None else {**tagged, **by_id}


def unnamed(target: Target, graph: Graph, record: Record) -> str:
    """An output of a target's rule that a record does not name; empty where it names them all."""
    names = target.rule.output_names(target, graph.targets)
    return next((name for name in names if name not in record.files), "")
