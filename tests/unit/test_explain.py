"""Why: down to the leaf that changed, with the path to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import Output
from buildlib.core.plan.explain import Leaf
from buildlib.core.store.records import Records
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """The family, after a build of everything."""
    made = family(tmp_path)
    build(made)
    return made


def build(made: WorkspaceBuilder) -> None:
    """Note of every target, and of the parts that others take, that it was built."""
    workspace = made.open()
    graph, keys = workspace.graph, workspace.keys
    for label in graph.order:
        for reference in (
            Reference(label),
            *(dep.ref for dep in graph[label].deps if dep.ref.parts),
        ):
            workspace.records.put(keys.record(reference), Output(), 1, label=str(reference))
        workspace.state.set_last_key(label, keys.key(Reference(label)))


def leaves(made: WorkspaceBuilder, label: str) -> list[Leaf] | None:
    return made.open().explainer.changes(parse_label(label))


def told(made: WorkspaceBuilder, label: str) -> list[tuple[str, str]]:
    """Each leaf as its part and its path."""
    return [
        (leaf.change.name, " <- ".join(str(ref) for ref in leaf.path))
        for leaf in leaves(made, label) or []
    ]


def reason(made: WorkspaceBuilder, label: str) -> str:
    return made.open().explainer.reason(parse_label(label))


def test_nothing_changed(made: WorkspaceBuilder) -> None:
    assert leaves(made, "//images/py") == []
    assert reason(made, "//images/py") == "its record is gone"


def test_never_built(tmp_path: Path) -> None:
    made = family(tmp_path)
    assert leaves(made, "//images/py") is None
    assert reason(made, "//images/py") == "not built yet"


def test_a_file_of_the_root_is_told_with_its_path(made: WorkspaceBuilder) -> None:
    made.file("images/os/files/etc/motd", "changed\n")
    path = "//images/py <- //images/base <- //images/os"
    assert told(made, "//images/py") == [("file files/etc/motd", path)]
    assert reason(made, "//images/py") == "file files/etc/motd changed in //images/os"
    assert reason(made, "//images/os") == "file files/etc/motd changed"
    (leaf,) = leaves(made, "//images/py") or []
    assert leaf.change.old != leaf.change.new
    assert (leaf.change.old or "").startswith("644 ")


def test_a_part_is_explained_by_its_own_files(made: WorkspaceBuilder) -> None:
    made.file("pack/r/run.r", "changed\n")
    assert told(made, "//images/py") == []
    assert told(made, "//images/r") == [("file r: r/run.r", "//images/r <- //pack:files[r]")]


@pytest.mark.parametrize(
    ("path", "content", "part", "verb"),
    [
        ("images/base/conf/c.conf", "", "file conf/c.conf", "added"),
        ("images/base/conf/b.conf", None, "file conf/b.conf", "removed"),
        ("images/base/conf/b.conf", "B", "file conf/b.conf", "changed"),
    ],
)
def test_what_came_and_what_went(
    made: WorkspaceBuilder, path: str, content: str | None, part: str, verb: str
) -> None:
    if content is None:
        made.remove(path)
    else:
        made.file(path, content)
    (leaf,) = leaves(made, "//images/base") or []
    assert leaf.change.name == part
    assert (leaf.change.old is None, leaf.change.new is None) == (
        verb == "added",
        verb == "removed",
    )
    assert reason(made, "//images/base") == f"{part} {verb}"


def test_another_parent_is_told_as_such_and_not_followed(made: WorkspaceBuilder) -> None:
    made.replace("images/r/BUILD.py", '"//images/base"', '"//images/os"')
    (leaf,) = leaves(made, "//images/r") or []
    assert leaf.change == ("base BASE_CONTAINER", "//images/base", "//images/os")


def test_an_image_that_is_only_named_is_told_by_its_name(made: WorkspaceBuilder) -> None:
    made.replace("images/py/BUILD.py", "parent=", 'repository="py3", parent=')
    (leaf,) = leaves(made, "//kernelspecs:python") or []
    assert leaf.change == ("image_name", "py", "py3")
    assert len(leaf.path) == 1


def test_many_leaves_are_cut_in_the_line_and_whole_in_the_answer(made: WorkspaceBuilder) -> None:
    for name in "cdefg":
        made.file(f"images/base/conf/{name}.conf")
    assert len(leaves(made, "//images/base") or []) == 5
    assert reason(made, "//images/base") == (
        "file conf/c.conf added, file conf/d.conf added, file conf/e.conf added and 2 more"
    )


def test_a_leaf_that_is_reached_in_two_ways_is_told_once(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/x")
    made.build(
        "a",
        'filegroup(name="d", srcs=["x"])',
        'filegroup(name="b", srcs=[":d"])',
        'filegroup(name="c", srcs=[":d"])',
        'filegroup(name="a", srcs=[":b", ":c"])',
    )
    build(made)
    made.file("a/x", "changed")
    assert reason(made, "//a:a") == "file x changed in //a:d"
    assert told(made, "//a:a") == [("file x", "//a <- //a:b <- //a:d")]


def test_an_explanation_does_not_grow_with_the_number_of_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten floors with two stairs each: a thousand ways down, thirty targets."""
    made = WorkspaceBuilder(tmp_path).file("a/x")
    rows = ['filegroup(name="n0", srcs=["x"])']
    for n in range(1, 11):
        rows += [f'filegroup(name="{side}{n}", srcs=[":n{n - 1}"])' for side in "lr"]
        rows.append(f'filegroup(name="n{n}", srcs=[":l{n}", ":r{n}"])')
    made.build("a", *rows)
    build(made)
    made.file("a/x", "changed")
    read = 0
    real = Records.parts

    def counted(records: Records, key: str) -> KeyRecord | None:
        nonlocal read
        read += 1
        return real(records, key)

    monkeypatch.setattr(Records, "parts", counted)
    assert reason(made, "//a:n10") == "file x changed in //a:n0"
    assert read < 2 * len(rows)


def test_a_record_of_a_dependency_that_is_gone_ends_the_path_there(made: WorkspaceBuilder) -> None:
    workspace = made.open()
    workspace.records.forget(workspace.keys.key(Reference(parse_label("//images/os"))))
    made.file("images/os/files/etc/motd", "changed\n")
    (leaf,) = leaves(made, "//images/base") or []
    assert leaf.change.name == "key"
    assert str(leaf.path[-1]) == "//images/os"


def test_a_change_that_was_built_is_no_reason_any_more(made: WorkspaceBuilder) -> None:
    made.file("images/os/files/etc/motd", "changed\n")
    build(made)
    assert leaves(made, "//images/py") == []
