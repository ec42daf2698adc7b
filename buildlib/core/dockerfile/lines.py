r"""From the lines of a Dockerfile to instructions: continuations, comments, flags, heredocs.

Follows the format part of https://docs.docker.com/reference/dockerfile/ and, where that is silent,
the behaviour of engine 20.10. The module knows which flags an instruction can have, but not their
meaning.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

_COPY_FLAGS = ("from", "chown", "chmod", "link", "parents", "exclude")
_ADD_FLAGS = ("chown", "chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack")
_HEALTH_FLAGS = ("interval", "timeout", "start-period", "start-interval", "retries")
FLAGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "MAINTAINER"), ()),
    **dict.fromkeys(("ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"), ()),
    "ADD": _ADD_FLAGS,
    "COPY": _COPY_FLAGS,
    "FROM": ("platform",),
    "HEALTHCHECK": _HEALTH_FLAGS,
    "RUN": ("mount", "network", "security", "device"),
}
"""Every instruction with the flags that any released frontend accepts."""

_WITH_HEREDOC = ("ADD", "COPY", "RUN")
_NO_TRIGGER = ("FROM", "MAINTAINER", "ONBUILD")
_WITHOUT_VALUE = ("link", "parents", "keep-git-dir", "unpack")
_REPEATED = ("mount", "exclude", "device")
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*$")
_ODD = re.compile(r"[\x00\x0b\x0c\x1c-\x1f]|\r(?!\n|\Z)")
"""Characters that only some builders read as white space or the end of a line."""
_FLAG = re.compile(r"""--(?:[^\s'"]|"[^"]*"|'[^']*')*(?:\s+|$)""")
# The rest is rare: compiled (and kept by `re`) at the first use.
_QUOTED = r""""([^"]*)"|'([^']*)'"""
_BALANCED = r"""(?:[^'"\\]|\\.|\\$|"(?:[^"\\]|\\.)*"|'[^']*')*"""
_HEREDOC = r"[0-9]*<<(-?)([^<]*)"
_DOUBTFUL = r"\$\{(?!\w+(?::?[-+?][^{}]*)?\})"
"""A substitution that some frontends cannot read: they see no heredoc in such a line."""
_WORDS = {
    "\\": r"""(?:[^\s'"\\]|\\.|\\$|"(?:[^"\\]|\\.)*"|'[^']*'|['"])+""",
    "`": r"""(?:[^\s'"`]|`.|`$|"(?:[^"`]|`.)*"|'[^']*'|['"])+""",
}


class Instruction(NamedTuple):
    """One instruction.

    Attributes:
        line: Number of its first line, from 1.
        end: Number of its last line, heredocs included.
        name: In capitals.
        flags: Name and value of each leading `--flag`, in order; no value is an empty text.
        rest: The text after the flags, with continuation lines joined.
        heredocs: Names of its heredocs, whose bodies are dropped.
        trigger: The instruction after `ONBUILD`, which runs in the builds of children.
    """

    line: int
    end: int
    name: str
    flags: tuple[tuple[str, str], ...]
    rest: str
    heredocs: tuple[str, ...] = ()
    trigger: Instruction | None = None

    def flag(self, name: str) -> str:
        """The value of a flag that cannot be repeated, or an empty text."""
        for key, value in self.flags:
            if key == name:
                return value
        return ""


class Lines(NamedTuple):
    """A Dockerfile as instructions.

    Attributes:
        escape: The escape character: backslash or backtick.
        syntax: The frontend image of a `# syntax=` line, or an empty text.
        syntax_line: Its line number, or 0.
    """

    escape: str
    syntax: str
    syntax_line: int
    instructions: list[Instruction]


def read_lines(text: str, file: str) -> Lines:
    """Split a Dockerfile into instructions."""
    odd = _ODD.search(text)
    if odd:
        import shlex

        raise InputError(
            f"the line holds the control character {odd[0]!r}, which not all builders read alike",
            where=Location(file, text.count("\n", 0, odd.start()) + 1),
            fix=r"sed -i 's/\r$//; s/[\x00\x0b\x0c\r\x1c-\x1f]/ /g' " + shlex.quote(file),
        )
    lines = text.removeprefix("\ufeff").split("\n")
    escape, syntax, syntax_line = _directives(lines, file)
    instructions: list[Instruction] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line[0] == "#":
            at += 1
            continue
        try:
            instruction = _instruction_at(lines, at, escape)
        except InputError as error:
            error.where = Location(file, at + 1)
            raise
        instructions.append(instruction)
        at = instruction.end
    return Lines(escape, syntax, syntax_line, instructions)


def _instruction_at(lines: list[str], start: int, escape: str) -> Instruction:
    """The instruction that begins at an index."""
    text, at = _join(lines, start, escape)
    instruction = _instruction(start + 1, text)
    inner = instruction.trigger or instruction
    if "<<" in inner.rest and inner.name in _WITH_HEREDOC:
        bodies = _heredocs(text, inner.rest)
        instruction = instruction._replace(heredocs=tuple(name for name, _ in bodies))
        for name, indented in bodies:
            at = _skip_body(lines, at, name, indented=indented)
    return instruction._replace(end=at)


def words(rest: str, escape: str) -> list[str]:
    """Split at white space outside quotes; keep quotes and escapes in the words."""
    if "'" not in rest and '"' not in rest and escape not in rest:
        return rest.split()
    return re.findall(_WORDS[escape], rest)


def plain_words(rest: str) -> list[str]:
    """Split at spaces and tabs alone, as Docker splits paths: a no-break space is of a word."""
    if rest.isascii():
        return rest.split()
    return [word for word in re.split("[ \t]+", rest) if word]


def json_list(rest: str) -> tuple[list[Any], int] | None:
    """The list that a text begins with, and where it ends; None for other texts.

    As for Docker, `[ -e x ] || cat` and `[x] /` are no lists.
    """
    if not rest.startswith("["):
        return None
    import json

    try:
        items, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return None
    return items, end


def fields(value: str) -> list[str]:
    """The fields of a flag such as `--mount`, whose value is a line of CSV."""
    if '"' not in value:
        return value.split(",")
    import csv

    try:
        return next(csv.reader([value], strict=True))
    except csv.Error as error:
        raise InputError(
            f"{value} is no list of fields: {error}",
            fix="--mount=type=bind,source=PATH,target=/PATH",
        ) from None


def _directives(lines: list[str], file: str) -> tuple[str, str, int]:
    """The `# name=value` lines at the top: escape character, syntax image and its line.

    Frontends differ in where these lines end. A syntax image counts if any frontend sees it. An
    escape character that only some frontends see is an error, as it would give the file two
    meanings.
    """
    escape, syntax, syntax_line = "\\", "", 0
    first = bool(lines) and lines[0].startswith("#!")  # newer frontends pass over it
    newer = first  # whether only newer frontends still look for the escape character
    ended = False  # whether none does; engine 20.10 goes on looking for the syntax image
    for number, line in enumerate(lines[first:], 1 + first):
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        name, value = match[1].lower(), match[2]
        if name == "syntax" and value:
            syntax, syntax_line = value.split(" ", 1)[0], number
        elif name == "check" and value:
            newer = True
        elif name != "escape" or not value:
            ended = True
        elif not ended:
            if newer or value not in _WORDS:
                raise InputError(
                    "engine 20.10 takes # escape for a comment below another directive"
                    if newer
                    else f"the escape character is {value}, but can only be \\ or `",
                    where=Location(file, number),
                    fix="# escape=` in line 1" if newer else "# escape=`",
                )
            escape = value
    return escape, syntax, syntax_line


def _join(lines: list[str], first: int, escape: str) -> tuple[str, int]:
    """Join a line with those that continue it, as it ends in the escape character.

    Comments and empty lines in between are dropped, as in Docker.

    Returns:
        The joined text, and the index of the line after it.
    """
    parts: list[str] = []
    for at in range(first, len(lines)):
        line = lines[at].rstrip(" \t\r")
        inner = line.lstrip()
        if at > first and (not inner or inner[0] == "#"):
            continue
        if line[-1] != escape or line[-2:-1] == escape:
            return "".join([*parts, line]).strip(), at + 1
        parts.append(line[:-1])
    raise InputError(
        f"the instruction ends in {escape}, but no line follows that continues it",
        fix=f"remove the {escape} at the end of the last line",
    )


def _instruction(line: int, text: str) -> Instruction:
    name = re.split(r"[ \t]", text, maxsplit=1)[0]
    rest = text[len(name) :].lstrip(" \t")
    upper = name.upper()
    known = FLAGS.get(upper)
    if known is None:
        guess = nearest(upper, FLAGS)
        raise InputError(
            f"unknown instruction {name}{did_you_mean(upper, FLAGS)}",
            fix=f"{guess} {rest}".rstrip()
            if guess
            else f"remove line {line}, or make it a comment",
        )
    flags: list[tuple[str, str]] = []
    at = 0
    while rest.startswith("--", at):
        match = _FLAG.match(rest, at)
        if match is None:
            raise InputError(
                f"a quote in the flags of {upper} is not closed", fix="close the quote"
            )
        at = match.end()
        text = match.group().strip()
        if text == "--":
            break
        if "\\" in text or "`" in text:  # some frontends escape with one of them, some with both
            raise InputError(
                f"a flag of {upper} holds \\ or `, which not all builders take for an escape",
                fix=f"{upper} --FLAG='VALUE'",
            )
        if "'" in text or '"' in text:
            text = re.sub(_QUOTED, r"\1\2", text)
        flags.append(_flag(upper, text, known, {key for key, _ in flags}))
    trigger = _trigger(line, rest[at:]) if upper == "ONBUILD" else None
    return Instruction(line, line, upper, tuple(flags), rest[at:].strip(), (), trigger)


def _trigger(line: int, text: str) -> Instruction:
    name = text.split(maxsplit=1)[0].upper() if text else "nothing"
    if not text or name in _NO_TRIGGER:
        raise InputError(
            f"{name} cannot stand behind ONBUILD",
            fix=f"remove line {line}, or write ONBUILD RUN COMMAND",
        )
    return _instruction(line, text)


def _flag(name: str, text: str, known: tuple[str, ...], before: set[str]) -> tuple[str, str]:
    key, equals, value = text[2:].partition("=")
    if key not in known:
        guess = nearest(key, known)
        have = "has no flags" if not known else f"knows {', '.join('--' + flag for flag in known)}"
        raise InputError(
            f"{name} has no flag --{key}" + (f"; did you mean --{guess}?" if guess else ""),
            fix=f"{name} --{guess}{equals}{value}" if guess else f"remove --{key}: {name} {have}",
        )
    if not value and (equals or key not in _WITHOUT_VALUE):
        raise InputError(f"--{key} of {name} has no value", fix=f"{name} --{key}=VALUE")
    if key in before and key not in _REPEATED:
        raise InputError(f"{name} has --{key} twice", fix=f"remove one --{key} of the two")
    return key, value


def _heredocs(line: str, rest: str) -> list[tuple[str, bool]]:
    """Name of each heredoc that an instruction opens, and whether its body is indented by tabs.

    BuildKit splits the line like its shell, always with backslash as the escape character, and sees
    no heredoc in a line that it cannot split. A line that released frontends read differently is an
    error.
    """
    if listed := json_list(rest):
        if "<<" in rest[listed[1] :]:
            raise _ambiguous("<< behind a list", '["sh", "-c", "COMMAND"]')
        return []
    if re.fullmatch(_BALANCED, line) is None:  # a quote is not closed
        return []
    heredocs = []
    split = words(line, "\\")
    for word, following in zip(split, [*split[1:], ""], strict=True):
        if word.endswith("<<") and following:
            raise _ambiguous(f"{word} {following}", f"{word}{following}")
        match = re.fullmatch(_HEREDOC, word)
        if match and (name := _unquoted(match[2])):
            heredocs.append((name, match[1] == "-"))
    doubtful = re.search(_DOUBTFUL, line) if heredocs else None
    if doubtful:
        raise _ambiguous(line[doubtful.start() :].split(maxsplit=1)[0], "$NAME")
    return heredocs


def _ambiguous(text: str, fix: str) -> InputError:
    return InputError(f"with {text} in the line, not all builders see the same heredocs", fix=fix)


def _unquoted(word: str) -> str:

    def plain(match: re.Match[str]) -> str:
        single, double, escaped = match.groups()
        if double is not None:
            return re.sub(r'\\(["$\\])', r"\1", double)
        return str(single if single is not None else escaped)

    return re.sub(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", plain, word)


def _skip_body(lines: list[str], at: int, name: str, *, indented: bool) -> int:
    """The index of the line after the one that ends a heredoc."""
    for index in range(at, len(lines)):
        line = lines[index].rstrip("\r")
        if (line.lstrip("\t") if indented else line) == name:
            return index + 1
    raise InputError(f"the heredoc {name} is not closed", fix=f"add a line that is just {name}")
