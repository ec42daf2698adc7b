"""From targets to keys: pure functions of a tree, the lock and the declarations.

Keys cannot depend on host, clock, user or the path of the checkout: nothing here can read them.
The files of a target are stamped in one call, and each target once.
"""

from __future__ import annotations

from _hashlib import openssl_sha256
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
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


ANEW = "would be locked anew"
"""In the name of a part of a draft: pins of a section are made before there is a key."""
_NO_ENTRY = Entry((), {})
_FOUND_BY_APT = (APT.name, IMAGE.name, ROOTFS.name)
"""Sections that decide which Debian packages an image has."""
DEBIAN_PYTHON = "3.11"
"""Python of Debian 12."""
_OF_IMAGES = ("organization", "registry", "channel")
"""The parts of a stamp that image names hold."""


class StalePin(NamedTuple):
    """A pin that the lock does not have as a target wants it now.

    Attributes:
        what: What is wrong, in a sentence.
        cause: The same in a few words.
        asked: Whether the request is another one: an edit of one file may change several.
        new: Whether there is no entry: a new target needs all of its pins.
    """

    section: str
    target: Target
    what: str
    cause: str
    asked: bool = False
    new: bool = False

    @property
    def reason(self) -> str:
        return f"{self.section} of {self.target.label} {ANEW}: {self.cause}"

    def error(self, lock: Lock, graph: Graph | None) -> InputError:
        """The error of whoever needs the pin.

        Args:
            graph: Given, to name all targets whose request is another one.
        """
        labels = [self.target.label]
        if self.asked and graph is not None:
            labels = _asked_otherwise(lock, graph, self.section)
        section = "" if self.new else f"{self.section} "
        fix = f"./doitw lock {section}{' '.join(map(str, labels))}"
        return InputError(self.what, where=self.target.where, fix=fix)


class Keys:
    """The keys of a graph's targets, each computed once, when it is needed."""

    def __init__(self, graph: Graph, tree: Tree, lock: Lock, stamp: Stamp) -> None:
        self._graph = graph
        self._tree = tree
        self._lock = lock
        self._stamp = stamp
        self._records: dict[Reference, KeyRecord] = {}
        self._stamp_by_path: dict[str, str] = {}
        self._stale: dict[Label, list[StalePin]] = {}
        self.keyless: dict[Reference, StalePin] = {}
        """What has no key before pins are made, with the first of these: its own, or one below."""

    def stamp_of(self, path: str) -> str:
        """The stamp of a file in the keys: an action must find the same."""
        return self._stamp_by_path[path]

    def key(self, ref: Reference) -> str:
        return self.record(ref).key

    def record(self, ref: Reference) -> KeyRecord:
        """The key record of a target or of parts of it.

        Raises:
            InputError: A source vanished, or the lock lacks a pin of the target, or of what it
                needs.
        """
        record = self.draft(ref)
        if ref in self.keyless:
            raise self.keyless[ref].error(self._lock, self._graph)
        return record

    def key_or_none(self, ref: Reference) -> str:
        """The key; empty if pins have to be made before it is known."""
        draft = self.draft(ref)
        return "" if ref in self.keyless else draft.key

    def draft(self, ref: Reference) -> KeyRecord:
        """The key record for questions: it says which pins would be locked anew.

        Where there are some, it is no record that was ever built.

        Raises:
            InputError: A source vanished.
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

    def stale_pins(self, labels: Iterable[Label]) -> list[StalePin]:
        """The stale pins of some targets that have a draft."""
        return [pin for label in labels for pin in self._stale.get(label, ())]

    def stamp_files(self, labels: Iterable[Label]) -> None:
        """Stamp the files of many targets at once (not of their dependencies): faster with git."""
        self._stamps([file for label in labels for file in self._graph[label].files])

    def closure(self, ref: Reference, met: set[str] | None = None) -> list[KeyRecord]:
        """The key records (or drafts) of a target and of all its dependencies, each once.

        Leaves out the keys in `met`, with their dependencies, and adds the returned ones to it.
        """
        self.draft(ref)
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
        parts += self._pins(ref)
        files = target.files
        if ref.parts:
            files = tuple(file for file in files if not file.part or file.part in ref.parts)
        stamps = self._stamps(files)
        if "-" in stamps:
            gone = files[stamps.index("-")].path
            if self._tree.exists(gone):
                what = f"{gone} is neither a file nor a link: a pipe, a socket or a folder"
                raise InputError(what, where=target.where, fix=f"leave {gone} out of srcs")
            raise InputError(f"{gone} is gone", where=target.where, fix=f"git checkout -- {gone}")
        parts += [
            (f"file {part}: {name}" if part else f"file {name}", stamp)
            for (name, _, part), stamp in zip(files, stamps, strict=True)
        ]
        return make_record(parts)

    def _pins(self, ref: Reference) -> Iterator[tuple[str, str]]:
        """The parts for pins; notes those that are stale, here and below."""
        target = self._graph[ref.label]
        stale: list[StalePin] = []
        for pin in target.pins:
            if problem := stale_pin(self._lock, pin, target, self._graph):
                stale.append(problem)
                yield f"{pin.section} {ANEW}: {problem.cause}", " ".join(pin.asked)
            entry = self._lock.get(pin.section, {}).get(pin.name, _NO_ENTRY)
            file_name = SECTIONS[pin.section].file_name
            for name, (version, sha256, _, where) in sorted(entry.items.items()):
                yield f"pin {pin.section} {name}", f"{version} {sha256} {file_name(name, where)}"
        if stale or self.keyless:
            self._stale[ref.label] = stale
            below = [self.keyless[it] for it in self._graph.needs(ref) if it in self.keyless]
            self.keyless.update((ref, problem) for problem in [*below, *stale][:1])

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
    """The lock's entry for a pin; arguments as for `stale_pin`.

    Raises:
        InputError: It is stale.
    """
    problem = stale_pin(lock, pin, target, graph)
    if problem:
        raise problem.error(lock, graph)
    return lock[pin.section][pin.name]


def stale_pin(lock: Lock, pin: Pin, target: Target, graph: Graph | None = None) -> StalePin | None:
    """What is wrong with the lock's entry for a pin; None if it is as the target wants it.

    Args:
        graph: Given, to check that the entry was resolved on the target's present parents. Whoever
            has the target's key need not check again.
    """
    entry = lock.get(pin.section, {}).get(pin.name)
    if entry is None:
        what = f"{LOCK_FILE} has no {pin.section} entry for {pin.name}"
        return StalePin(pin.section, target, what, f"{LOCK_FILE} has no entry", new=True)
    if not _same(entry.asked, pin.asked):
        return StalePin(pin.section, target, *_what_changed(entry, pin, target), asked=True)
    if graph is not None and not was_resolved_on(
        entry, resolved_on(graph, lock, target, pin.section)
    ):
        what = (
            f"the {pin.section} entry of {pin.name} in {LOCK_FILE} was resolved on other pins of"
            " its parents (or another platform) than it has now"
        )
        parents = "pins of its parents or " if target.parent else ""
        cause = f"{parents}the platform changed"
        return StalePin(pin.section, target, what, cause)
    return None


def lock_commands(stale: Iterable[StalePin]) -> list[str]:
    """What to type to have some pins locked anew."""
    labels: dict[str, list[str]] = {}
    for pin in stale:
        labels.setdefault(pin.section, []).append(str(pin.target.label))
    return [f"./doitw lock {section} {' '.join(labels[section])}" for section in labels]


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


def _what_changed(entry: Entry, pin: Pin, target: Target) -> tuple[str, str]:
    """How a request differs from that of its entry: in a sentence, and in a few words."""
    added = sorted(set(pin.asked) - set(entry.asked))
    removed = sorted(set(entry.asked) - set(pin.asked))
    if pin.section != PYTHON.name:
        moved = " ".join([f"+{word}" for word in added] + [f"-{word}" for word in removed])
        made_for = f"the {pin.section} entry of {pin.name} in {LOCK_FILE} was made for"
        return f"{made_for} another request ({moved})", moved
    changed = {word.rpartition(" ")[0] for word in (*added, *removed)} - {""}
    written = target.label.path(str(target.attrs["python"]))
    both = (written, written.removesuffix(".in") + ".lock")
    pairs = zip_longest(both, entry.asked[:2], pin.asked[:2])
    changed |= {str(name) for name, was, now in pairs if was != now}
    cause = f"{' and '.join(sorted(changed))} changed"
    return f"{cause} after {LOCK_FILE} was made", cause
