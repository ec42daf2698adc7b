"""A key record: everything that can change a result, named and ordered, and its sha256.

The record is kept beside the key, so that two keys that differ can be compared part by part
(`doit why`). Parts of dependencies hold their *keys*: a key stands for the whole tree below it.
"""

from __future__ import annotations

from _hashlib import openssl_sha256
from itertools import chain
from typing import NamedTuple

SCHEMA = "1"
"""Raised when the form of records changes; every key then changes, on purpose."""


class KeyRecord(NamedTuple):
    """The parts of one key.

    Attributes:
        parts: `(name, value)`, in order; no name twice, no NUL in either.
    """

    parts: tuple[tuple[str, str], ...]
    key: str


def make_record(parts: list[tuple[str, str]]) -> KeyRecord:
    """Seal the parts of a key.

    NUL stands between all names and values and in none of them, so that no two different records
    give the same text.
    """
    text = "\0".join([SCHEMA, *chain.from_iterable(parts)])
    return KeyRecord(
        tuple(parts), str(openssl_sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
    )


class Change(NamedTuple):
    """A part that differs between two records; None where it does not exist."""

    name: str
    old: str | None
    new: str | None


def compare(old: KeyRecord, new: KeyRecord) -> list[Change]:
    """The parts that differ, in the order of the new record, then those that are gone."""
    before, after = dict(old.parts), dict(new.parts)
    changes = [
        Change(name, before.get(name), value)
        for name, value in new.parts
        if before.get(name) != value
    ]
    changes += [Change(name, value, None) for name, value in old.parts if name not in after]
    return changes
