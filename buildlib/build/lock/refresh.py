"""Refresh the lock, section by section, parents before children.

Each section has one function that makes a target's entry. The lock is written after each entry, so
that the next one builds on it (a child's packages are resolved inside its parent), and an
interrupted refresh loses nothing. Entries that were resolved on pins that moved are renewed, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from buildlib.build.lock import downloads, images, maven, python
from buildlib.build.lock.debian import Apt
from buildlib.build.workspace import Workspace
from buildlib.core.graph.graph import Graph
from buildlib.core.keys.compute import StalePin, resolved_on, stale_pin
from buildlib.core.model.label import Label
from buildlib.core.model.lock import FILE, Entry, Item, Lock, dump_lock
from buildlib.core.model.section import APT, DOWNLOAD, IMAGE, MAVEN, PYTHON, ROOTFS, SECTIONS
from buildlib.core.model.settings import FLAVOURS
from buildlib.core.model.target import Pin, Target
from buildlib.errors import BuildError, InputError

REQUEST, RESOLVED_ON = "request", "resolved on"
"""Items of a change that are no pins: what is asked for, and the parents' pins."""

Say = Callable[[str], None]

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class PinChange(NamedTuple):
    """One pin that changed; `old` or `new` is None where it does not exist."""

    section: str
    target: str
    item: str
    old: str | None
    new: str | None

    @property
    def is_pin(self) -> bool:
        """Whether it is what was resolved, and not what the declaration asks for."""
        return self.item not in (REQUEST, RESOLVED_ON)

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.target}: {self.item} {self.new} added"
        if self.new is None:
            return f"{self.target}: {self.item} {self.old} removed"
        return f"{self.target}: {self.item} {self.old} -> {self.new}"


class Refresh:
    """One run of `lock`.

    Args:
        workspace: It is renewed when the lock is written.
        upgrade: Take the newest Python packages, and not those of the present lock files.
        image: Debian image whose apt resolves root file systems; by default it is found.
    """

    def __init__(
        self, workspace: Workspace, *, say: Say, upgrade: bool = False, image: str = ""
    ) -> None:
        self.workspace = workspace
        self.say = say
        self.write = True
        apt = Apt(workspace, say, image=image)
        self._makers: dict[str, Callable[[Target, Pin], Entry]] = {
            ROOTFS.name: apt.rootfs_entry,
            APT.name: apt.apt_entry,
            PYTHON.name: lambda target, _: python.python_entry(
                workspace, target, write=self.write, upgrade=upgrade
            ),
            IMAGE.name: lambda _, pin: images.image_entry(workspace, pin),
            DOWNLOAD.name: lambda target, pin: downloads.download_entry(workspace, target, pin),
            MAVEN.name: lambda target, pin: maven.maven_entry(workspace, target, pin),
        }

    def run(
        self,
        sections: Iterable[str],
        labels: Iterable[Label],
        *,
        write: bool = True,
        follow: bool = True,
    ) -> list[PinChange]:
        """Renew the entries of some targets; return what changed.

        Args:
            sections: Sections of the lock, such as `apt`.
            labels: Targets; those without pins in a section are passed over.
            write: Write what changed; else only report it.
            follow: Also renew each stale entry of what the targets need, and each entry that was
                resolved on other pins than its target has now: no key can be made with these.
                Where nothing is written, only what is needed follows.
        """
        self.write = write
        sections = set(sections)
        chosen = set(labels)
        needed = set(self.workspace.graph.closure(chosen)) if follow else chosen
        changes: list[PinChange] = []
        for label in self.workspace.graph.order:
            for section in SECTIONS:
                target = self.workspace.graph[label]
                pin = next((pin for pin in target.pins if pin.section == section), None)
                if pin is None:
                    continue
                if label in chosen and section in sections:
                    self.say(f"{section} of {label}")
                elif follow and (stale := self._stale(target, pin)):
                    is_needed = label in needed and section in sections
                    if not is_needed and (not write or stale.asked or stale.new):
                        continue
                    on_others = not (stale.asked or stale.new)
                    why = "was resolved on other pins" if on_others else f"is needed: {stale.cause}"
                    self.say(f"{section} of {label}, which {why}")
                else:
                    continue
                changes += self._renew(section, target, pin)
        if self.write and unwanted(self.workspace, self.workspace.lock):
            write_lock(self.workspace, self.workspace.lock)
        return changes

    def still_stale(self, labels: Iterable[Label]) -> list[StalePin]:
        """The pins without which a build of some targets is refused."""
        graph = self.workspace.graph
        needed = [graph[label] for label in graph.closure(labels)]
        stale = [self._stale(target, pin) for target in needed for pin in target.pins]
        return [pin for pin in stale if pin is not None]

    def _stale(self, target: Target, pin: Pin) -> StalePin | None:
        """What is wrong with an entry; nothing if no build of this flavour reads it."""
        workspace = self.workspace
        if target.label in workspace.left_out:
            return None
        return stale_pin(workspace.lock, pin, target, workspace.graph)

    def _renew(self, section: str, target: Target, pin: Pin) -> list[PinChange]:
        workspace = self.workspace
        old = workspace.lock.get(section, {}).get(pin.name)
        on = resolved_on(workspace.graph, workspace.lock, target, section)
        try:
            new = self._makers[section](target, pin)
        except BuildError as error:
            error.where = error.where or target.where
            raise
        changes = _differences(section, str(target.label), old, new)
        if on:
            # The same pins may also have been resolved on another flavour's parents.
            flavour = workspace.settings.flavour
            others = dict(old.on) if old and not changes else {}
            others.pop(flavour, None)
            new = new._replace(on=others if on in others.values() else {**others, flavour: on})
            if old and on not in old.on.values():
                was = old.on.get(flavour)
                what = section, str(target.label), RESOLVED_ON
                changes.append(PinChange(*what, was and was[:12], on[:12]))
        if self.write and new != old:
            lock = {name: dict(entries) for name, entries in self.workspace.lock.items()}
            lock.setdefault(section, {})[pin.name] = new
            write_lock(self.workspace, lock)
        return changes


def with_neighbours(workspace: Workspace, labels: Iterable[Label]) -> list[Label]:
    """The targets whose pins a person means by some targets.

    A target with the name of its folder stands for all in it: an image may have its requirements
    in a target of another name.
    """
    named = set(labels)
    folders = {label.package for label in named if label.short == f"//{label.package}"}
    return [
        label
        for label in workspace.graph.order
        if label in named or (label.package in folders and label not in workspace.left_out)
    ]


def write_lock(workspace: Workspace, lock: Lock) -> None:
    """Write the lock, without entries that no flavour wants, and read the workspace anew."""
    unneeded = set(unwanted(workspace, lock))
    kept = {
        section: {name: entry for name, entry in entries.items() if (section, name) not in unneeded}
        for section, entries in lock.items()
    }
    path = f"{workspace.root}/{FILE}"
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(dump_lock({section: entries for section, entries in kept.items() if entries}))
    os.replace(temporary, path)
    workspace.renew()


def unwanted(workspace: Workspace, lock: Lock) -> list[tuple[str, str]]:
    """Return the entries, as (section, name), that no target asks for in any flavour.

    Where something is wrong with a declaration, its requests are not known, and all entries are
    kept.
    """
    if workspace.graph.errors:
        return []
    candidates = {(section, name) for section, entries in lock.items() for name in entries}
    candidates -= _requested(workspace.graph)
    if not candidates:  # as nearly always: the other flavours need not be read
        return []
    for flavour in FLAVOURS:
        if flavour != workspace.settings.flavour:
            try:
                candidates -= _requested(workspace.view.in_flavour(flavour).graph)
            except InputError:
                return []
    return sorted(candidates)


def _requested(graph: Graph) -> set[tuple[str, str]]:
    return {(pin.section, pin.name) for target in graph.targets.values() for pin in target.pins}


def _differences(section: str, name: str, old: Entry | None, new: Entry) -> list[PinChange]:
    before = dict(old.items) if old else {}
    changes = []
    if old is not None and old.asked != new.asked:
        changes.append(PinChange(section, name, REQUEST, _brief(old.asked), _brief(new.asked)))
    for item in sorted({*before, *new.items}):
        was, now = before.get(item), new.items.get(item)
        if was is None or now is None or (was.version, was.sha256) != (now.version, now.sha256):
            same = was is not None and now is not None and was.version == now.version
            changes.append(PinChange(section, name, item, _shown(was, same), _shown(now, same)))
    return changes


def _shown(item: Item | None, with_digest: bool) -> str | None:
    """Return an item's version, with a piece of its digest where only that differs."""
    if item is None:
        return None
    return f"{item.version} ({item.sha256[:12]})" if with_digest else item.version


def _brief(asked: tuple[str, ...]) -> str:
    return _DIGEST.sub(r"\1", " ".join(asked)) or "nothing"


def relock(workspace: Workspace, say: Say) -> Callable[[str, Label], None]:
    """Return a function that renews one entry, for a build that finds a pin no longer served."""

    def renew(section: str, label: Label) -> None:
        Refresh(workspace, say=say).run([section], [label], follow=False)

    return renew
