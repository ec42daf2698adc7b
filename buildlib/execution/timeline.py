"""When each target of a build ran, and what its builder did meanwhile.

Collected while a build runs, summed up at its end, and kept as a picture. What a builder did is
read off its own plain output: the lines that say what a step is and how long it took.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from buildlib.plan.critical_path import critical_path
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.model.label import Label

FETCH, TRANSFER, UNPACK, RUN, EXPORT, OTHER = (
    "waiting for downloads",
    "handing over files",
    "unpacking (ADD, COPY)",
    "running steps",
    "exporting images",
    "own work",
)
KINDS = (FETCH, TRANSFER, UNPACK, RUN, EXPORT, OTHER)
"""What the time of a target can go to, in the order in which it happens."""

_STEP = re.compile(r"#(\d+) (\[.*?\] |)(\S+)(.*)")
_DONE = re.compile(r"#(\d+) DONE (\d+(?:\.\d+)?)s")


class Span(NamedTuple):
    """One target's time.

    Attributes:
        label: The target.
        start: Seconds after the build's start.
        end: The same, of its end.
        kinds: Seconds by what they went to; they add up to all of it.
    """

    label: Label
    start: float
    end: float
    kinds: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


class Watch:
    """Takes the lines of one target's builder, and sums up its steps.

    Args:
        label: The target.
        begin: When the whole build began (monotonic seconds).
    """

    def __init__(self, label: Label, begin: float) -> None:
        self._label = label
        self._begin = begin
        self._started = time.monotonic()
        self._names: dict[str, str] = {}
        self._kinds: dict[str, float] = {}

    def line(self, text: str) -> None:
        """Read one line of BuildKit's plain output."""
        if not text.startswith("#"):
            return
        done = _DONE.match(text)
        if done:
            kind = self._names.get(done.group(1))
            if kind:
                self._add(kind, float(done.group(2)))
            return
        step = _STEP.match(text)
        if step:
            kind = _kind(step.group(2), step.group(3), step.group(4))
            if kind:
                self._names.setdefault(step.group(1), kind)

    def waited(self, seconds: float) -> None:
        """Note seconds in which downloads were waited for."""
        self._add(FETCH, seconds)

    def _add(self, kind: str, seconds: float) -> None:
        self._kinds[kind] = self._kinds.get(kind, 0.0) + seconds

    def end(self) -> Span:
        """The target has ended."""
        now = time.monotonic()
        took, known = now - self._started, sum(self._kinds.values())
        share = min(1.0, took / known) if known else 1.0  # steps may run beside one another
        kinds = {kind: seconds * share for kind, seconds in self._kinds.items()}
        kinds[OTHER] = max(0.0, took - known)
        return Span(self._label, self._started - self._begin, now - self._begin, kinds)


def _kind(bracket: str, word: str, rest: str) -> str:
    """What a step is, by its first line; empty for what takes no time worth telling."""
    if bracket.startswith("[internal]"):
        return TRANSFER if word == "load" and "build context" in rest else ""
    if word == "exporting":
        return EXPORT
    if not bracket:
        return ""
    return {"RUN": RUN, "ADD": UNPACK, "COPY": UNPACK, "FROM": UNPACK}.get(word, "")


def chain(spans: Sequence[Span], below: Mapping[Label, Sequence[Label]]) -> list[Label]:
    """The longest row of targets of which each needed the one before, first to last."""
    labels = [span.label for span in sorted(spans, key=lambda span: span.end)]
    return critical_path(labels, below, {span.label: span.seconds for span in spans})


def summary(
    spans: Sequence[Span], below: Mapping[Label, Sequence[Label]], names: Mapping[Label, str]
) -> list[str]:
    """Where the time of a build went, in lines for people.

    Args:
        spans: All targets that were made, in any order.
        below: What each needs.
        names: What they are called.
    """
    seconds = {span.label: span.seconds for span in spans}
    took = max(span.end for span in spans)
    kinds = {kind: sum(span.kinds.get(kind, 0.0) for span in spans) for kind in KINDS}
    told = [f"{kind} {duration(kinds[kind])}" for kind in KINDS if kinds[kind] >= _WORTH * took]
    row = chain(spans, below)
    shown = " > ".join(f"{names[label]} {duration(seconds[label])}" for label in row)
    busy = sum(seconds.values()) / took if took else 0.0
    return [
        f"time went to: {', '.join(told)} ({busy:.1f} targets at a time)",
        f"longest chain, {duration(sum(seconds[label] for label in row))}: {shown}",
    ]


_WORTH = 0.01
"""Part of the whole time below which a kind is not told."""
