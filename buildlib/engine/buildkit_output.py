"""Read BuildKit's plain progress output (`--progress=plain`), line by line, as events.

BuildKit calls a node of its graph a vertex, and numbers those it shows: a step of a Dockerfile, or
work of its own such as `[internal] load build context`. Client 20.10 and every buildx print the
same; a line of no vertex is `Other`. Pure: lines in, events out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(r"#(\d+) (.*)", re.DOTALL)
_OUTPUT = re.compile(r"\d+\.\d+(?: (.*))?$", re.DOTALL)
_DONE = re.compile(r"DONE(?: (\d+(?:\.\d+)?)s)?$")
_ERROR = re.compile(r"ERROR:?(?: (.*))?$", re.DOTALL)
_INSTRUCTION = re.compile(r"\[(?:[^\]]* )?\d+/\d+\] (.*)", re.DOTALL)
_CANCELLED = "context canceled"
"""The end of an error that another one caused (Go's context.Canceled)."""


class Started(NamedTuple):
    """A vertex is shown for the first time."""

    vertex: int
    name: str


class Resumed(NamedTuple):
    """The output returns to a vertex, after another one."""

    vertex: int
    name: str


class Output(NamedTuple):
    """A line that a step wrote."""

    vertex: int
    text: str


class Status(NamedTuple):
    """BuildKit describes its own work: `transferring context: 30.01MB 0.5s done`."""

    vertex: int
    text: str


class Cached(NamedTuple):
    """A cache hit: nothing had to be done."""

    vertex: int


class Done(NamedTuple):
    """A vertex succeeded."""

    vertex: int
    seconds: float


class Cancelled(NamedTuple):
    """A vertex was stopped because another one failed, or the whole build was stopped."""

    vertex: int


class Failed(NamedTuple):
    """A vertex failed."""

    vertex: int
    reason: str


class Other(NamedTuple):
    """A line of no vertex: the client's own words, or a failed step repeated."""

    text: str


Event = Started | Resumed | Output | Status | Cached | Done | Cancelled | Failed | Other


class Progress:
    """Reads the output of one build.

    Attributes:
        names: Number of each vertex that was shown -> its name.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def feed(self, line: str) -> Event | None:
        """Return the event of a line; None where it says nothing."""
        match = _LINE.match(line)
        if match is None:
            return Other(line) if line.strip() else None
        vertex, text = int(match[1]), match[2]
        if text == "...":  # another vertex comes next
            return None
        return _common_event(vertex, text) or self._named(vertex, text)

    def _named(self, vertex: int, text: str) -> Event:
        """Read a line that may name its vertex: its first line, or one where its output resumes."""
        name = self.names.get(vertex)
        if name == text:
            return Resumed(vertex, text)
        if name is None or text.startswith("["):
            self.names[vertex] = text
            return Started(vertex, text)
        return Status(vertex, text)


def instruction_of(name: str) -> str:
    """Return the Dockerfile's instruction that a vertex runs; empty if it runs none."""
    match = _INSTRUCTION.match(name)
    return match[1] if match else ""


def _common_event(vertex: int, text: str) -> Event | None:
    """Return the event of a line whose form is the same for all vertices."""
    if output := _OUTPUT.match(text):
        return Output(vertex, output[1] or "")
    if done := _DONE.match(text):
        return Done(vertex, float(done[1] or 0))
    if error := _ERROR.match(text):
        reason = error[1] or ""
        return Cancelled(vertex) if reason.endswith(_CANCELLED) else Failed(vertex, reason)
    if text == "CACHED":
        return Cached(vertex)
    return Cancelled(vertex) if text == "CANCELED" else None
