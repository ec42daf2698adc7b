r"""`.dockerignore`: which paths of a folder do not reach the builder.

The rules are those of today's Docker clients (https://docs.docker.com/build/concepts/context/,
".dockerignore files", and, where that is silent, moby's patternmatcher 0.6): every pattern is
matched against the path and each folder above it, and the last match decides. So the pattern of a
folder includes everything below it, and `!` can bring paths back even from there. Clients before
Docker 23 treat some exceptions differently; that does not matter: we leave out these paths
ourselves, and builders are told to ignore nothing.

Docker always sends the Dockerfile and the ignore file to the builder, but a `COPY` finds them only
if no pattern matches them; so they need no exception here. A pattern that Docker refuses or
misreads is an error with its line.
"""

from __future__ import annotations

import re
from posixpath import normpath
from typing import NamedTuple

from buildlib.core.dockerfile import IGNORE_FILE
from buildlib.core.dockerfile.glob import PatternError, read_class
from buildlib.errors import InputError, Location

_SPACE = " \t\n\v\f\r\x85\xa0"
_ALL = "(?s:.*)"


class IgnoreRule(NamedTuple):
    """One line of an ignore file.

    Attributes:
        pattern: As cleaned by Docker, without the `!`.
        keep: Whether it is an exception (`!`).
        regex: The pattern as a regular expression for a whole path.
    """

    pattern: str
    keep: bool
    regex: str


class IgnoreRules:
    """The compiled rules of one ignore file, in its order."""

    def __init__(self, rules: tuple[IgnoreRule, ...]) -> None:
        self.rules = rules
        # A rule matches paths and the folders above them; from the last line to the first, the
        # first match is Docker's answer.
        self._rules = [
            (re.compile(f"(?:{rule.regex})(?:/|\\Z)").match, not rule.keep)
            for rule in reversed(rules)
        ]

    @classmethod
    def parse(cls, text: str, file: str = IGNORE_FILE) -> IgnoreRules:
        return cls(tuple(_rules(text, file)))

    def excludes(self, path: str) -> bool:
        """Whether a path (relative to the context, with slashes, no `./`) is excluded."""
        return next((verdict for matches, verdict in self._rules if matches(path)), False)


def pattern_regex(pattern: str) -> str:
    """A cleaned pattern as a regular expression for a whole path.

    A pattern whose only wildcard is `**` at one end is plain text: `**x` means "ends in x".

    Args:
        pattern: Without `!` and leading slash.

    Raises:
        PatternError: Docker refuses or misreads the pattern.
    """
    start = next(text for text in ("**/", "**", "") if pattern.startswith(text))
    end = "**" if not start and pattern.endswith("**") else ""
    plain = pattern[len(start) : len(pattern) - len(end)]
    if not set("*?[]\\") & set(plain):
        before = {"**/": f"(?:{_ALL}/)?", "**": _ALL, "": ""}[start]
        return before + re.escape(plain) + (_ALL if end else "")
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            at += pattern.startswith("/", at)
            out.append("(?:.*/)?" if at < len(pattern) else ".*")
        elif character in "*?":
            out.append("[^/]*" if character == "*" else "[^/]")
        elif character == "[":
            expression, after = read_class(pattern, at - 1)
            _check_class(pattern[at:after])
            out.append(expression)
            at = after
        elif character == "\\":
            out.append(re.escape(_escaped(pattern, at)))
            at += 1
        elif character == "^":
            out.append("^")  # as in Docker's own expression: nothing can come before it
        elif character in "{|}":
            raise PatternError(f"Docker does not take {character} beside a wildcard as it is")
        else:
            out.append(re.escape(character))
    return "".join(out)


def _check_class(inside: str) -> None:
    """Refuse a class that is valid for Go's Match, but that Docker's expression misreads."""
    for at, character in enumerate(inside):
        if character in "*?" or inside.startswith("[:", at):
            raise PatternError(f"Docker does not take {character} inside [...] as it is")
        if character == "\\":
            _escaped(inside, at + 1)


def _escaped(pattern: str, at: int) -> str:
    """The escaped character at `at`, after a backslash."""
    character = pattern[at : at + 1]
    if not character:
        raise PatternError("a backslash at the end escapes nothing")
    if character.isalnum() or not character.isascii():
        raise PatternError(f"\\{character} has a meaning of its own; write {character}")
    return character


def _clean(pattern: str) -> str:
    """Go's `filepath.Clean`, without the slash at the beginning."""
    if pattern.startswith("/"):
        return normpath("/" + pattern.lstrip("/"))[1:] or "/"
    return normpath(pattern)


def _rules(text: str, file: str) -> list[IgnoreRule]:
    rules: list[IgnoreRule] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("#"):  # only in the first column, before anything is trimmed
            continue
        pattern = line.strip(_SPACE)
        if not pattern:
            continue
        if pattern[0] == "!":
            inner = pattern[1:].strip(_SPACE)
            pattern = "!" + (_clean(inner) if inner else "")
        else:
            pattern = _clean(pattern)
        # Another part of Docker then trims and cleans the pattern again.
        pattern = normpath(pattern.strip(_SPACE) or ".")
        keep = pattern[0] == "!"
        where = Location(file, number)
        if pattern == "!":
            raise InputError("! stands without a pattern", where=where, fix="!PATH")
        pattern = pattern[keep:]
        try:
            rules.append(IgnoreRule(pattern, keep, pattern_regex(pattern)))
        except PatternError as error:
            raise InputError(
                f"the pattern {pattern} cannot be used: {error}",
                where=where,
                fix=_plainer(line.strip(_SPACE)),
            ) from None
    return rules


def _plainer(pattern: str) -> str:
    if "{" in pattern:
        return re.sub(r"\{([^,}]*)[^}]*\}?", r"\1", pattern) + " (a line of its own for each name)"
    return re.sub(r"[\[\]\\|]+[^/]*", "*", pattern)
