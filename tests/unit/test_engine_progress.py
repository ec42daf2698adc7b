"""BuildKit's plain output as events: made-up lines, and what two clients printed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.build.execution import timeline
from buildlib.core.model.label import Label
from buildlib.engine.buildkit_output import (
    Cached,
    Cancelled,
    Done,
    Event,
    Failed,
    Other,
    Output,
    Progress,
    Resumed,
    Started,
    Status,
    instruction_of,
)
from buildlib.engine.failure import FailureFinder
from tests.fakes.buildkit.record import FAILS, FOLDER, MARK

RECORDED = sorted(FOLDER.glob("*.txt"))


def events(*lines: str) -> list[Event | None]:
    progress = Progress()
    return [progress.feed(line) for line in lines]


def builds(file: Path) -> dict[str, list[str]]:
    """The lines of each recorded build, by its name."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if line.startswith(MARK):
            lines = found[line.removeprefix(MARK)] = []
        else:
            lines.append(line)
    return found


def test_the_life_of_a_step() -> None:
    assert events(
        "#7 [two 2/3] RUN make",
        "#7 sha256:ad1765e58d01",
        "#7 0.207 building",
        "#7 0.300",
        "#7 ...",
        "",
        "#8 exporting to image",
        "#8 exporting layers 0.3s done",
        "#7 [two 2/3] RUN make",
        "#7 12.34 #9 DONE 9.9s",
        "#7 DONE 20.5s",
        "#8 DONE",
    ) == [
        Started(7, "[two 2/3] RUN make"),
        Status(7, "sha256:ad1765e58d01"),
        Output(7, "building"),
        Output(7, ""),
        None,
        None,
        Started(8, "exporting to image"),
        Status(8, "exporting layers 0.3s done"),
        Resumed(7, "[two 2/3] RUN make"),
        Output(7, "#9 DONE 9.9s"),
        Done(7, 20.5),
        Done(8, 0.0),
    ]


def test_how_a_step_ends_otherwise() -> None:
    assert events(
        "#1 [1/4] RUN a",
        "#1 CACHED",
        "#2 [2/4] RUN b",
        "#2 ERROR: exit code: 3",
        "#3 [3/4] RUN cancel it",
        '#3 ERROR: process "cancel it" did not complete successfully: exit code: 1',
        "#4 [4/4] RUN d",
        "#4 ERROR: rpc error: code = Canceled desc = context canceled",
        "#5 [5/4] RUN e",
        "#5 CANCELED",
        "------",
        "ERROR: failed to solve: exit code: 3",
    )[1::2] == [
        Cached(1),
        Failed(2, "exit code: 3"),
        Failed(3, 'process "cancel it" did not complete successfully: exit code: 1'),
        Cancelled(4),
        Cancelled(5),
        Other("ERROR: failed to solve: exit code: 3"),
    ]


@pytest.mark.parametrize(
    ("name", "instruction"),
    [
        ("[2/3] RUN a", "RUN a"),
        ("[stage-0 2/3] RUN [ -e /x ] || true", "RUN [ -e /x ] || true"),
        ("[linux/arm64 one  2/13] COPY a /b", "COPY a /b"),
        ("[internal] load build context", ""),
        ("exporting to image", ""),
    ],
)
def test_which_instruction_a_vertex_carries_out(name: str, instruction: str) -> None:
    assert instruction_of(name) == instruction


@given(st.lists(st.text(max_size=30) | st.from_regex(r"#\d+ .*", fullmatch=True)))
def test_no_line_is_too_odd(lines: list[str]) -> None:
    finder, times = FailureFinder(), timeline.SpanRecorder(Label("x", "y"), 0.0)
    for line in lines:
        assert finder.feed(line) == times.feed(line)
    finder.failure("FROM a\n")
    times.end()


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_each_step_of_a_recorded_build_begins_and_ends(file: Path) -> None:
    progress = Progress()
    found = [progress.feed(line) for line in builds(file)["steps"]]
    assert not any(isinstance(event, (Other, Failed, Cancelled)) for event in found)
    steps = {number for number, name in progress.names.items() if instruction_of(name)}
    ended = {event.vertex for event in found if isinstance(event, (Done, Cached))}
    assert len(steps) == 7
    assert steps <= ended
    output = [event.text for event in found if isinstance(event, Output)]
    assert sorted(output) == [
        "#9 DONE 9.9s",
        "ERROR: of a step",
        "half a line, its rest",
        "one",
        *("side 1", "side 2", "side 3"),
        "three",
        "two",
    ]
    cached = Counter(type(progress.feed(line)) for line in builds(file)["cached"])[Cached]
    assert cached == 6


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_the_time_of_a_recorded_build_is_summed_up(file: Path) -> None:
    recorder = timeline.SpanRecorder(Label("x", "y"), 0.0)
    recorder._started -= 60
    for line in builds(file)["steps"]:
        recorder.feed(line)
    kinds = recorder.end().kinds
    assert 6.5 < kinds[timeline.RUN] < 8
    assert 0.4 < kinds[timeline.TRANSFER] < 1
    assert 0 < kinds[timeline.EXPORT] < 1
    assert 0 < kinds[timeline.UNPACK] < 1


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_recorded_failure_is_explained(file: Path) -> None:
    finder = FailureFinder()
    for line in builds(file)["failed"]:
        finder.feed(line)
    failure = finder.failure(FAILS)
    assert failure.step == "RUN echo to out; echo to err >&2; exit 3"
    assert failure.reason.endswith("exit code: 3")
    assert (failure.line, failure.tail) == (4, ("to out", "to err"))
    assert not failure.engine_gone
