"""Where the time of a build goes: the critical path, a builder's lines, the picture."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.build.execution import timeline
from buildlib.build.execution.gantt import draw
from buildlib.build.execution.timeline import (
    EXPORT,
    FETCH,
    OTHER,
    RUN,
    TRANSFER,
    UNPACK,
    Span,
    SpanRecorder,
)
from buildlib.core.model.label import Label
from buildlib.core.plan.critical_path import critical_path, guess, path_lengths

A, B, C, D = (Label("images", name) for name in "abcd")
BELOW = {A: [], B: [A], C: [A], D: [C]}
SECONDS = {A: 1.0, B: 5.0, C: 2.0, D: 4.0}
NAMES = {label: label.name for label in BELOW}

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#3 [internal] load metadata for docker.io/elyra/os:key-0
#3 DONE 0.4s
#4 [1/3] FROM docker.io/elyra/os:key-0
#4 DONE 0.3s
#5 [internal] load build context
#5 transferring context: 17.06MB 1.1s done
#5 DONE 1.2s
#6 [2/3] RUN pip install
#6 0.353 DONE 9.9s is what the program says itself
#6 DONE 20.5s
#7 [stage-1 3/3] ADD spark.tar /
#7 CACHED
#8 [3/3] COPY x /
#8 DONE 0.5s
#9 exporting to image
#9 exporting layers 3.0s done
#9 DONE 3.1s
"""


@st.composite
def graphs(draw_: st.DrawFn) -> tuple[dict[Label, list[Label]], dict[Label, float]]:
    labels = [Label("x", str(number)) for number in range(draw_(st.integers(1, 12)))]
    below = {
        label: draw_(st.lists(st.sampled_from(labels[:place]), unique=True)) if place else []
        for place, label in enumerate(labels)
    }
    return below, {label: float(draw_(st.integers(1, 100))) for label in labels}


@given(graphs())
def test_the_most_urgent_first_keeps_dependencies_first(
    graph: tuple[dict[Label, list[Label]], dict[Label, float]],
) -> None:
    below, seconds = graph
    rows = path_lengths(list(below), below, seconds)
    order = sorted(below, key=lambda label: -rows[label])
    for label in below:
        assert all(order.index(other) < order.index(label) for other in below[label])


@given(graphs())
def test_the_longest_chain_is_a_chain_and_none_is_longer(
    graph: tuple[dict[Label, list[Label]], dict[Label, float]],
) -> None:
    below, seconds = graph
    row = critical_path(list(below), below, seconds)
    assert all(first in below[then] for first, then in pairwise(row))

    def length(label: Label) -> float:
        return seconds[label] + max((length(other) for other in below[label]), default=0.0)

    assert sum(seconds[label] for label in row) == max(map(length, below))


def test_of_two_rows_the_longer_one_is_more_urgent() -> None:
    assert path_lengths([A, B, C, D], BELOW, SECONDS) == {A: 7.0, B: 5.0, C: 6.0, D: 4.0}
    assert critical_path([A, B, C, D], BELOW, SECONDS) == [A, C, D]
    assert critical_path([], {}, {}) == []


def test_what_needs_more_from_outside_is_guessed_to_take_longer() -> None:
    assert 0 < guess(0) < guess(100_000_000)


def test_a_builders_lines_are_summed_up_by_what_they_are() -> None:
    recorder = SpanRecorder(A, 0.0)
    recorder._started -= 60  # that long it took
    for line in BUILDKIT.splitlines():
        recorder.feed(line)
    recorder.feed("no line of BuildKit at all")
    recorder.waited(2.0)
    kinds = dict(recorder.end().kinds)
    assert kinds.pop(OTHER) == pytest.approx(60 - 27.6, abs=1)
    assert kinds == {FETCH: 2.0, TRANSFER: 1.2, UNPACK: 0.8, RUN: 20.5, EXPORT: 3.1}


def test_steps_beside_one_another_do_not_take_longer_than_the_target() -> None:
    recorder = SpanRecorder(A, 0.0)
    recorder._started -= 10
    for line in ("#1 [a 1/2] RUN x", "#2 [b 1/2] RUN y", "#1 DONE 9.0s", "#2 DONE 9.0s"):
        recorder.feed(line)
    recorder.waited(2.0)
    span = recorder.end()
    assert sum(span.kinds.values()) == pytest.approx(span.seconds)
    assert span.kinds[RUN] == pytest.approx(9, abs=0.1)


def spans() -> list[Span]:
    """B beside C and D, on A."""
    return [
        Span(A, 0.0, 1.0, {RUN: 1.0}),
        Span(B, 1.0, 6.0, {RUN: 3.0, EXPORT: 2.0}),
        Span(C, 1.0, 3.0, {RUN: 2.0}),
        Span(D, 3.0, 7.0, {FETCH: 4.0}),
    ]


def test_the_summary_says_where_the_time_went_and_what_was_waited_for() -> None:
    went, chain = timeline.summary(spans(), BELOW, NAMES)
    assert went == (
        "time went to: waiting for downloads 4.0 s, running steps 6.0 s, exporting images 2.0 s"
        " (1.7 targets at a time)"
    )
    assert chain == "critical path, 7.0 s: a 1.0 s > c 2.0 s > d 4.0 s"


def test_the_picture_has_a_row_for_each_target_and_bold_names_on_the_chain() -> None:
    names = {**NAMES, B: "<b> & more"}
    tree = ET.fromstring(draw(spans(), names, timeline.critical_path_of(spans(), BELOW)))
    texts = [text for text in tree.iter("{http://www.w3.org/2000/svg}text") if text.text]
    bold = {text.text for text in texts if text.get("font-weight") == "bold"}
    assert bold == {"a", "c", "d"}
    assert "<b> & more" in {text.text for text in texts}
    bars = [rect for rect in tree.iter("{http://www.w3.org/2000/svg}rect") if len(rect)]
    assert len(bars) == 5


def test_what_took_next_to_no_time_is_counted_and_gets_no_row() -> None:
    quick = [Span(Label("x", str(n)), 1.0, 1.001, {RUN: 0.001}) for n in range(40)]
    names = {**NAMES, **{span.label: f"quick-{span.label.name}" for span in quick}}
    picture = draw([*spans(), *quick], names, [A, C, D])
    assert "quick-" not in picture
    assert "40 more, 0.0 s" in picture


def test_a_build_of_nothing_can_be_drawn() -> None:
    ET.fromstring(draw([], {}, []))
