"""From targets to keys: pure functions of a tree, the lock and what was declared.

Nothing of the host, the clock, the path of the checkout or the user can get in, since nothing
here can reach it. Files of one target are stamped in one call, each target once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from buildlib.errors import InputError
from buildlib.graph.graph import Graph
from buildlib.keys.record import KeyRecord, make_record
from buildlib.model.label import Reference
from buildlib.model.lock import FILE as LOCK_FILE
from buildlib.model.lock import Entry, Lock, file_name
from buildlib.model.target import File, Pin, Target, carries_version, image_name, is_stamped
from buildlib.model.tree import Tree


class Stamp(NamedTuple):
    """What a stamped target carries, and what only its key may hold.

    Attributes:
        organization: First part of the images' names.
        registry: In front of them.
        channel: Their tag.
        version: As names of files in an archive hold it; only in keys of those.
    """

    organization: str
    registry: str
    channel: str
    version: str = ""


_OF_IMAGES = ("organization", "registry", "channel")
"""What the names of images are made of."""


class Keys:
    """The keys of a graph's targets, computed when asked for and remembered.

    Args:
        graph: The targets.
        tree: The files they name.
        lock: The pins they need.
        stamp: What stamped targets carry.
    """

    def __init__(self, graph: Graph, tree: Tree, lock: Lock, stamp: Stamp) -> None:
        self._graph = graph
        self._tree = tree
        self._lock = lock
        self._stamp = stamp
        self._records: dict[Reference, KeyRecord] = {}
        self._seen: dict[str, str] = {}

    def seen(self, path: str) -> str:
        """The stamp of a file as the keys hold it: an action must find the same."""
        return self._seen[path]

    def key(self, ref: Reference) -> str:
        """The key of a target or of parts of it; see `record`."""
        return self.record(ref).key

    def record(self, ref: Reference) -> KeyRecord:
        """The key record of a target or of parts of it.

        Raises:
            InputError: A source vanished, or the lock lacks what the target needs.
        """
        pending = [ref]
        while ref not in self._records:
            wanted = pending[-1]
            if wanted in self._records:
                pending.pop()
                continue
            missing = [
                dep.ref
                for dep in self._graph.deps(wanted)
                if dep.ref not in self._records and not dep.by_name
            ]
            if missing:
                pending += missing
                continue
            self._records[wanted] = self._compute(pending.pop())
        return self._records[ref]

    def closure(self, ref: Reference) -> list[KeyRecord]:
        """The key record of a target, and those of all that is below it, each once.

        Raises:
            InputError: As `record`.
        """
        self.record(ref)
        met: set[Reference] = set()
        pending = [ref]
        found: list[KeyRecord] = []
        while pending:
            wanted = pending.pop()
            if wanted not in met:
                met.add(wanted)
                found.append(self._records[wanted])
                pending += [dep.ref for dep in self._graph.deps(wanted) if not dep.by_name]
        return found

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
            entry = pinned(self._lock, pin, target)
            parts += [
                (
                    f"pin {pin.section} {name}",
                    f"{item.version} {item.sha256} {file_name(pin.section, name, item)}",
                )
                for name, item in sorted(entry.items.items())
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
        """The stamps of files; one that several targets have is looked at once."""
        seen = self._seen
        paths = [file.path for file in files]
        new = [path for path in paths if path not in seen]
        seen.update(zip(new, self._tree.stamps(new), strict=True))
        return [seen[path] for path in paths]


def _text(value: object) -> str:
    """A frozen attribute as text, different for `"1"` and `1`.

    `repr` of texts, numbers, tuples and sorted dicts is stable.
    """
    return repr(value)


def pinned(lock: Lock, pin: Pin, target: Target) -> Entry:
    """The lock's entry for a pin.

    Raises:
        InputError: There is none, or it was locked for another request.
    """
    entry = lock.get(pin.section, {}).get(pin.name)
    if entry is not None and entry.asked == pin.asked:
        return entry
    if entry is None:
        what = f"{LOCK_FILE} has no {pin.section} entry for {pin.name}"
    elif pin.section == "python":
        what = f"{target.attrs['python']} or its .lock file changed after {LOCK_FILE} was made"
    else:
        added = sorted(set(pin.asked) - set(entry.asked))
        removed = sorted(set(entry.asked) - set(pin.asked))
        moved = [f"+{word}" for word in added] + [f"-{word}" for word in removed]
        what = (
            f"the {pin.section} entry of {pin.name} in {LOCK_FILE} was made for another request"
            f" ({' '.join(moved)})"
        )
    section = f"{pin.section} " if entry is not None else ""  # what is new needs all of its pins
    raise InputError(what, where=target.where, fix=f"./doitw lock {section}{target.label}")
