"""`images.lock`: the pins of all external inputs, as data.

The lock is one committed TOML file. Every entry has the same form: what was *asked* for when it was
locked, what it was resolved *on*, and *items*, a line each: `name = "version sha256 size where"`.
Version, sha256 and file name of an item enter keys; its size and location do not. The file is read
with tomllib and written with `toml`, sorted, so that the diff of a refresh shows what moved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from buildlib.core.model.text_file import parse_toml
from buildlib.errors import InputError, Location

FILE = "images.lock"
SCHEMA = 1
NO_PINS = f"schema = {SCHEMA}\n"
"""The text that an absent lock file stands for."""
_RESTORE = f"git checkout HEAD -- {FILE}  # then ./doitw lock TARGET, for what you changed"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_ON = re.compile(r"\S+ [0-9a-f]+\Z")
_SIZE = re.compile(r"(0|[1-9][0-9]*)\Z", re.ASCII)


class Item(NamedTuple):
    """One pinned file or image.

    Attributes:
        version: Version or tag, for people; no spaces.
        size: In bytes; 0 if unknown.
        where: Its location: a path in an archive, a project of an index, an address.
    """

    version: str
    sha256: str
    size: int
    where: str

    def __str__(self) -> str:
        return f"{self.version} {self.sha256} {self.size} {self.where}"


class Entry(NamedTuple):
    """The pins of one target in one section.

    Attributes:
        asked: The request of the declaration when it was locked.
        on: Flavour -> digest of what the target was resolved on: parents differ between flavours
            and may give the same pins. Empty in a lock of a version that did not record it.
    """

    asked: tuple[str, ...]
    items: Mapping[str, Item]
    on: Mapping[str, str] = MappingProxyType({})


Lock = Mapping[str, Mapping[str, Entry]]
"""Section -> name of the entry -> entry."""


def parse_lock(text: str) -> dict[str, dict[str, Entry]]:
    """Read the text of an images.lock."""
    document = parse_toml(text, FILE, _RESTORE)
    schema = document.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        raise InputError(
            f"{FILE} has schema {schema!r}; this version reads {SCHEMA}",
            where=Location(FILE, 1),
            fix="git pull, so that the lock and the build system are of one commit",
        )
    for section, entries in document.items():
        if not isinstance(entries, dict):
            raise _damaged(section, section, text)
    return {
        section: {name: _entry(section, name, value, text) for name, value in entries.items()}
        for section, entries in document.items()
    }


def _entry(section: str, name: str, value: Any, text: str) -> Entry:
    table: dict[str, Any] = value if isinstance(value, dict) else {"items": None}
    items, asked, on = table.get("items", {}), table.get("asked", []), table.get("on", [])
    texts = _are_texts(asked) and _are_texts(on) and all(map(_ON.match, on))
    if not isinstance(items, dict) or not texts:
        raise _damaged(section, name, text)
    parsed: dict[str, Item] = {}
    for item, line in items.items():
        fields = line.split(" ", 3) if isinstance(line, str) else []
        if len(fields) != 4 or not _SHA256.match(fields[1]) or not _SIZE.match(fields[2]):  # noqa: PLR2004
            raise _damaged(section, item, text)
        parsed[item] = Item(fields[0], fields[1], int(fields[2]), fields[3])
    return Entry(tuple(asked), parsed, dict(word.split(" ") for word in on))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _damaged(section: str, name: str, text: str) -> InputError:
    line = next((n for n, row in enumerate(text.splitlines(), 1) if name in row), 1)
    return InputError(
        f"{name} of section {section} is damaged",
        where=Location(FILE, line),
        fix=_RESTORE,
    )


def dump_lock(lock: Lock) -> str:
    """The text of a lock: schema line first, the rest sorted; equal for equal pins."""
    import toml

    document = {
        section: {name: _table(entry) for name, entry in sorted(lock[section].items())}
        for section in sorted(lock)
    }
    body = toml.dumps(document)
    head = "# Pins of all that comes from outside. Made by `./doitw lock`; do not edit.\n"
    return f"{head}schema = {SCHEMA}\n\n{body.strip()}\n"


def _table(entry: Entry) -> dict[str, Any]:
    items = {item: str(entry.items[item]) for item in sorted(entry.items)}
    on = [f"{flavour} {entry.on[flavour]}" for flavour in sorted(entry.on)]
    return {"asked": list(entry.asked), **({"on": on} if on else {}), "items": items}


def to_plain(lock: Lock) -> Any:
    """The lock as plain tuples and dicts, which the memo can keep."""
    return {
        section: {
            name: (asked, {item: tuple(pin) for item, pin in items.items()}, dict(on))
            for name, (asked, items, on) in entries.items()
        }
        for section, entries in lock.items()
    }


def from_plain(plain: Any) -> dict[str, dict[str, Entry]]:
    """The inverse of `to_plain`."""
    make = Item._make
    return {
        section: {
            name: Entry(asked, {item: make(pin) for item, pin in items.items()}, on)
            for name, (asked, items, on) in entries.items()
        }
        for section, entries in plain.items()
    }
