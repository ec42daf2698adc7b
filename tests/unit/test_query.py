"""Queries: Bazel's syntax, exact edges, and errors that point at the place."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_graph import graph_of, target

from buildlib.core.graph.graph import Graph
from buildlib.core.graph.paths import Paths
from buildlib.core.graph.query import query
from buildlib.core.model.label import Label
from buildlib.errors import InputError
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder

DIAMOND = graph_of(top="left right", left="base", right="base", base="", alone="")


def ask(expression: str, graph: Graph = DIAMOND) -> str:
    """The names of what is found, in one line."""
    found = query(graph, expression, lambda word: graph.resolve([word]))
    return " ".join(label.name for label in found)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("top", "top"),
        ("//left", "left"),
        ("//...", "base left right top alone"),
        ("deps(top)", "base left right top"),
        ("deps(top, 1)", "left right top"),
        ("deps(top, 0)", "top"),
        ("deps(left + alone)", "base left alone"),
        ("rdeps(base)", "base left right top"),
        ("rdeps(base, 1)", "base left right"),
        ("rdeps(left, base)", "base left"),
        ("rdeps(//..., base, 1)", "base left right"),
        ("rdeps(right, left)", ""),
        ("somepath(top, base)", "top left base"),
        ("somepath(base, top)", ""),
        ("somepath(top + alone, alone)", "alone"),
        ("allpaths(top, base)", "base left right top"),
        ("allpaths(left, base)", "base left"),
        ("allpaths(alone, base)", ""),
        ("kind(filegroup, top + base)", "top base"),
        ("kind('^file', top)", "top"),
        ("kind(image, //...)", ""),
        ("filter('//(l|r)', //...)", "left right"),
        ("attr(name, '^b', //...)", "base"),
        ("attr(tags, '\\[\\]', base)", "base"),
        ("attr(manual, False, base)", "base"),
        ("attr(unheard_of, '', //...)", ""),
        ("set(top base)", "top base"),
        ("set()", ""),
        ("deps(top) ^ rdeps(left)", "left top"),
        ("deps(top) intersect rdeps(left)", "left top"),
        ("deps(top) - deps(left)", "right top"),
        ("deps(top) except deps(left) - top", "right"),
        ("deps(top) - (deps(left) - base)", "base right top"),
        ("base union top", "base top"),
        ("top+base", "top base"),
        ("let x = deps(top) in $x - rdeps($x, base, 1)", "top"),
        ("let x = top in let y = $x + base in $y", "top base"),
        ('  deps( "top" ,1 ) ', "left right top"),
    ],
)
def test_what_is_found(expression: str, found: str) -> None:
    assert ask(expression) == found


@pytest.mark.parametrize(
    ("expression", "what", "mark"),
    [
        ("", "a target or a function is expected, not the end", 0),
        ("deps(", "a target or a function is expected, not the end", 5),
        ("deps(top", "')' is expected, not the end", 8),
        ("top base", "'base' is not expected here", 4),
        ("top)", "')' is not expected here", 3),
        ("dep(top)", "there is no function dep; did you mean deps?", 0),
        ("deps(top, left)", "a number is expected, not left", 10),
        ("kind('(', top)", "'(' is no regular expression", 5),
        ("'top", "' is not closed", 0),
        ("$x", "$x was not given a value", 0),
        ("top ^", "a target or a function is expected, not the end", 5),
        ("let x top in $x", "'=' is expected, not top", 6),
        ("attr(^, a, top)", "the name of an attribute is expected, not ^", 5),
    ],
)
def test_what_cannot_be_read_is_shown(expression: str, what: str, mark: int) -> None:
    with pytest.raises(InputError) as caught:
        ask(expression)
    assert what in caught.value.what
    assert caught.value.fix
    shown, pointer = caught.value.detail.split("\n")
    assert (shown, pointer.index("^")) == (expression, mark)


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("dep(top) - left", "deps(top) - left"),
        ("kind(a, deps(top)", "kind(a, deps(top))"),
    ],
)
def test_a_slip_is_mended_in_the_expression(expression: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(expression)
    assert caught.value.fix == f"./doitw query '{meant}'"


def test_a_word_that_names_nothing_is_told_as_everywhere() -> None:
    with pytest.raises(InputError, match="there is no target tpo; did you mean top"):
        ask("deps(tpo)")


def test_who_takes_a_part_needs_what_is_in_it(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("p/a", "").file("p/b", "")
    made.build("p/one", 'filegroup(name="one", srcs=["x"])').file("p/one/x")
    made.build("p/two", 'filegroup(name="two", srcs=["x"])').file("p/two/x")
    parts = """{"a": {"./": "//p/one"}, "b": {"./": "//p/two"}}"""
    made.build("p", f'tarball(name="all", archive="all", parts={parts})')
    made.image("a", 'srcs=["//p:all[a]"]', "FROM scratch\nADD all.tar /\n")
    graph = made.graph()
    assert ask("deps(//a) - //a", graph) == "one all"
    assert ask("rdeps(//p/two)", graph) == "two all"
    assert ask("somepath(//a, //p/two)", graph) == ""


def test_who_names_an_image_does_not_need_it() -> None:
    image, spec = Label("i", "i"), Label("s", "s")
    graph = Graph({image: target(image, []), spec: target(spec, [image], by_name=True)})
    assert ask("deps(//s)", graph) == "s"
    assert ask("rdeps(//i)", graph) == "i"


def test_a_family_of_all_rules_answers(tmp_path: Path) -> None:
    graph = family(tmp_path).graph()
    assert ask("kind(docker_image, rdeps(//..., //images/os)) - //images/os", graph)
    whole = set(ask("//...", graph).split())
    assert set(ask("deps(//...)", graph).split()) == whole
    assert set(ask("rdeps(//...)", graph).split()) == whole


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_ways_are_those_of_the_closure(rows: list[list[int]]) -> None:
    labels = [Label("p", f"n{number}") for number in range(len(rows))]
    graph = Graph(
        {
            labels[n]: target(labels[n], sorted({labels[d] for d in row if d < n}))
            for n, row in enumerate(rows)
        }
    )
    paths = Paths(graph)
    for start, end in product(labels, labels):
        needs = end in graph.closure([start])
        assert (end in paths.below([start])) == needs
        assert (start in paths.above(labels, [end])) == needs
        way = paths.shortest([start], [end])
        assert bool(way) == needs
        for one, other in pairwise(way):
            assert other in {dep.ref.label for dep in graph[one].deps}
        if way:
            assert (way[0], way[-1]) == (start, end)
            assert end in paths.below([start], len(way) - 1)
            assert len(way) == 1 or end not in paths.below([start], len(way) - 2)
