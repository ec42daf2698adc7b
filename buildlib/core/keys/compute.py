"""From targets to keys: pure functions of a tree, the lock and the declarations.

Keys cannot depend on host, clock, user or the path of the checkout: nothing here can read them.
The files of a target are stamped in one call, and each target once.
"""

from __future__ import annotations

from _hashlib import openssl_sha256
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from buildlib.core.graph.graph import Graph
from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.lock import FILE as LOCK_FILE
from buildlib.core.model.lock import Entry, Lock
from buildlib.core.model.section import APT, IMAGE, PYTHON, ROOTFS, SECTIONS
from buildlib.core.model.target import (
    ELSEWHERE,
    File,
    Pin,
    Target,
    carries_version,
    image_name,
    is_stamped,
)
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError


class Stamp(NamedTuple):
    """Values that only stamped targets carry, and only their keys hold.

    Only archives with the version in the names of their files hold `version`.
    """

    organization: str
    registry: str
    channel: str
    version: str = ""


_FOUND_BY_APT = (APT.name, IMAGE.name, ROOTFS.name)
"""Sections that decide which Debian packages an image has."""
DEBIAN_PYTHON = "3.11"
"""Python of Debian 12."""
_OF_IMAGES = ("organization", "registry", "channel")
"""The parts of a stamp that image names hold."""


class Keys:
    """The keys of a graph's targets, each computed once, when it is needed."""

    def __init__(self, graph: Graph, tree: Tree, lock: Lock, stamp: Stamp) -> None:
        self._graph = graph
        self._tree = tree
        self._lock = lock
        self._stamp = stamp
        self._records: dict[Reference, KeyRecord] = {}
        self._stamp_by_path: dict[str, str] = {}

    def stamp_of(self, path: str) -> str:
        """The stamp of a file in the keys: an action must find the same."""
        return self._stamp_by_path[path]

    def key(self, ref: Reference) -> str:
        return self.record(ref).key

    def record(self, ref: Reference) -> KeyRecord:
        """The key record of a target or of parts of it.

        Raises:
            InputError: A source vanished, or the lock lacks one of the target's pins.
        """
        pending = [ref]
        while ref not in self._records:
            current = pending[-1]
            if current in self._records:
                pending.pop()
                continue
            missing = [ref for ref in self._graph.needs(current) if ref not in self._records]
            if missing:
                pending += missing
                continue
            self._records[current] = self._compute(pending.pop())
        return self._records[ref]

    def stamp_files(self, labels: Iterable[Label]) -> None:
        """Stamp the files of many targets at once (not of their dependencies): faster with git."""
        self._stamps([file for label in labels for file in self._graph[label].files])

    def closure(self, ref: Reference, met: set[str] | None = None) -> list[KeyRecord]:
        """The key records of a target and of all its dependencies, each once.

        Leaves out the keys in `met`, with their dependencies, and adds the returned ones to it.
        """
        self.record(ref)
        met = set() if met is None else met
        pending = [ref]
        records: list[KeyRecord] = []
        while pending:
            current = pending.pop()
            record = self._records[current]
            if record.key not in met:
                met.add(record.key)
                records.append(record)
                pending += self._graph.needs(current)
        return records

    def _compute(self, ref: Reference) -> KeyRecord:
        target = self._graph[ref.label]
        parts: list[tuple[str, str]] = [("rule", f"{target.rule.kind} {target.rule.version}")]
        if ref.parts:
            parts.append(("parts", " ".join(ref.parts)))
        attrs = target.rule.attrs_of(target, ref.parts) if ref.parts else target.attrs
        parts += [(f"attribute {name}", _text(value)) for name, value in attrs.items()]
        if is_stamped(target):
            names = self._stamp._asdict()
            parts += [(f"stamp {name}", names[name]) for name in _OF_IMAGES]
        if carries_version(attrs):
            parts.append(("stamp version", self._stamp.version))
        for dep in self._graph.deps(ref):
            if dep.by_name:
                parts.append((dep.role, image_name(self._graph[dep.ref.label])))
            else:
                parts.append((dep.role, f"{dep.ref} {self._records[dep.ref].key}"))
        for pin in target.pins:
            entry = pinned(self._lock, pin, target, self._graph)
            file_name = SECTIONS[pin.section].file_name
            parts += [
                (f"pin {pin.section} {name}", f"{version} {sha256} {file_name(name, where)}")
                for name, (version, sha256, _, where) in sorted(entry.items.items())
            ]
        files = target.files
        if ref.parts:
            files = tuple(file for file in files if not file.part or file.part in ref.parts)
        stamps = self._stamps(files)
        if "-" in stamps:
            gone = files[stamps.index("-")].path
            raise InputError(f"{gone} is gone", where=target.where, fix=f"git checkout -- {gone}")
        parts += [
            (f"file {part}: {name}" if part else f"file {name}", stamp)
            for (name, _, part), stamp in zip(files, stamps, strict=True)
        ]
        return make_record(parts)

    def _stamps(self, files: Sequence[File]) -> list[str]:
        """The stamps of files; each file is looked at once."""
        seen = self._stamp_by_path
        paths = [file.path for file in files]
        new = [path for path in paths if path not in seen]
        seen.update(zip(new, self._tree.stamps(new), strict=True))
        return [seen[path] for path in paths]


def _text(value: object) -> str:
    """A frozen attribute as text, stable, and different for `"1"` and `1`."""
    return repr(value)


def pinned(lock: Lock, pin: Pin, target: Target, graph: Graph | None = None) -> Entry:
    """The lock's entry for a pin.

    Args:
        graph: Given, to check that the entry was resolved on the target's present parents. Whoever
            has the target's key need not check again.

    Raises:
        InputError: There is no entry, or it was locked for another request or other parents.
    """
    entry = lock.get(pin.section, {}).get(pin.name)
    if entry is None:  # a new target needs all of its pins
        raise InputError(
            f"{LOCK_FILE} has no {pin.section} entry for {pin.name}",
            where=target.where,
            fix=f"./doitw lock {target.label}",
        )
    if not _same(entry.asked, pin.asked):
        labels = [target.label] if graph is None else _asked_otherwise(lock, graph, pin.section)
        raise InputError(
            _what_changed(entry, pin, target),
            where=target.where,
            fix=f"./doitw lock {pin.section} {' '.join(map(str, labels))}",
        )
    if graph is not None and not was_resolved_on(
        entry, resolved_on(graph, lock, target, pin.section)
    ):
        raise InputError(
            f"the {pin.section} entry of {pin.name} in {LOCK_FILE} was resolved on other pins of"
            " its parents (or another platform) than it has now",
            where=target.where,
            fix=f"./doitw lock {pin.section} {target.label}",
        )
    return entry


def was_resolved_on(entry: Entry, on: str) -> bool:
    """Whether an entry was resolved on these parents; an older lock does not say, and passes."""
    return not entry.on or not on or on in entry.on.values()


def resolved_on(graph: Graph, lock: Lock, target: Target, section: str) -> str:
    """Digest of what a lock entry depends on beside the target's request; empty for nothing.

    apt resolves in the parent, and so depends on its Debian packages. uv resolves for the image's
    Python, with the parents' locked requirements as constraints.
    """
    if not SECTIONS[section].resolved:
        return ""
    on = [section, target.platform]
    if section == PYTHON.name:
        on.append(python_of(graph, target))
    for parent in graph.parents(target) if section != ROOTFS.name else ():
        for pin in parent.pins:
            if section == pin.section == PYTHON.name:
                on.append(pin.asked[1])
            elif section == APT.name and pin.section in _FOUND_BY_APT:
                entry = lock.get(pin.section, {}).get(pin.name)
                items = entry.items if entry else {}
                on += [items[name].sha256 for name in sorted(items)]
    return str(openssl_sha256("\n".join(on).encode()).hexdigest()[:32])


def python_of(graph: Graph, target: Target) -> str:
    """The Python version of an image, such as `3.11`: Debian's, or that of its external base.

    It is empty if the declaration of the base does not say it.
    """
    *_, bottom = target, *graph.parents(target)
    return str(bottom.attrs["python"]) if bottom.rule.origin == ELSEWHERE else DEBIAN_PYTHON


def _same(asked: tuple[str, ...], requested: tuple[str, ...]) -> bool:
    """Whether two requests are equal; order does not count, as with mirrors of a file."""
    return asked == requested or sorted(asked) == sorted(requested)


def _asked_otherwise(lock: Lock, graph: Graph, section: str) -> list[Label]:
    """The targets whose entries were made for another request: one file may change several."""
    entries = lock.get(section, {})
    return [
        label
        for label in graph.order
        for pin in graph[label].pins
        if pin.section == section
        and pin.name in entries
        and not _same(entries[pin.name].asked, pin.asked)
    ]


def _what_changed(entry: Entry, pin: Pin, target: Target) -> str:
    added = sorted(set(pin.asked) - set(entry.asked))
    removed = sorted(set(entry.asked) - set(pin.asked))
    if pin.section != PYTHON.name:
        moved = [f"+{word}" for word in added] + [f"-{word}" for word in removed]
        return (
            f"the {pin.section} entry of {pin.name} in {LOCK_FILE} was made for another request"
            f" ({' '.join(moved)})"
        )
    changed = {word.rpartition(" ")[0] for word in (*added, *removed)} - {""}
    if entry.asked[:2] != pin.asked[:2]:
        changed.add(f"{target.attrs['python']} or its .lock file")
    return f"{' and '.join(sorted(changed))} changed after {LOCK_FILE} was made"
