"""What differs between two trees: the targets whose keys do, each with the nearest cause.

Keys hold all that can change a result, so this is exact for edits, renames, deletions, pins and
declarations alike. Nothing is built, and no engine or record is asked.
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
    def graph(self) -> Graph:
        """Its targets."""

    @property
    def keys(self) -> Keys:
        """Their keys."""


class Affected(NamedTuple):
    """A target that differs.

    Attributes:
        path: From it to the nearest one that differs by itself.
        changes: What differs there; empty where that target (or part) is new.
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
    """All parts in which a target differs between two trees; None where it is new."""
    before = _record(old, Reference(label))
    if before is None:
        return None
    records = {record.key: record for record in old.keys.closure(Reference(label))}
    return Comparison(new.graph, new.keys, _Parts(records)).leaves(label, before.key)


class _Cause(NamedTuple):
    """Why a target or a part differs: by itself, or by the next one on the way to the cause."""

    changes: tuple[Change, ...]
    via: Reference | None
    length: int


def affected(
    old: Side, new: Side, labels: Iterable[Label], rules: Mapping[str, Change] | None = None
) -> list[Affected]:
    """Which of some targets differ between two trees.

    Args:
        labels: Targets of `new`.
        rules: Kinds of targets that another version of their rule makes, and the two versions: a
            key alone does not tell, since those of both trees are computed by the present code.

    Raises:
        InputError: `new` lacks a source or a pin that a target needs. Where `old` does, the target
            counts as new.
    """
    labels = list(labels)
    for side in (old, new):
        there = set(side.graph.targets).intersection(labels)
        side.keys.read_ahead(side.graph.closure(there))
    causes: dict[Reference, _Cause | None] = {}
    found = []
    for label in labels:
        ref = Reference(label)
        if cause := _cause(old, new, ref, rules or {}, causes):
            path = [ref]
            while cause.via is not None:
                path.append(cause.via)
                cause = causes[cause.via] or cause
            found.append(Affected(label, tuple(path), cause.changes))
    return found


def _cause(
    old: Side,
    new: Side,
    ref: Reference,
    rules: Mapping[str, Change],
    known: dict[Reference, _Cause | None],
) -> _Cause | None:
    """Why a target differs; `known` takes the causes of all below it, each computed once."""
    pending = [ref]
    while ref not in known:
        now = pending[-1]
        needs = [dep.ref for dep in new.graph.deps(now) if not dep.by_name]
        missing = [other for other in needs if other not in known]
        if missing:
            pending += missing
            continue
        pending.pop()
        if now not in known:
            known[now] = _nearest(_itself(old, new, now, rules), needs, known)
    return known[ref]


def _nearest(
    changes: tuple[Change, ...] | None,
    needs: Iterable[Reference],
    known: Mapping[Reference, _Cause | None],
) -> _Cause | None:
    """What differs in a target itself, or the dependency with the shortest way to a cause."""
    if changes is not None:
        return _Cause(changes, None, 1)
    below = [(cause.length, other) for other in needs if (cause := known[other])]
    if not below:
        return None
    length, via = min(below, key=lambda item: item[0])
    return _Cause((), via, length + 1)


def _itself(
    old: Side, new: Side, ref: Reference, rules: Mapping[str, Change]
) -> tuple[Change, ...] | None:
    """What differs in a target but for what is below it; None where nothing does."""
    record = new.keys.record(ref)
    before = _record(old, ref)
    if before is None:
        return ()
    own: list[Change] = []
    if before.key != record.key:
        found = differences(new.graph, ref, before, record)
        own = [change for change, below in found if below is None]
        if old.graph[ref.label].rule.kind != new.graph[ref.label].rule.kind:
            own = [change for change in own if change.name == "rule"]  # what follows from it
    if change := rules.get(new.graph[ref.label].rule.kind):
        own = [change, *(it for it in own if it.name != change.name)]
    return tuple(own) or None


def _record(side: Side, ref: Reference) -> KeyRecord | None:
    """A key record in the tree before; None where that tree does not have the target, or no key."""
    target = side.graph.targets.get(ref.label)
    if target is None or not set(ref.parts) <= set(target.parts):
        return None
    try:
        return side.keys.record(ref)
    except InputError:
        return None
