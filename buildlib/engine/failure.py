"""Find in a build's plain output which step failed, and where the Dockerfile says so.

Pure: lines in, facts out. Reads what BuildKit 0.8 (in engine and client 20.10) and later print
with `--progress=plain`; what it cannot read it leaves out, and the tail of the output remains.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from buildlib.dockerfile.lines import read_lines
from buildlib.errors import InputError

_TAIL = 20
_STEP = re.compile(r"#(\d+) \[(?:[^\]]* )?(\d+)/\d+\] (.*)")
_PARENT = re.compile(r"#(\d+) \[internal\] load metadata for (?:docker\.io/(?:library/)?)?(\S+)")
_PARSE = re.compile(r"dockerfile parse error (?:on )?line (\d+)", re.IGNORECASE)
_PREFIX = re.compile(
    r"^(?:ERROR: |failed to solve: |failed to solve with frontend [\w.]+: "
    r"|rpc error: code = \w+ desc = |failed to create LLB definition: )+"
)
_VERTEX = re.compile(r"#(\d+) (?:\[|ERROR|DONE|CACHED|sha256:)")
_OUTPUT = re.compile(r"#(\d+) \d+\.\d+ (.*)")
_FAILED = re.compile(r"#(\d+) ERROR:? ?(.*)")
_GONE = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|transport is closing"
    r"|code = Unavailable|connection reset by peer|unexpected EOF"
    r"|server did not provide an image ID"
)
_FLAG = re.compile(r"--[a-z]+=\S+\s*")
_NOISE = re.compile(r"#\d+ (?:sha256:|CACHED|DONE|transferring|exporting)|-{4,}$|\s*$")


class Failure(NamedTuple):
    """Why a build failed.

    Attributes:
        step: The failing instruction as BuildKit shows it, or an empty text.
        reason: The error in BuildKit's words.
        line: Its line in the Dockerfile, from 1; 0 if it cannot be told.
        tail: The last lines that the step wrote; of the whole output if no step failed.
        engine_gone: Whether the engine went away rather than the step failed.
    """

    step: str
    reason: str
    line: int
    tail: tuple[str, ...]
    engine_gone: bool


class Watch:
    """Reads a build's output as it comes, keeping only what a failure would need."""

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}
        self._tails: dict[str, deque[str]] = {}
        self._all: deque[str] = deque(maxlen=_TAIL)
        self._failed = ""
        self._reason = ""
        self._gone = False

    def feed(self, line: str) -> None:
        """Take the next line."""
        if found := _OUTPUT.match(line):
            self._tails.setdefault(found[1], deque(maxlen=_TAIL)).append(found[2])
        elif found := _STEP.match(line):
            self._titles[found[1]] = found[3]
        elif found := _PARENT.match(line):
            self._titles[found[1]] = f"FROM {found[2]}"
        elif (found := _FAILED.match(line)) and "cancel" not in found[2]:
            # Steps that ran beside the failing one are cancelled, and say so as an error.
            self._failed, self._reason = found[1], found[2]
        elif not _VERTEX.match(line) and _GONE.search(line):
            self._gone = True
        if not _NOISE.match(line):
            self._all.append(line)

    def failure(self, dockerfile: str) -> Failure:
        """What is known, once the build has failed.

        Args:
            dockerfile: Text in which to find the line: the author's own.
        """
        step = _plain(self._titles.get(self._failed, ""))
        last = self._all[-1] if self._all else ""
        reason = _PREFIX.sub("", self._reason or last)
        tail = self._tails.get(self._failed, ()) if step else self._loose(reason)
        line = line_of(step, dockerfile)
        if not line and (found := _PARSE.search(reason)):
            line = int(found[1])
        return Failure(step, reason, line, tuple(tail), self._gone and not step)

    def _loose(self, reason: str) -> list[str]:
        """Lines that belong to no step, without those that say the reason again."""
        return [
            line
            for line in self._all
            if not line.startswith(("#", " > ")) and not line.endswith(reason)
        ]


def line_of(step: str, dockerfile: str) -> int:
    """The line, from 1, of the instruction that BuildKit shows as `step`; 0 if none is like it."""
    wanted = _plain(step)
    if not wanted:
        return 0
    try:
        instructions = read_lines(dockerfile, "").instructions
    except InputError:  # BuildKit's words say what is wrong with it, then
        return 0
    texts = [(each.line, each.name, _plain(f"{each.name} {each.rest}")) for each in instructions]
    # The first line of a heredoc is shown behind it.
    shown = {wanted, re.sub(r"(<<\S+) \(.*\)$", r"\1", wanted)}
    for line, _, text in texts:
        if text in shown:
            return line
    # Arguments are filled in and long texts cut short in what BuildKit shows.
    keyword = wanted.split(" ", 1)[0]
    alike = [
        line
        for line, name, text in texts
        if name == keyword and _common(text, wanted) > len(keyword) + 8
    ]
    return alike[0] if len(alike) == 1 else 0


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", _FLAG.sub("", text)).strip()


def _common(left: str, right: str) -> int:
    same = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        same += 1
    return same
