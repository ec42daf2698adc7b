"""Find in a build's plain output which step failed, and its line in the Dockerfile.

Pure: lines in, facts out. Where it does not understand the output, the tail remains.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from buildlib.core.dockerfile.lines import read_lines
from buildlib.engine.buildkit_output import Event, Failed, Other, Output, Progress, instruction_of
from buildlib.errors import InputError

_TAIL = 20
_PARENT = re.compile(r"\[internal\] load metadata for (?:docker\.io/(?:library/)?)?(\S+)")
_PARSE = re.compile(r"dockerfile parse error (?:on )?line (\d+)", re.IGNORECASE)
_PREFIX = re.compile(
    r"^(?:ERROR: |failed to build: |failed to solve: |failed to solve with frontend [\w.]+: "
    r"|rpc error: code = \w+ desc = |failed to create LLB definition: )+"
)
_GONE = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|transport is closing"
    r"|code = Unavailable|connection reset by peer|unexpected EOF"
    r"|server did not provide an image ID"
)
_REFUSED = re.compile(
    r"could not resolve|failure (?:in name resolution|resolving)|unable to resolve host"
    r"|name or service not known|network is unreachable|NewConnectionError|bad address '"
    r"|EAI_AGAIN|dial tcp: lookup|UnknownHostException|dns error|DNS: transient error",
    re.IGNORECASE,
)
"""What programs say where no name resolves and no address is reached."""
_HARMLESS = "sudo: "
"""Begins a line that says so of the machine's own name, and fails nothing."""
_FLAGS = re.compile(r"^(\s*\w+\s+)(?:--[a-z]+=\S+\s*)+")
"""Those of the instruction; what a command has of its own stays."""
_RULE = re.compile(r"-{4,}$")


class Failure(NamedTuple):
    """Why a build failed.

    Attributes:
        step: The failed instruction as BuildKit shows it; empty if no step failed.
        reason: The error in BuildKit's words.
        line: Its line in the Dockerfile, from 1; 0 if unknown.
        tail: The last lines that the step wrote; of the whole output if no step failed.
        engine_gone: Whether the engine went away, and no step failed.
        refused: Whether the step found no network.
    """

    step: str
    reason: str
    line: int
    tail: tuple[str, ...]
    engine_gone: bool
    refused: bool = False


class FailureFinder:
    """Reads a build's output as it comes, and keeps only what explains a failure."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._tails: dict[int, deque[str]] = {}
        self._refused: set[int] = set()
        self._others: deque[str] = deque(maxlen=_TAIL)
        self._last = ""
        self._failed: Failed | None = None
        self._gone = False

    def feed(self, line: str) -> Event | None:
        """Take the next line; return its event."""
        event = self._progress.feed(line)
        match event:
            case Output(vertex, text):
                self._tails.setdefault(vertex, deque(maxlen=_TAIL)).append(text)
                if _REFUSED.search(text) and not text.startswith(_HARMLESS):
                    self._refused.add(vertex)
            case Failed():
                self._failed = event
            case Other(text):
                self._gone = self._gone or bool(_GONE.search(text))
                if not _RULE.match(text):
                    self._others.append(text)
        if line.strip():
            self._last = line
        return event

    def failure(self, dockerfile: str) -> Failure:
        """Return why the build failed; `dockerfile` is the author's text, for the line's number."""
        failed = self._failed or Failed(-1, "")
        step = _step(self._progress.names.get(failed.vertex, ""))
        last = self._others[-1] if self._others else self._last
        reason = _PREFIX.sub("", failed.reason or last)
        tail = self._tails.get(failed.vertex, ()) if step else self._outside_steps(reason)
        line = line_of(step, dockerfile)
        if not line and (match := _PARSE.search(reason)):
            line = int(match[1])
        refused = failed.vertex in self._refused
        return Failure(step, reason, line, tuple(tail), self._gone and not step, refused)

    def _outside_steps(self, reason: str) -> list[str]:
        """Return the lines of no step, without those that repeat the reason."""
        return [
            text
            for text in self._others
            if not text.startswith((" > ", "#")) and not text.endswith(reason)
        ]


def _step(name: str) -> str:
    """Return a vertex's work as an instruction."""
    parent = _PARENT.match(name)
    return f"FROM {parent[1]}" if parent else _plain(instruction_of(name))


def line_of(step: str, dockerfile: str) -> int:
    """Return the line, from 1, of the instruction that BuildKit shows as `step`; 0 if unknown."""
    instruction = _plain(step)
    if not instruction:
        return 0
    try:
        instructions = read_lines(dockerfile, "").instructions
    except InputError:  # then BuildKit says what is wrong with it
        return 0
    texts = [(each.line, each.name, _plain(f"{each.name} {each.rest}")) for each in instructions]
    # BuildKit shows the first line of a heredoc behind its instruction.
    shown = {instruction, re.sub(r"(<<\S+) \(.*\)$", r"\1", instruction)}
    for line, _, text in texts:
        if text in shown:
            return line
    # BuildKit fills in arguments and cuts long texts short.
    keyword = instruction.split(" ", 1)[0]
    alike = [
        line
        for line, name, text in texts
        if name == keyword and _common_length(text, instruction) > len(keyword) + 8
    ]
    return alike[0] if len(alike) == 1 else 0


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", _FLAGS.sub(r"\1", text)).strip()


def _common_length(left: str, right: str) -> int:
    same = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        same += 1
    return same
