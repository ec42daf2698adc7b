"""Why: the difference of two key records, followed down to the leaf that changed.

A part of a record that stands for another target holds that target's key; the explanation goes on
in the records of that target, so that what a person reads is a changed file or pin, and the path
from it to the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    What differs in a target is found once, however many targets stand on it.

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
        self._known: dict[tuple[Reference, str], list[Difference]] = {}
        self._told: dict[tuple[Reference, str], dict[str, None]] = {}

    def changes(self, label: Label) -> list[Leaf] | None:
        """The leaves that changed since the last build; None where nothing was built here."""
        last = self._state.last_key(label)
        if not last or self._records.parts(last) is None:
            return None
        return self.changes_since(label, last)

    def changes_since(self, label: Label, key: str) -> list[Leaf]:
        """The leaves that differ from those of another key of a target.

        What is reached by several ways is told once.
        """
        met: set[tuple[Reference, str]] = set()
        leaves: list[Leaf] = []
        pending: list[Leaf | tuple[tuple[Reference, ...], str]] = [((Reference(label),), key)]
        while pending:
            now = pending.pop()
            if isinstance(now, Leaf):
                leaves.append(now)
                continue
            path, old_key = now
            if (path[-1], old_key) in met:
                continue
            met.add((path[-1], old_key))
            for change, below in reversed(self._differences(path[-1], old_key)):
                pending.append(
                    Leaf(path, change) if below is None else ((*path, below), str(change.old))
                )
        return leaves

    def _differences(self, ref: Reference, old_key: str) -> list[Difference]:
        """Where the record of a target differs from that of an earlier key."""
        found = self._known.get((ref, old_key))
        if found is None:
            new, old = self._keys.record(ref), self._records.parts(old_key)
            if old is None:
                found = [Difference(Change("key", old_key, new.key), None)]
            else:
                found = list(differences(self._graph, ref, old, new))
            self._known[ref, old_key] = found
        return found

    def reason(self, label: Label) -> str:
        """One line for a plan."""
        last = self._state.last_key(label)
        if last == self._keys.key(Reference(label)):
            return "its record is gone"
        if not last or self._records.parts(last) is None:
            return "not built yet"
        told: dict[str, None] = {}
        for change, below in self._differences(Reference(label), last):
            told |= {_words(change, None): None} if below is None else self._below(below, change)
        return _some(list(told)) if told else "its record is gone"

    def _below(self, ref: Reference, change: Change) -> Mapping[str, None]:
        """What changed in a dependency and below it, in a few words each."""
        first = (ref, str(change.old))
        pending = [first]
        while first not in self._told:
            now = pending[-1]
            found = self._differences(*now)
            missing = [
                (below, str(change.old))
                for change, below in found
                if below is not None and (below, str(change.old)) not in self._told
            ]
            if missing:
                pending += missing
                continue
            told = self._told[pending.pop()] = {}
            for inner, below in found:
                if below is None:
                    told[_words(inner, now[0])] = None
                else:
                    told |= self._told[below, str(inner.old)]
        return self._told[first]


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


def in_a_line(leaves: Iterable[Leaf]) -> str:
    """Leaves in a few words; the first ones, where they are many."""
    return _some(list(dict.fromkeys(map(describe, leaves))))


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _IN_A_LINE} more" if len(texts) > _IN_A_LINE else ""
    return ", ".join(texts[:_IN_A_LINE]) + more


def describe(leaf: Leaf) -> str:
    """A leaf in a few words: what changed, and in which target."""
    return _words(leaf.change, leaf.path[-1] if len(leaf.path) > 1 else None)


def _words(change: Change, target: Reference | None) -> str:
    """A change in a few words; in which target, where it is not the one in question."""
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    return f"{change.name} {verb}" + (f" in {target}" if target else "")
