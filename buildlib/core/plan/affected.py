"""The targets that two trees affect: those with different keys, each with the nearest cause.

Keys hold everything that can change a result, so the answer is exact for edits, renames, deletions,
pins and declarations alike. It needs no build, engine or record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import Keys
from buildlib.core.keys.record import Change, KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.plan.explain import Comparison, Leaf, differences
from buildlib.errors import InputError


class Side(Protocol):
    """One of two trees: a `View`."""

    @property
    def graph(self) -> Graph: ...

    @property
    def keys(self) -> Keys: ...


class Affected(NamedTuple):
    """A target that differs.

    Attributes:
        path: From the target to the nearest one that differs by itself.
        changes: The differences there; empty if that target (or part) is new.
    """

    label: Label
    path: tuple[Reference, ...]
    changes: tuple[Change, ...]


class _Parts(NamedTuple):
    """The records of one tree, by key."""

    by_key: Mapping[str, KeyRecord]

    def parts(self, key: str) -> KeyRecord | None:
        return self.by_key.get(key)


def changes(old: Side, new: Side, label: Label) -> list[Leaf] | None:
    """All differences of a target between two trees; None if it is new."""
    before = _record(old, Reference(label))
    if before is None:
        return None
    records = {record.key: record for record in old.keys.closure(Reference(label))}
    return Comparison(new.graph, new.keys, _Parts(records)).leaves(label, before.key)


class _Cause(NamedTuple):
    """Why a target or a part differs: its own changes, or the next one on the path to them."""

    changes: tuple[Change, ...]
    via: Reference | None
    length: int


def affected(
    old: Side, new: Side, labels: Iterable[Label], rules: Mapping[str, Change] | None = None
) -> list[Affected]:
    """The targets that differ between two trees.

    Args:
        labels: Targets of `new`.
        rules: Rules with another version in each tree, and the two versions. Keys do not show
            this: the present code computes those of both trees.

    Raises:
        InputError: `new` lacks a source that a target needs. If `old` lacks one, the target counts
            as new.
    """
    labels = list(labels)
    for side in (old, new):
        common = set(side.graph.targets).intersection(labels)
        side.keys.stamp_files(side.graph.closure(common))
    causes: dict[Reference, _Cause | None] = {}
    differing = []
    for label in labels:
        ref = Reference(label)
        if cause := _cause(old, new, ref, rules or {}, causes):
            path = [ref]
            while cause.via is not None:
                path.append(cause.via)
                cause = causes[cause.via] or cause
            differing.append(Affected(label, tuple(path), cause.changes))
    return differing


def _cause(
    old: Side,
    new: Side,
    ref: Reference,
    rules: Mapping[str, Change],
    causes: dict[Reference, _Cause | None],
) -> _Cause | None:
    """Why a target differs; `causes` gets those of all its dependencies, each computed once."""
    pending = [ref]
    while ref not in causes:
        current = pending[-1]
        needs = new.graph.needs(current)
        missing = [other for other in needs if other not in causes]
        if missing:
            pending += missing
            continue
        pending.pop()
        if current not in causes:
            causes[current] = _nearest(_own_changes(old, new, current, rules), needs, causes)
    return causes[ref]


def _nearest(
    changes: tuple[Change, ...] | None,
    needs: Iterable[Reference],
    causes: Mapping[Reference, _Cause | None],
) -> _Cause | None:
    """A target's own changes, or the dependency with the shortest path to a cause."""
    if changes is not None:
        return _Cause(changes, None, 1)
    below = [(cause.length, other) for other in needs if (cause := causes[other])]
    if not below:
        return None
    length, via = min(below, key=lambda item: item[0])
    return _Cause((), via, length + 1)


def _own_changes(
    old: Side, new: Side, ref: Reference, rules: Mapping[str, Change]
) -> tuple[Change, ...] | None:
    """A target's own changes, without those of dependencies; None if there are none."""
    record = new.keys.draft(ref)
    before = _record(old, ref)
    if before is None:
        return ()
    own: list[Change] = []
    if before.key != record.key:
        differing = differences(new.graph, ref, before, record)
        own = [change for change, below in differing if below is None]
        if old.graph[ref.label].rule.kind != new.graph[ref.label].rule.kind:
            own = [change for change in own if change.name == "rule"]  # the others follow from it
    if change := rules.get(new.graph[ref.label].rule.kind):
        own = [change, *(it for it in own if it.name != change.name)]
    return tuple(own) or None


def _record(side: Side, ref: Reference) -> KeyRecord | None:
    """A target's key record in a tree; None if the tree lacks the target or one of its files."""
    target = side.graph.targets.get(ref.label)
    if target is None or not set(ref.parts) <= set(target.parts):
        return None
    try:
        return side.keys.draft(ref)
    except InputError:
        return None
