"""Why: the difference of two key records, followed down to the leaf that changed.

A part of a record that stands for another target holds that target's key; the explanation goes on
in the records of that target, so that what a person reads is a changed file or pin, and the path
from it to the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from buildlib.graph.graph import Graph
from buildlib.keys.compute import Keys
from buildlib.keys.record import Change, KeyRecord, compare
from buildlib.model.label import Label, Reference
from buildlib.store.state import State

_IN_A_LINE = 3
"""Leaves named in the one-line reason of a plan."""


class Parts(Protocol):
    """Where the records of earlier keys are: `buildlib.store.records.Records`, or another's."""

    def parts(self, key: str) -> KeyRecord | None:
        """What a key was made of; None where that is not known."""


class Leaf(NamedTuple):
    """One changed part, where it changed.

    Attributes:
        path: From the target that is explained to the one whose part changed.
        change: The part, with its old and new value.
    """

    path: tuple[Reference, ...]
    change: Change


class Explainer:
    """Explains why keys are not what they were when this workspace last built.

    Args:
        graph: All targets.
        keys: Their keys now.
        records: The records of earlier keys.
        state: Which key each target was last built with.
    """

    def __init__(self, graph: Graph, keys: Keys, records: Parts, state: State) -> None:
        self._graph = graph
        self._keys = keys
        self._records = records
        self._state = state

    def changes(self, label: Label) -> list[Leaf] | None:
        """The leaves that changed since the last build; None where nothing was built here."""
        last = self._state.last_key(label)
        if not last or self._records.parts(last) is None:
            return None
        return self.changes_since(label, last)

    def changes_since(self, label: Label, key: str) -> list[Leaf]:
        """The leaves that differ from those of another key of a target."""
        return leaves(self._graph, self._keys, self._records, label, key)

    def reason(self, label: Label) -> str:
        """One line for a plan."""
        if self._state.last_key(label) == self._keys.key(Reference(label)):
            return "its record is gone"
        changes = self.changes(label)
        if changes is None:
            return "not built yet"
        if not changes:
            return "its record is gone"
        return in_a_line(changes)


def leaves(graph: Graph, keys: Keys, records: Parts, label: Label, old_key: str) -> list[Leaf]:
    """The parts in which a target differs from what it was, each where it is; none told twice.

    Args:
        graph: All targets now.
        keys: Their keys now.
        records: What keys were made of before.
        label: The target.
        old_key: Its key before.
    """
    found: list[Leaf] = []
    told: set[tuple[Reference, str]] = set()

    def follow(ref: Reference, key: str, above: tuple[Reference, ...]) -> None:
        if (ref, key) in told:
            return
        told.add((ref, key))
        new, old = keys.record(ref), records.parts(key)
        path = (*above, ref)
        if old is None:
            found.append(Leaf(path, Change("key", key, new.key)))
            return
        for change, below in differences(graph, ref, old, new):
            if below is None:
                found.append(Leaf(path, change))
            else:
                follow(below, str(change.old), path)

    follow(Reference(label), old_key, ())
    return found


class Difference(NamedTuple):
    """Where two records of one target differ.

    Attributes:
        change: A part of the target itself, or the keys of a dependency.
        below: That dependency, where both records have it and only its key differs.
    """

    change: Change
    below: Reference | None


def differences(
    graph: Graph, ref: Reference, old: KeyRecord, new: KeyRecord
) -> Iterator[Difference]:
    """Tell what changed in a target from what changed below it.

    Args:
        graph: That of the new record.
        ref: The target, or parts of it.
        old: Its record before.
        new: Its record now.
    """
    deps = {dep.role: dep for dep in graph.deps(ref)}
    for change in compare(old, new):
        dep = deps.get(change.name)
        inner = None if dep is None or dep.by_name else dep.ref
        if inner is None or change.old is None or change.new is None:
            yield Difference(change, None)
            continue
        was, _, was_key = change.old.rpartition(" ")
        if was != str(inner):
            yield Difference(Change(change.name, was, str(inner)), None)
        else:
            key = change.new.rpartition(" ")[2]
            yield Difference(Change(change.name, was_key, key), inner)


def in_a_line(changes: Iterable[Leaf]) -> str:
    """Leaves in a few words; the first ones, where they are many."""
    told = list(dict.fromkeys(map(describe, changes)))
    more = f" and {len(told) - _IN_A_LINE} more" if len(told) > _IN_A_LINE else ""
    return ", ".join(told[:_IN_A_LINE]) + more


def describe(leaf: Leaf) -> str:
    """A leaf in a few words: what changed, and in which target."""
    change = leaf.change
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    where = f" in {leaf.path[-1]}" if len(leaf.path) > 1 else ""
    return f"{change.name} {verb}{where}"
