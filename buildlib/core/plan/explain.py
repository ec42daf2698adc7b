"""Why: the difference of two key records, followed down to the leaf that changed.

A part of a record that stands for another target holds that target's key; the explanation goes on
in the records of that target, so that what a person reads is a changed file or pin, and the path
from it to the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import Keys
from buildlib.core.keys.record import Change, KeyRecord, compare
from buildlib.core.model.label import Label, Reference
from buildlib.core.store.state import State

_IN_A_LINE = 3
"""Leaves named in the one-line reason of a plan."""
_Old = tuple[Reference, str]
"""A target, or parts of it, and a key that it had."""


class Parts(Protocol):
    """Where the records of earlier keys are: `store.records.Records`, or another's."""

    def parts(self, key: str) -> KeyRecord | None:
        """What a key was made of; None where that is not known."""


class Leaf(NamedTuple):
    """One changed part, where it changed.

    Attributes:
        path: From the target that is explained to the one whose part changed.
    """

    path: tuple[Reference, ...]
    change: Change


class Explainer:
    """Explains why keys are not what they were when this workspace last built."""

    def __init__(self, graph: Graph, keys: Keys, records: Parts, state: State) -> None:
        self._keys = keys
        self._records = records
        self._state = state
        self._comparison = Comparison(graph, keys, records)

    def changes(self, label: Label) -> list[Leaf] | None:
        """The leaves that changed since the last build; None where nothing was built here."""
        last = self._last(label)
        return self._comparison.leaves(label, last) if last else None

    def reason(self, label: Label) -> str:
        """One line for a plan."""
        last = self._state.last_key(label)
        if last == self._keys.key(Reference(label)):
            return "its record is gone"
        if not self._last(label):
            return "not built yet"
        return self._comparison.in_a_line(label, last) or "its record is gone"

    def _last(self, label: Label) -> str:
        """The key of the last build here; empty where none is known, or not what it was made of."""
        last = self._state.last_key(label)
        return last if last and self._records.parts(last) is not None else ""


class Comparison:
    """Keys of now against those of before, followed down to where something changed by itself.

    What differs in a target is found once, however many targets stand on it.

    Args:
        records: What keys were made of before.
    """

    def __init__(self, graph: Graph, keys: Keys, records: Parts) -> None:
        self._graph = graph
        self._keys = keys
        self._records = records
        self._known: dict[_Old, list[Difference]] = {}
        self._told: dict[_Old, dict[str, None]] = {}

    def leaves(self, label: Label, old_key: str) -> list[Leaf]:
        """The parts in which a target differs from what it was, each where it is; none twice."""
        met: set[_Old] = set()
        found: list[Leaf] = []
        pending: list[Leaf | tuple[tuple[Reference, ...], str]] = [((Reference(label),), old_key)]
        while pending:
            now = pending.pop()
            if isinstance(now, Leaf):
                found.append(now)
                continue
            path, key = now
            if (path[-1], key) not in met:
                met.add((path[-1], key))
                for change, below in reversed(self._differences((path[-1], key))):
                    leaf = Leaf(path, change)
                    pending.append(leaf if below is None else ((*path, below), str(change.old)))
        return found

    def in_a_line(self, label: Label, old_key: str) -> str:
        """The same in a few words; empty where nothing differs."""
        told: dict[str, None] = {}
        for change, below in self._differences((Reference(label), old_key)):
            if below is None:
                told[_words(change, None)] = None
            else:
                told |= self._words_of((below, str(change.old)))
        return _first_few(list(told))

    def _words_of(self, old: _Old) -> dict[str, None]:
        """What changed in a dependency and below it, in a few words each."""
        pending = [old]
        while old not in self._told:
            now = pending[-1]
            found = self._differences(now)
            needed = [(below, str(it.old)) for it, below in found if below is not None]
            missing = [other for other in needed if other not in self._told]
            if missing:
                pending += missing
                continue
            told = self._told[pending.pop()] = {}
            for change, below in found:
                if below is None:
                    told[_words(change, now[0])] = None
                else:
                    told |= self._told[below, str(change.old)]
        return self._told[old]

    def _differences(self, old: _Old) -> list[Difference]:
        """Where the record of a target differs from that of an earlier key."""
        if old not in self._known:
            ref, key = old
            new, before = self._keys.record(ref), self._records.parts(key)
            if before is None:
                self._known[old] = [Difference(Change("key", key, new.key), None)]
            else:
                self._known[old] = list(differences(self._graph, ref, before, new))
        return self._known[old]


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
    return _first_few(list(dict.fromkeys(map(describe, changes))))


def _first_few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _IN_A_LINE} more" if len(texts) > _IN_A_LINE else ""
    return ", ".join(texts[:_IN_A_LINE]) + more


def describe(leaf: Leaf) -> str:
    """A leaf in a few words: what changed, and in which target."""
    return _words(leaf.change, leaf.path[-1] if len(leaf.path) > 1 else None)


def _words(change: Change, target: Reference | None) -> str:
    """A change in a few words; in which target, where it is not the one in question."""
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    return f"{change.name} {verb}" + (f" in {target}" if target else "")
