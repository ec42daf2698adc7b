"""One wrong declaration stops what needs it, and all that asks for everything; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.build.lock.refresh import write_lock
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
Break = Callable[[WorkspaceBuilder], object]


def declared(text: str, dockerfile: str = "FROM scratch\n") -> Break:
    return lambda w: w.file("images/x/Dockerfile", dockerfile).build("images/x", text)


BROKEN: dict[str, Break] = {
    "no Python": lambda w: w.file("images/x/BUILD.py", "docker_image(\n"),
    "another encoding": lambda w: w.file("images/x/BUILD.py", b"\xff\xfe\n"),
    "an unknown argument": declared('docker_image(name="x", srcss=[])'),
    "a macro that fails": lambda w: w.file(
        "images/x/defs.py", "def f():\n    return {}['absent']\n"
    ).build("images/x", "from images.x.defs import f", "f()"),
    "requirements that are not there": declared('docker_image(name="x", python="no.in")'),
    "an edge to nothing": declared('docker_image(name="x", parent="//nowhere")'),
    "parts that are not there": declared('docker_image(name="x", srcs=["//images/a[p]"])'),
    "an edge to itself": declared('filegroup(name="x", srcs=[":x"])'),
    "a name that is taken": declared('docker_image(name="x", repository="b")'),
    "a Dockerfile that reads what is not declared": declared(
        'docker_image(name="x")', "FROM scratch\nCOPY no /\n"
    ),
    "a Dockerfile that is none": declared('docker_image(name="x")', "FORM scratch\n"),
}


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """a <- b; x is what tests break, x <- y. Nothing is pinned."""
    made = WorkspaceBuilder(tmp_path).image("images/a").image("images/x")
    made.image("images/b", 'parent="//images/a"', CHILD)
    return made.image("images/y", 'parent="//images/x"', CHILD)


def refused(workspace: Workspace, *words: str) -> InputError:
    with pytest.raises(InputError) as error:
        workspace.resolve(words)
    return error.value


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_need_it_is_built(made: WorkspaceBuilder, what: str) -> None:
    before = made.open().keys.key(Reference(parse_label("//images/b")))
    BROKEN[what](made)
    workspace = made.open()
    labels = workspace.resolve(["b"])
    assert [step.label.name for step in workspace.plan(labels).steps] == ["a", "b"]
    assert workspace.keys.key(Reference(labels[0])) == before
    for words in (["a", "//images/b"], ["//images/b:all"], ["images/b"]):
        assert made.open().resolve(words)


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize(
    "words",
    [[], ["build"], ["//..."], ["//images/..."], ["//images/x:all"], ["x"], ["images/x"],
     ["//images/x"], ["b", "//images/x"], ["y"]],
    ids=" ".join,
)  # fmt: skip
def test_what_needs_it_is_refused(made: WorkspaceBuilder, what: str, words: list[str]) -> None:
    BROKEN[what](made)
    error = refused(made.open(), *words)
    assert error.where is not None
    assert error.where.file.startswith("images/x/")


@pytest.mark.parametrize("what", BROKEN)
def test_whoever_asks_for_the_whole_graph_is_refused(made: WorkspaceBuilder, what: str) -> None:
    BROKEN[what](made)
    with pytest.raises(InputError):
        made.open().graph  # noqa: B018
    workspace = made.open()
    workspace.resolve(["b"])
    refused(workspace)  # also after targets were named


def test_all_errors_are_told_where_all_was_asked_for(made: WorkspaceBuilder) -> None:
    made.file("images/x/BUILD.py", "docker_image(\n").image("images/b", "srcss=[]")
    made.file("images/a/Dockerfile", "FROM scratch\nCOPY no /\n")
    error = refused(made.open())
    assert str(error.where) == "images/b/BUILD.py:2"
    assert [line.split(":")[1].strip() for line in (error.detail or "").splitlines()] == [
        "images/x/BUILD.py",
        "images/a/Dockerfile",
    ]
    assert "images/a" not in refused(made.open(), "x").render()


def test_one_error_of_macros_is_told_once(made: WorkspaceBuilder) -> None:
    made.file("defs.py", "X = {}['absent']\n")
    for package in ("images/x", "images/b"):
        made.build(package, "from defs import X")
    assert made.error() == "defs.py:1: error: KeyError: 'absent'\n  fix: correct line 1 of defs.py"


def test_a_target_in_a_package_that_is_not_read_is_looked_for_there(made: WorkspaceBuilder) -> None:
    made.file("images/x/BUILD.py", "docker_image(\n")
    for word in ("//images/x:environment", "x:environment", "images/x:environment"):
        assert str(refused(made.open(), word).where) == "images/x/BUILD.py:1"
    assert "there is no target nowhere" in refused(made.open(), "nowhere").what


def test_no_target_takes_the_name_of_one_that_is_broken(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).image("images/tools")
    made.image("tools", 'repository="root-tools"')
    assert [str(label) for label in made.open().resolve(["tools"])] == ["//tools"]
    made.file("tools/BUILD.py", "docker_image(\n")
    assert str(refused(made.open(), "tools").where) == "tools/BUILD.py:1"
    made.image("tools", 'repository="root-tools"')
    made.file("images/tools/BUILD.py", "docker_image(\n")
    assert [str(label) for label in made.open().resolve(["tools"])] == ["//tools"]


def test_a_setting_that_only_a_broken_package_asks_for_is_no_error(made: WorkspaceBuilder) -> None:
    made.file("pyproject.toml", '[tool.buildlib]\n[tool.buildlib.spark]\nversion = "3"\n')
    made.build("images/x", 'setting("spark.version")', "nonsense")
    assert made.open().resolve(["b"])
    assert str(refused(made.open()).where) == "images/x/BUILD.py:3"


def test_pins_of_what_is_broken_stay_in_the_lock(made: WorkspaceBuilder) -> None:
    made.image("images/x", 'parent="//images/a", apt=["curl"]', CHILD).lock_all()
    made.file("images/x/BUILD.py", "docker_image(\n")
    workspace = made.open()
    workspace.resolve(["b"])
    write_lock(workspace, workspace.lock)
    assert list(made.read_lock()["apt"]) == ["//images/x"]
    assert workspace.graph.order, "what was named can still be asked for after that"
