"""Instructions that every builder takes otherwise than their author meant.

For Docker, `#` begins a comment at the beginning of a line and nowhere else: `USER root  # admin`
names a user "root  # admin", and nobody hears of it before a container starts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildlib.core.dockerfile.invisible import is_invisible
from buildlib.core.dockerfile.lines import Instruction, json_list, plain_words, words
from buildlib.errors import InputError

_ONE_TEXT = ("STOPSIGNAL", "USER", "WORKDIR")
"""Instructions that take all of the line; quotes and escapes keep a `#` in it."""
_LISTS = ("ADD", "COPY", "EXPOSE", "VOLUME")
READ_AS_PAIRS = ("ENV", "LABEL")
_COMMENT = re.compile(r"""([^"'\\`]*?)[ \t]+#""")
_WHY = "for Docker, # begins a comment at the beginning of a line only"


def misread(instruction: Instruction, escape: str) -> InputError | None:
    """What is wrong with an instruction whose meaning is surely another one."""
    name, rest = instruction.name, instruction.rest
    if rest.startswith("[") and name != "ONBUILD":
        return _behind_list(name, rest)
    if name in READ_AS_PAIRS:
        return _not_pair(name, rest, escape)
    if name == "USER" and any(map(is_invisible, rest)):
        plain = "".join(letter for letter in rest if not is_invisible(letter))
        return InputError(f"no user is called {rest!r}", fix=f"USER {plain}")
    before = ""
    if "#" not in rest:
        pass
    elif name in _ONE_TEXT:
        before = match[1] if (match := _COMMENT.match(rest)) else ""
    elif name in _LISTS or (name == "HEALTHCHECK" and re.match(r"NONE\s", rest, re.IGNORECASE)):
        before = _before_comment(plain_words(rest))
    return _comment(name, before) if before else None


def comment_in_from(parts: Sequence[str]) -> InputError:
    """The error for the words of a `FROM` with a comment behind it."""
    return _comment("FROM", _before_comment(parts))


def _before_comment(parts: Sequence[str]) -> str:
    """The words before a comment; empty if there is none."""
    place = next((at for at, word in enumerate(parts) if at and word[0] == "#"), 0)
    return " ".join(parts[:place])


def _comment(name: str, before: str) -> InputError:
    return InputError(
        f"{name} takes the comment behind it as part of what it says: {_WHY}",
        fix=f"{name} {before}",
    )


def _behind_list(name: str, rest: str) -> InputError | None:
    """Text behind a list, which engine 20.10 drops, and which makes a shell command elsewhere."""
    listed = json_list(rest)
    if listed is None or not rest[listed[1] :].strip():
        return None
    return InputError(
        f"{name} has {rest[listed[1] :].strip()!r} behind its list, so that not all builders "
        f"take it for one; {_WHY}",
        fix=f"{name} {rest[: listed[1]]}",
    )


def _not_pair(name: str, rest: str, escape: str) -> InputError | None:
    """A word without `=` behind one with it, where all builders stop."""
    found = words(rest, escape)
    if not found or "=" not in found[0]:
        return None  # the old form, NAME TEXT, in which # is part of the text
    place = next((at for at, word in enumerate(found) if "=" not in word), 0)
    commented = next((at for at, word in enumerate(found) if at and word[0] == "#"), 0)
    if commented and (not place or commented <= place):
        return _comment(name, " ".join(found[:commented]))
    if not place:
        return None
    key, _, value = found[place - 1].partition("=")
    *before, _ = found[:place]
    return InputError(
        f"{name} has {found[place]}, which is no NAME=VALUE",
        fix=" ".join([name, *before, f'{key}="{value} {found[place]}"']),
    )
