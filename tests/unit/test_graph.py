"""The graph: order, edges, and what a person's words mean in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.graph.graph import Graph
from buildlib.core.graph.validate import validate
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.model.target import SRC, Dep, Target
from buildlib.core.rules.filegroup import RULE
from buildlib.errors import InputError, Location
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder


def target(label: Label, deps: list[Label], *, by_name: bool = False) -> Target:
    edges = tuple(Dep(SRC, str(dep), Reference(dep), by_name=by_name) for dep in deps)
    return Target(label, RULE, Location("BUILD.py", 1), "", {}, deps=edges)


def graph_of(**edges: str) -> Graph:
    """`graph_of(a="b c", b="", c="")`: one target in each package."""
    labels = {name: Label(name, name) for name in edges}
    return Graph(
        {
            labels[n]: target(labels[n], [labels[d] for d in deps.split()])
            for n, deps in edges.items()
        }
    )


@given(st.lists(st.lists(st.integers(0, 8), max_size=4), max_size=9), st.randoms())
def test_dependencies_come_first(rows: list[list[int]], random: object) -> None:
    labels = [Label("p", f"n{number}") for number in range(len(rows))]
    targets = {
        labels[n]: target(labels[n], sorted({labels[d] for d in row if d < n}))
        for n, row in enumerate(rows)
    }
    names = list(targets)
    random.shuffle(names)  # type: ignore[attr-defined]
    graph = Graph({name: targets[name] for name in names})
    place = {label: at for at, label in enumerate(graph.order)}
    assert sorted(graph.order) == sorted(labels)
    for label in labels:
        assert all(place[dep.ref.label] < place[label] for dep in targets[label].deps)
    for label in labels:
        closure = graph.closure([label])
        assert closure[-1] == label
        assert closure == [x for x in graph.order if x in set(closure)]
        below = {dep.ref.label for x in closure for dep in targets[x].deps}
        assert below | {label} == set(closure)


def test_a_cycle_is_shown_with_its_whole_path() -> None:
    graph = graph_of(top="a", a="b", b="c", c="d a", d="")
    (error,) = set(graph.errors.values())
    assert "//a -> //b -> //c -> //a" in error.what
    assert "//top" not in error.render()
    assert {str(label) for label in graph.errors} == {"//top", "//a", "//b", "//c"}
    assert list(map(str, graph.order)) == ["//d"], "what is not in it can be used"


def test_naming_an_image_is_no_need_of_it() -> None:
    """A kernelspec may stand in the image that it names."""
    a, b = Label("a", "a"), Label("b", "b")
    graph = Graph({a: target(a, [b]), b: target(b, [a], by_name=True)})
    assert graph.closure([b]) == [b]
    assert graph.closure([a]) == [b, a]


def test_parts_have_the_edges_of_their_own(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("p/x").file("q/y").file("q/z")
    made.build("q", 'filegroup(name="y", srcs=["y"])', 'filegroup(name="z", srcs=["z"])')
    made.build("p", 'tarball(name="t", parts={"a": {"x": "x", "y": "//q:y"}, "b": {"z": "//q:z"}})')
    graph = made.graph()
    label = parse_label("//p:t")

    def below(*parts: str) -> list[str]:
        return [str(dep.ref) for dep in graph.deps(Reference(label, parts))]

    assert (below("a"), below("b"), below("a", "b"), below()) == (
        ["//q:y"], ["//q:z"], ["//q:y", "//q:z"], ["//q:y", "//q:z"],
    )  # fmt: skip


# -- words ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return family(tmp_path_factory.mktemp("family")).graph()


@pytest.mark.parametrize(
    ("word", "package", "expected"),
    [
        ("//images/py", "", "//images/py"),
        ("//images/py:py", "", "//images/py"),
        ("py", "", "//images/py"),
        ("build:py", "", "//images/py"),
        ("images/py", "", "//images/py"),
        ("build:images/py", "", "//images/py"),
        ("images/py/", "", "//images/py"),
        ("./images/py", "", "//images/py"),
        ("images/py/BUILD.py", "", "//images/py"),
        ("tools:jre", "", "//tools:jre"),
        (":jre", "tools", "//tools:jre"),
        ("tools", "", "//tools:jre //tools:logos //tools:spark"),
        ("//tools:all", "", "//tools:jre //tools:logos //tools:spark"),
        ("//tools/...", "", "//tools:jre //tools:logos //tools:spark"),
        (".", "tools", "//tools:jre //tools:logos //tools:spark"),
        ("../images/py", "tools", "//images/py"),
        ("py", "tools", "//images/py"),
        ("py/", "images", "//images/py"),
        ("./py", "images", "//images/py"),
        ("BUILD.py", "images/py", "//images/py"),
    ],
)
def test_what_a_word_means(graph: Graph, word: str, package: str, expected: str) -> None:
    found = graph.resolve([word], package=package)
    assert " ".join(sorted(str(label) for label in found)) == expected


def test_every_target_is_found_by_each_of_its_names(graph: Graph) -> None:
    for label, name in graph.task_names.items():
        for word in (str(label), name, f"build:{name}", label.short[2:]):
            assert graph.resolve([word]) == [label]


def test_words_that_mean_the_same_are_one(graph: Graph) -> None:
    assert graph.resolve(["py", "//images/py", "build:py"]) == [parse_label("//images/py")]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("pyy", "py"),
        ("//images/pi", "//images/py"),
        ("build:bas", "build:base"),
        ("//elsewhere/base", "//images/base"),
        ("tools:jrr", "tools:jre"),
        ("images/py:py", "//images/py"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(graph: Graph, word: str, meant: str) -> None:
    with pytest.raises(InputError) as refused:
        graph.resolve([word])
    assert refused.value.what == f"there is no target {word}; did you mean {meant}?"
    assert refused.value.fix == f"./doitw build {meant}"


@pytest.mark.parametrize("word", ["zzzzzz", "//zzzzzz/...", "//images:all", "//zzz:all", ""])
def test_a_word_like_nothing_points_to_the_list(graph: Graph, word: str) -> None:
    with pytest.raises(InputError) as refused:
        graph.resolve([word])
    assert refused.value.fix == "./doitw list"


# -- Dockerfiles ----------------------------------------------------------------------------------


class Forgetful(dict[object, object]):
    """A memo that counts what it is asked and knows."""

    known = 0

    def get(self, key: object, default: object = None) -> object:
        self.known += key in self
        return super().get(key, default)


def test_a_dockerfile_is_parsed_once_for_one_content(tmp_path: Path) -> None:
    made = family(tmp_path)
    workspace, memo = made.open(), Forgetful()
    images = 5  # with a Dockerfile; two of them are the same to the check
    validate(workspace.graph, workspace.tree, memo)
    first, count = memo.known, len(memo)
    assert first + count == images
    validate(workspace.graph, workspace.tree, memo)
    assert (memo.known - first, len(memo)) == (images, count)


@pytest.mark.parametrize(
    "change",
    [
        ('build_args={"F": "here"}', 'build_args={"F": "gone"}'),
        ('srcs=["here"]', "srcs=[]"),
        ('"//images/os"', '"//images/other"'),
    ],
)
def test_what_was_found_right_is_looked_at_again_when_it_changed(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    """The memo must hold all that decides: a build argument may be part of a COPY's path."""
    made = WorkspaceBuilder(tmp_path).image("images/os").image("images/other").file("a/here")
    made.image(
        "a",
        'srcs=["here"], build_args={"F": "here"}, parent="//images/os"',
        "ARG BASE_CONTAINER=elyra/os:dev\nFROM ${BASE_CONTAINER}\nARG F\nCOPY ${F} /\n",
    )
    workspace = made.open()
    assert workspace.graph
    workspace.save()
    made.replace("a/BUILD.py", *change)
    message = made.error()
    assert message.startswith("a/Dockerfile:")
    assert "\n  declared at a/BUILD.py:2\n" in message


def test_an_image_that_a_dockerfile_cannot_name_is_told(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).link("a/Dockerfile", "nowhere")
    made.build("a", 'docker_image(name="a")')
    assert "a/BUILD.py:2: error: " in made.error()
