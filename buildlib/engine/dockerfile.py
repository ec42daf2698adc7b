"""Take the text of a Dockerfile apart into instructions, with the lines each stands on.

Just enough to put flags into a RUN and to find the line of a failed step; what an instruction
means is BuildKit's business. Follows the Dockerfile reference for the escape directive, comments
and blank lines inside a continued instruction, and here-documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_WITH_HEREDOC = ("RUN", "COPY", "ADD")


class Instruction(NamedTuple):
    """One instruction.

    Attributes:
        keyword: In capitals.
        first: Index of its first line, from 0.
        end: Index of the line after its last.
        text: What follows the keyword, continued lines joined; without here-documents.
    """

    keyword: str
    first: int
    end: int
    text: str


def split_lines(text: str) -> list[str]:
    """The lines of a Dockerfile as BuildKit counts them (`splitlines` knows more ends of line)."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def instructions(lines: Sequence[str]) -> Iterator[Instruction]:
    """The instructions of a Dockerfile given as its lines, in order."""
    escape = _escape(lines)
    continued = re.compile(re.escape(escape) + r"[ \t]*$")
    at = 0
    while at < len(lines):
        if _blank(lines[at]):
            at += 1
            continue
        first, parts, more = at, [], True
        while more and at < len(lines):
            line = lines[at]
            at += 1
            if _blank(line):  # comments and blank lines do not end a continued instruction
                continue
            more = bool(continued.search(line))
            parts.append(continued.sub("", line).strip() if more else line.strip())
        words = " ".join(parts).split(None, 1)
        if not words:  # a lonely escape character
            continue
        keyword, text = words[0].upper(), "".join(words[1:])
        if keyword in _WITH_HEREDOC:
            at = _after_heredocs(text, lines, at)
        yield Instruction(keyword, first, at, text.strip())


def _blank(line: str) -> bool:
    content = line.strip()
    return not content or content.startswith("#")


def _escape(lines: Sequence[str]) -> str:
    """The escape character: directives are comments before anything else, blank lines too."""
    for line in lines:
        found = _DIRECTIVE.match(line.strip())
        if not found:
            break
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


def _after_heredocs(text: str, lines: Sequence[str], at: int) -> int:
    for dash, _, word in _HEREDOC.findall(text):
        while at < len(lines):
            line = lines[at].lstrip("\t") if dash else lines[at]
            at += 1
            if line.rstrip("\r") == word:
                break
    return at
