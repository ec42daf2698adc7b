"""Glob patterns of declarations, matched on names and never on the disk.

`*` and `?` match within one folder, `**` across folders, `[ab]` and `[!ab]` are classes. As in
Bazel, a glob does not match in folders that are packages themselves. Hidden files match like any
others; no tree shows leftovers of tools (`buildlib.core.model.tree`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from buildlib.errors import InputError


@lru_cache(maxsize=4096)
def compile_patterns(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One regular expression for several patterns."""
    return re.compile("(?:" + "|".join(_translate(pattern) for pattern in patterns) + r")\Z")


_PIECE = r"\[(!|(?!!))(.[^]]*)\]|."
"""One character, or a class: `!` or not, and what it holds, of which the first may be `]`."""


def _translate(pattern: str) -> str:
    *folders, last = pattern.split("/")
    out = ["(?:[^/]+/)*" if name == "**" else _translate_name(name) + "/" for name in folders]
    return "".join(out) + ("(?:[^/]+/)*[^/]+" if last == "**" else _translate_name(last))


def _translate_name(name: str) -> str:
    return re.sub(_PIECE, _translate_token, name, flags=re.DOTALL)


def _translate_token(token: re.Match[str]) -> str:
    negated, inside = token.groups()
    if inside is not None:
        body = re.escape(inside).replace(r"\-", "-")
        body = body.replace("--", r"-\-")  # a range that ends in "-", and no set difference
        return f"(?!/)[{'^' if negated else ''}{body}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(token[0]) or re.escape(token[0])


def match(names: Iterable[str], include: Sequence[str], exclude: Sequence[str] = ()) -> list[str]:
    """The names that match a pattern of `include` and none of `exclude`, sorted."""
    # No pattern gives an expression that matches no name.
    included = compile_patterns(tuple(include)).match
    excluded = compile_patterns(tuple(exclude)).match
    return sorted(name for name in names if included(name) and not excluded(name))


def check(patterns: Iterable[str]) -> None:
    """Refuse a pattern with a class that means nothing, such as `[z-a]`."""
    for pattern in patterns:
        try:
            compile_patterns((pattern,))
        except re.error:
            raise InputError(
                f"pattern {pattern!r} has a class that means nothing",
                fix="a class is [abc], [a-z] or [!abc]",
            ) from None


def is_glob(text: str) -> bool:
    """Whether a text has a character of patterns."""
    return any(char in text for char in "*?[")
