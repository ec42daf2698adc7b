"""What the build system in a tree says of its keys: the versions of its rules, and of their form.

The keys of two commits are computed by the present code. Where a commit has the build system
itself, and that has another version of a rule, its keys were others: the versions tell.
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
"""The version of a rule that does not say another."""
_SCHEMA = re.compile(r'^SCHEMA = "(\w+)"$', re.MULTILINE)


class _Code(NamedTuple):
    """What a build system says of its keys.

    Attributes:
        schema: The version of the form of key records.
    """

    schema: str
    rules: dict[str, str]


def changed_rules(old: Tree, new: Tree, kinds: Iterable[str]) -> dict[str, Change]:
    """The rules that make other keys in one of two trees than in the other.

    Returns:
        Kind -> what has changed. None where a tree does not hold its build system: then nothing
        is known of it.
    """
    before, after = _read(old), _read(new)
    if before is None or after is None:
        return {}
    if before.schema != after.schema:
        return dict.fromkeys(kinds, Change("schema", before.schema, after.schema))
    found = {}
    for kind in kinds:
        one, other = (f"{kind} {code.rules.get(kind, _FIRST)}" for code in (before, after))
        if one != other:
            found[kind] = Change("rule", one, other)
    return found


def _read(tree: Tree) -> _Code | None:
    """The versions in a tree; None where it holds no build system."""
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
