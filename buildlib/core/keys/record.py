"""A key record: the named, ordered parts that can change a result, and their sha256.

The record is kept beside the key, so that `doit why` can compare two keys part by part. The part of
a dependency holds its *key*: a key stands for all dependencies below it.
"""

from __future__ import annotations

from _hashlib import openssl_sha256
from itertools import chain
from typing import NamedTuple

SCHEMA = "1"
"""Raised when the form of records changes, which changes every key."""


class KeyRecord(NamedTuple):
    """A key and its parts, `(name, value)` in order; no name twice, no NUL in either."""

    parts: tuple[tuple[str, str], ...]
    key: str


def make_record(parts: list[tuple[str, str]]) -> KeyRecord:
    """Compute the key of some parts.

    NUL separates names and values and is in none of them, so different records give different
    texts.
    """
    text = "\0".join([SCHEMA, *chain.from_iterable(parts)])
    return KeyRecord(
        tuple(parts), str(openssl_sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
    )


class Change(NamedTuple):
    """A part that differs between two records; None on the side that lacks it."""

    name: str
    old: str | None
    new: str | None


def compare(old: KeyRecord, new: KeyRecord) -> list[Change]:
    """The parts that differ, in the order of the new record, then the removed ones."""
    before, after = dict(old.parts), dict(new.parts)
    changes = [
        Change(name, before.get(name), value)
        for name, value in new.parts
        if before.get(name) != value
    ]
    changes += [Change(name, value, None) for name, value in old.parts if name not in after]
    return changes
