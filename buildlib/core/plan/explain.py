"""Why a key changed: the differences of two key records, followed down to the leaves.

The part of a dependency holds its key. If that changed, the explanation continues in the records of
the dependency, so that a person reads of a changed file or pin, and the path to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from buildlib.core.graph.graph import VERIFY, Graph
from buildlib.core.keys.compute import ANEW, Keys
from buildlib.core.keys.record import Change, KeyRecord, compare
from buildlib.core.model.label import Label, Reference
from buildlib.core.store.state import State

_IN_A_LINE = 3
"""Leaves named in the one-line reason of a plan."""
_Old = tuple[Reference, str]
"""A target, or parts of it, and a key that it had."""


class Parts(Protocol):
    """Has the records of earlier keys, as `store.records.Records` does."""

    def parts(self, key: str) -> KeyRecord | None: ...


class Leaf(NamedTuple):
    """A changed part; `path` leads to its target from the explained one."""

    path: tuple[Reference, ...]
    change: Change


class Cause(NamedTuple):
    """A changed part, and the target that it is a part of: the same for all that need it."""

    change: Change
    ref: Reference


class Explainer:
    """Explains why keys changed since the last builds of this workspace."""

    def __init__(self, graph: Graph, keys: Keys, records: Parts, state: State) -> None:
        self._graph = graph
        self._keys = keys
        self._records = records
        self._state = state
        self._comparison = Comparison(graph, keys, records)

    def changes(self, label: Label) -> list[Leaf] | None:
        """The leaves that changed since the last build; None if there was none here."""
        last = self._last(label)
        return self._comparison.leaves(label, last) if last else None

    def causes(self, label: Label) -> list[Cause]:
        """What of the target and below it changed; nothing where there was no build here."""
        last = self._last(label)
        return list(self._comparison.causes(Reference(label), last)) if last else []

    def reason(self, label: Label) -> str:
        last = self._state.last_key(label)
        if last == self._keys.draft(Reference(label)).key:
            return "its record is gone"
        if not self._last(label):
            never = "not proved yet" if self._graph[label].rule.verb == VERIFY else "not built yet"
            stale = self._keys.keyless.get(Reference(label))
            return f"{never}; {stale.reason}" if stale else never
        return self._comparison.in_a_line(label, last) or "its record is gone"

    def _last(self, label: Label) -> str:
        """The key of the last build here; empty if there is none, or its record is gone."""
        last = self._state.last_key(label)
        return last if last and self._records.parts(last) is not None else ""


class Comparison:
    """Compares present keys with earlier ones in `records`, down to the leaves that changed.

    Each target is compared once, however many targets depend on it.
    """

    def __init__(self, graph: Graph, keys: Keys, records: Parts) -> None:
        self._graph = graph
        self._keys = keys
        self._records = records
        self._compared: dict[_Old, list[Difference]] = {}
        self._causes: dict[_Old, dict[Cause, None]] = {}

    def leaves(self, label: Label, old_key: str) -> list[Leaf]:
        """The changed leaves of a target, each once."""
        visited: set[_Old] = set()
        leaves: list[Leaf] = []
        pending: list[Leaf | tuple[tuple[Reference, ...], str]] = [((Reference(label),), old_key)]
        while pending:
            current = pending.pop()
            if isinstance(current, Leaf):
                leaves.append(current)
                continue
            path, key = current
            if (path[-1], key) not in visited:
                visited.add((path[-1], key))
                for change, below in reversed(self._differences((path[-1], key))):
                    leaf = Leaf(path, change)
                    pending.append(leaf if below is None else ((*path, below), str(change.old)))
        return leaves

    def in_a_line(self, label: Label, old_key: str) -> str:
        """The changes in a few words; empty if there are none."""
        own = Reference(label)
        found = self.causes(own, old_key)
        return _first_few([in_words(it, None if ref == own else ref) for it, ref in found])

    def causes(self, ref: Reference, old_key: str) -> Iterable[Cause]:
        """The changes in a target and below it, each once."""
        old = (ref, old_key)
        pending = [old]
        while old not in self._causes:
            current = pending[-1]
            changes = self._differences(current)
            needed = [(below, str(it.old)) for it, below in changes if below is not None]
            missing = [other for other in needed if other not in self._causes]
            if missing:
                pending += missing
                continue
            causes = self._causes[pending.pop()] = {}
            for change, below in changes:
                if below is None:
                    causes[Cause(change, current[0])] = None
                else:
                    causes |= self._causes[below, str(change.old)]
        return self._causes[old]

    def _differences(self, old: _Old) -> list[Difference]:
        if old not in self._compared:
            ref, key = old
            new, before = self._keys.draft(ref), self._records.parts(key)
            if before is None:
                self._compared[old] = [Difference(Change("key", key, new.key), None)]
            else:
                self._compared[old] = list(differences(self._graph, ref, before, new))
        return self._compared[old]


class Difference(NamedTuple):
    """A difference of two records of one target.

    Attributes:
        change: A part of the target itself, or the two keys of a dependency.
        below: That dependency, if both records have it and only its key differs.
    """

    change: Change
    below: Reference | None


def differences(
    graph: Graph, ref: Reference, old: KeyRecord, new: KeyRecord
) -> Iterator[Difference]:
    """The differences of two records of `ref`; `graph` is that of the new one."""
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
    """The first leaves, in a few words."""
    return _first_few(list(dict.fromkeys(map(describe, changes))))


def _first_few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _IN_A_LINE} more" if len(texts) > _IN_A_LINE else ""
    return ", ".join(texts[:_IN_A_LINE]) + more


def describe(leaf: Leaf) -> str:
    """A leaf in a few words."""
    return in_words(leaf.change, leaf.path[-1] if len(leaf.path) > 1 else None)


def in_words(change: Change, target: Reference | None) -> str:
    """A change in a few words; `target` is None for the explained one."""
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    if ANEW in change.name:  # a part of a draft; a cause comes after it, and the target after that
        section = change.name.partition(" ")[0]
        what = f"{section} was locked" if change.new is None else change.name
        return what + (f", in {target}" if target else "")
    return f"{change.name} {verb}" + (f" in {target}" if target else "")
