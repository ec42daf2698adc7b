"""The build system in a tree: the versions of its rules, and of the form of its keys.

The present code computes the keys of both trees. If a tree holds a build system with another
version of a rule, its own keys were different, which only these versions show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from buildlib.core.keys.record import Change
from buildlib.core.model.tree import Tree

_HOME = "buildlib"
_RULE_VERSION = re.compile(r"^    version(?:: int)? = (\d+)$", re.MULTILINE)
_FIRST = "1"
"""The version of a rule that sets none."""
_SCHEMA = re.compile(r'^SCHEMA = "(\w+)"$', re.MULTILINE)


class _Code(NamedTuple):
    """Versions of the form of key records, and of each rule."""

    schema: str
    rules: dict[str, str]


def changed_rules(old: Tree, new: Tree, kinds: Iterable[str]) -> dict[str, Change]:
    """The rules that make different keys in two trees, each with the change.

    Empty if a tree does not hold its build system: then its versions are unknown.
    """
    before, after = _read(old), _read(new)
    if before is None or after is None:
        return {}
    if before.schema != after.schema:
        return dict.fromkeys(kinds, Change("schema", before.schema, after.schema))
    changes = {}
    for kind in kinds:
        one, other = (f"{kind} {code.rules.get(kind, _FIRST)}" for code in (before, after))
        if one != other:
            changes[kind] = Change("rule", one, other)
    return changes


def _read(tree: Tree) -> _Code | None:
    schema = ""
    rules: dict[str, str] = {}
    for folder, names in tree.files(_HOME):
        room = folder.rpartition("/")[2]
        if room == "rules":
            for name in names:
                match = _RULE_VERSION.search(tree.read(f"{folder}/{name}").decode())
                rules[name.removesuffix(".py")] = match[1] if match else _FIRST
        elif room == "keys" and "record.py" in names:
            match = _SCHEMA.search(tree.read(f"{folder}/record.py").decode())
            schema = match[1] if match else ""
    return _Code(schema, rules) if schema else None
