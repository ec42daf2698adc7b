"""Wildcards of `COPY`, `ADD` and `.dockerignore`: Go's `filepath.Match` as regular expressions.

Both uses share one grammar (https://pkg.go.dev/path/filepath#Match): `*` and `?` stop at a slash,
`[a-z]` and `[^a-z]` are classes, a backslash escapes the next character. Python's `fnmatch` differs
in each of these points.
"""

from __future__ import annotations

import re

_WILD = re.compile(r"[*?\[\\]")


class PatternError(ValueError):
    """A pattern that Go refuses with "syntax error in pattern"; the message says why."""


def is_wild(pattern: str) -> bool:
    """Whether a pattern can match anything but its own text."""
    return _WILD.search(pattern) is not None


def read_class(pattern: str, start: int) -> tuple[str, int]:
    """Read the character class whose `[` is at `start`.

    Returns:
        A regular expression for one character, and the position after the `]`.

    Raises:
        PatternError: The class is empty, not closed, or has a range without an end.
    """
    at = start + 1
    negated = pattern[at : at + 1] == "^"
    at += negated
    first = at
    parts: list[str] = []
    while at == first or pattern[at : at + 1] != "]":
        low, at = _class_character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _class_character(pattern, at + 1)
        if low > high:
            raise PatternError(f"the range {low}-{high} is empty")
        parts.append(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(parts)}]", at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    """One end of a range, and the position after it."""
    character = pattern[at : at + 1]
    if character == "\\":
        at += 1
        character = pattern[at : at + 1]
    elif character in ("]", "-"):
        raise PatternError(f"{character} inside [...] needs a backslash before it")
    if not character:
        raise PatternError("[ is not closed")
    return character, at + 1


def glob_regex(pattern: str) -> str:
    """The regular expression of a `COPY` or `ADD` source, for `fullmatch`.

    Raises:
        PatternError: The pattern is malformed.
    """
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            expression, at = read_class(pattern, at - 1)
            out.append(expression)
        elif character == "\\":
            if at == len(pattern):
                raise PatternError("a backslash at the end escapes nothing")
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(character))
    return "".join(out)
