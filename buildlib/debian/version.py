"""How Debian orders versions: the rules of deb-version(7), and nothing else.

Knows no package and no archive. `key` makes a version sortable, so that plain comparison,
`max` and `sorted` work.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"(\D*)(\d*)")
_END = 0
_Part = tuple[tuple[int, ...], int]


def _order(char: str) -> int:
    """Weight of a character that is no digit: `~`, then the end, then letters, then the rest."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _parts(text: str) -> tuple[_Part, ...]:
    """Alternating runs of non-digits and digits, in a form that compares like dpkg does.

    The last match is always empty: it stands for the end, which a tilde precedes. Nothing weighs
    as much as a zero does.
    """
    return tuple(
        ((*map(_order, word), _END), int(digits or 0))
        for word, digits in _PARTS.findall(text or "0")
    )


def key(version: str) -> tuple[int, tuple[_Part, ...], tuple[_Part, ...]]:
    """A value that orders like `version` (`[epoch:]upstream[-revision]`) does for dpkg."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _parts(upstream), _parts(revision)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version` stands in `relation` (`<<`, `<=`, `=`, `>=`, `>>` or empty) to `wanted`."""
    if not relation:
        return True
    have, want = key(version), key(wanted)
    if relation == "=":
        return have == want
    if relation in ("<<", "<="):
        return have < want or (relation == "<=" and have == want)
    return have > want or (relation == ">=" and have == want)
