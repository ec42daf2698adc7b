r"""`.dockerignore`: which paths of a folder do not reach the builder.

The rules are those of today's Docker clients (https://docs.docker.com/build/concepts/context/,
".dockerignore files", and, where that is silent, moby's patternmatcher 0.6): every pattern is
matched against the path and each folder above it, and the last match decides. So the pattern of a
folder includes everything below it, and `!` can bring paths back even from there. Clients before
Docker 23 treat some exceptions differently; that does not matter, since ignore files are not
staged: we leave out their paths ourselves.

Docker always sends the Dockerfile and the ignore file to the builder, but a `COPY` finds them only
if no pattern matches them; so they need no exception here. A pattern that Docker refuses or
misreads is an error with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import normpath
from typing import NamedTuple

from buildlib.core.dockerfile.glob import PatternError, read_class
from buildlib.errors import InputError, Location

DEFAULT = ".dockerignore"
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
    def parse(cls, text: str, file: str = DEFAULT) -> IgnoreRules:
        return cls(tuple(_rules(text, file)))

    def excludes(self, path: str) -> bool:
        """Whether a path (relative to the context, with slashes, no `./`) is excluded."""
        return next((verdict for matches, verdict in self._rules if matches(path)), False)


def ignore_file(dockerfile: str, exists: Callable[[str], bool]) -> str | None:
    """The ignore file of a Dockerfile: its own before the folder's, never both.

    Paths are relative to the build context.
    """
    return next(filter(exists, (f"{dockerfile}{DEFAULT}", DEFAULT)), None)


def pattern_regex(pattern: str) -> str:
    """A cleaned pattern as a regular expression for a whole path.

    A pattern whose only wildcard is `**` at one end is plain text: `**x` means "ends in x".

    Args:
        pattern: Without `!` and leading slash.

    Raises:
        PatternError: Docker refuses or misreads the pattern.
    """
    out: list[str] = []
    plain = True  # no wildcard so far but ** at an end
    misread = ""
    at, end = 0, len(pattern)
    while at < end:
        character = pattern[at]
        first = at == 0
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            at += pattern.startswith("/", at)
            out.append("(?:.*/)?" if at < end else ".*")
            plain = first or (plain and at == end and not pattern.startswith("**"))
        elif character in "*?":
            out.append("[^/]*" if character == "*" else "[^/]")
            plain = False
        elif character == "[":
            expression, after = read_class(pattern, at - 1)
            _check_class(pattern[at:after])
            out.append(expression)
            at, plain = after, False
        elif character == "\\":
            out.append(re.escape(_escaped(pattern, at)))
            at, plain = at + 1, False
        elif character == "^":
            out.append("^")  # as in Docker's own expression: nothing can come before it
        else:
            misread = misread or (character if character in "{|}" else "")
            out.append(re.escape(character))
            plain = plain and character != "]"
    if misread and not plain:
        raise PatternError(f"Docker does not take {misread} beside a wildcard as it is")
    return _plain_regex(pattern) if plain else "".join(out)


def _plain_regex(pattern: str) -> str:
    """A pattern whose only wildcard, if any, is `**` at its beginning or its end."""
    if pattern.startswith("**/"):
        return f"(?:{_ALL}/)?{re.escape(pattern[3:])}"
    if pattern.startswith("**"):
        return _ALL + re.escape(pattern[2:])
    if pattern.endswith("**"):
        return re.escape(pattern[:-2]) + _ALL
    return re.escape(pattern)


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
