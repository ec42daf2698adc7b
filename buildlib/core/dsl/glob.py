"""Glob patterns of declarations, matched on names and never on the disk.

`*` and `?` match within one folder, `**` across folders, `[ab]` and `[!ab]` are classes. As in
Bazel, a glob does not match in folders that are packages themselves. Hidden files match like any
others; no tree shows leftovers of tools (`buildlib.core.model.tree`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache


@lru_cache(maxsize=4096)
def compile_patterns(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One regular expression for several patterns."""
    return re.compile("(?:" + "|".join(_translate(pattern) for pattern in patterns) + r")\Z")


def _translate(pattern: str) -> str:
    out: list[str] = []
    pieces = pattern.split("/")
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        if piece == "**":
            out.append("(?:[^/]+/)*[^/]+" if last else "(?:[^/]+/)*")
        else:
            out.append(_translate_piece(piece) + ("" if last else "/"))
    return "".join(out)


def _translate_piece(piece: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(piece):
        char = piece[position]
        first = position + (2 if piece[position + 1 : position + 2] == "!" else 1)
        end = piece.find("]", first + 1) if char == "[" else -1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif end > 0:
            inside = piece[position + 1 : end]
            negated = inside.startswith("!")
            body = re.escape(inside[1:] if negated else inside).replace(r"\-", "-")
            body = body.replace("--", r"-\-")  # a range that ends in "-", and no set difference
            out.append(f"(?!/)[{'^' if negated else ''}{body}]")
            position = end
        else:
            out.append(re.escape(char))
        position += 1
    return "".join(out)


def match(names: Iterable[str], include: Sequence[str], exclude: Sequence[str] = ()) -> list[str]:
    """The names that match a pattern of `include` and none of `exclude`, sorted."""
    included = compile_patterns(tuple(include)).match if include else None
    if included is None:
        return []
    if exclude:
        excluded = compile_patterns(tuple(exclude)).match
        return sorted(name for name in names if included(name) and not excluded(name))
    return sorted(name for name in names if included(name))


def is_valid(pattern: str) -> bool:
    """Whether a pattern's classes are valid: `[z-a]` is not."""
    try:
        compile_patterns((pattern,))
    except re.error:
        return False
    return True


def is_glob(text: str) -> bool:
    """Whether a text has a character of patterns."""
    return any(char in text for char in "*?[")
