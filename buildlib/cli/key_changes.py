"""Changed parts of a key, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildlib.core.keys.record import Change
    from buildlib.core.plan.explain import Leaf

_DIGEST_LENGTH = 64
_DIGEST_SHOWN = 12


def plain_leaves(leaves: Iterable[Leaf]) -> list[dict[str, Any]]:
    """Changed parts for programs."""
    return [{**plain_change(leaf.change), "path": list(map(str, leaf.path))} for leaf in leaves]


def plain_change(change: Change) -> dict[str, Any]:
    """A changed part for programs."""
    return {"part": change.name, "old": change.old, "new": change.new}


def change_lines(changes: Iterable[Mapping[str, Any]], old: str, new: str) -> list[str]:
    """Plain changed parts for people; `old` and `new` name the two values."""
    out: list[str] = []
    width = max(len(old), len(new)) + 1
    for change in changes:
        out.append(f"  {change['part']}")
        out.append(f"    {f'{old}:':{width}} {_shown(change['old'])}")
        out.append(f"    {f'{new}:':{width}} {_shown(change['new'])}")
        if len(change["path"]) > 1:
            out.append("    path: " + " <- ".join(change["path"]))
    return out


def _shown(value: str | None) -> str:
    """A value, with digests shortened to what a person compares."""
    if value is None:
        return "(not there)"
    words = [
        word[:_DIGEST_SHOWN] + "…" if len(word) == _DIGEST_LENGTH and word.isalnum() else word
        for word in value.split(" ")
    ]
    return " ".join(words) or "(empty)"
