"""'Did you mean': the nearest known name to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like `word`, or None if none is close enough."""
    from difflib import get_close_matches

    names = list(known)
    matches = get_close_matches(word, names, n=1, cutoff=0.6)
    if matches:
        return matches[0]
    tail = word.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    for name in names:
        if tail and name.rsplit("/", 1)[-1].rsplit(":", 1)[-1] == tail:
            return name
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` to append to a sentence, or an empty string."""
    name = nearest(word, known)
    return f"; did you mean {name}?" if name else ""
