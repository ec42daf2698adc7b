"""From pins to downloads: where each kind of pin is fetched from, and its file name."""

from __future__ import annotations

from collections.abc import Iterator

from buildlib.core.keys.compute import pinned
from buildlib.core.model.lock import Item, Lock
from buildlib.core.model.section import ADDRESS, DEBIAN, REPOSITORY, SECTIONS, Section
from buildlib.core.model.target import Pin, Target
from buildlib.outside.fetch import source
from buildlib.outside.fetch.source import Download


def pinned_files(lock: Lock, target: Target) -> Iterator[tuple[Section, Download]]:
    """Yield all files that the lock pins for a target, each with its section.

    Raises:
        InputError: The lock lacks an entry.
    """
    for pin in target.pins:
        section = SECTIONS[pin.section]
        if section.is_fetched:
            for name, item in sorted(pinned(lock, pin, target).items.items()):
                filename = section.file_name(name, item.where)
                addresses = _addresses(section, pin, name, item)
                yield section, Download(item.sha256, item.size or None, filename, addresses)


def _addresses(section: Section, pin: Pin, name: str, item: Item) -> tuple[str, ...]:
    if section.source == ADDRESS:
        return pin.asked
    if section.source == REPOSITORY:
        return (item.where,)
    if section.source == DEBIAN:
        return (f"{source.DEBIAN}{item.where}",)
    return (f"{source.PYPI}{item.where}/{name}",)
