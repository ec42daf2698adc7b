"""When each target of a build ran, and what its builder did meanwhile.

Collected during a build from the builder's progress output; shown at its end as a summary and a
chart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from buildlib.core.plan.critical_path import critical_path
from buildlib.engine.buildkit_output import Done, Event, Progress, instruction_of
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.core.model.label import Label

FETCH, TRANSFER, UNPACK, RUN, EXPORT, OTHER = (
    "waiting for downloads",
    "handing over files",
    "unpacking (ADD, COPY)",
    "running steps",
    "exporting images",
    "own work",
)
KINDS = (FETCH, TRANSFER, UNPACK, RUN, EXPORT, OTHER)
"""What a target can spend its time on, in the order in which it happens."""


class Span(NamedTuple):
    """One target's time.

    Attributes:
        start: Seconds after the build's start.
        end: The same.
        kinds: Seconds by what they were spent on; they add up to the whole time.
    """

    label: Label
    start: float
    end: float
    kinds: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return self.end - self.start


class SpanRecorder:
    """Measures one target: takes the lines of its builder, and adds up the times of its steps.

    Args:
        begin: When the whole build began (monotonic seconds).
    """

    def __init__(self, label: Label, begin: float) -> None:
        self._label = label
        self._begin = begin
        self._started = time.monotonic()
        self._progress = Progress()
        self._kinds: dict[str, float] = {}

    def feed(self, text: str) -> Event | None:
        """Take a line of the builder; return its event."""
        event = self._progress.feed(text)
        if isinstance(event, Done):
            kind = _kind(self._progress.names.get(event.vertex, ""))
            if kind:
                self._add(kind, event.seconds)
        return event

    def waited(self, seconds: float) -> None:
        """Add seconds that were spent waiting for downloads."""
        self._add(FETCH, seconds)

    def _add(self, kind: str, seconds: float) -> None:
        self._kinds[kind] = self._kinds.get(kind, 0.0) + seconds

    def end(self) -> Span:
        """Return the target's span; call it when the target has ended."""
        now = time.monotonic()
        took, measured = now - self._started, sum(self._kinds.values())
        share = min(1.0, took / measured) if measured else 1.0  # steps may run in parallel
        kinds = {kind: seconds * share for kind, seconds in self._kinds.items()}
        kinds[OTHER] = max(0.0, took - measured)
        return Span(self._label, self._started - self._begin, now - self._begin, kinds)


def _kind(name: str) -> str:
    """Return what a vertex spends its time on; empty where that is too little to show."""
    if name.startswith("[internal]"):
        return TRANSFER if name.endswith("load build context") else ""
    if name.startswith("exporting"):
        return EXPORT
    keyword = instruction_of(name).partition(" ")[0]
    return {"RUN": RUN, "ADD": UNPACK, "COPY": UNPACK, "FROM": UNPACK}.get(keyword, "")


def critical_path_of(
    spans: Sequence[Span], build_deps: Mapping[Label, Sequence[Label]]
) -> list[Label]:
    """Return the critical path of a build, by the times it took, first to last."""
    labels = [span.label for span in sorted(spans, key=lambda span: span.end)]
    return critical_path(labels, build_deps, {span.label: span.seconds for span in spans})


def summary(
    spans: Sequence[Span], build_deps: Mapping[Label, Sequence[Label]], names: Mapping[Label, str]
) -> list[str]:
    """Say in lines where the time of a build went."""
    seconds = {span.label: span.seconds for span in spans}
    took = max(span.end for span in spans)
    kinds = {kind: sum(span.kinds.get(kind, 0.0) for span in spans) for kind in KINDS}
    shares = [f"{kind} {duration(kinds[kind])}" for kind in KINDS if kinds[kind] >= _WORTH * took]
    path = critical_path_of(spans, build_deps)
    shown = " > ".join(f"{names[label]} {duration(seconds[label])}" for label in path)
    busy = sum(seconds.values()) / took if took else 0.0
    return [
        f"time went to: {', '.join(shares)} ({busy:.1f} targets at a time)",
        f"critical path, {duration(sum(seconds[label] for label in path))}: {shown}",
    ]


_WORTH = 0.01
"""Part of the whole time below which the summary leaves a kind out."""
