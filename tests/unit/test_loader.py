"""From a tree to targets: the same from the working tree and from a commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.core.dsl import check
from buildlib.core.dsl.loader import Loader
from buildlib.core.model.settings import Settings
from buildlib.core.model.target import Target
from buildlib.core.trees.git import GitTree
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder


def plain(targets: dict[object, Target]) -> list[tuple[object, ...]]:
    """Targets without their rule objects, which are the same by identity."""
    return [tuple(target._replace(rule=target.rule.kind)) for target in targets.values()]  # type: ignore[arg-type]


def test_a_commit_gives_the_targets_of_its_checkout(tmp_path: Path) -> None:
    made = family(tmp_path)
    made.file("defs.py", "NAMES = ['one', 'two']\n\ndef group(name):\n    return name.upper()\n")
    made.file("more/x").build(
        "more",
        "from defs import NAMES, group",
        'for n in NAMES:\n    filegroup(name=group(n), srcs=["x"])',
    )
    here = Loader(made.open().tree, Settings()).load()
    tree = GitTree(str(made.root), made.commit())
    there = Loader(tree, Settings()).load()
    tree.close()
    assert plain(here) == plain(there)  # type: ignore[arg-type]
    assert [label.name for label in here if label.package == "more"] == ["ONE", "TWO"]


def test_macros_of_a_commit_are_that_commits_macros(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("defs.py", "NAME = 'old'\n")
    made.build("a", "from defs import NAME", "filegroup(name=NAME, srcs=[])").file(
        "images.lock", "schema = 1\n"
    )
    revision = made.commit()
    made.file("defs.py", "NAME = 'new'\n")
    assert list(made.keys()) == ["//a:new"]
    assert list(made.keys_of_commit(revision)) == ["//a:old"]


def test_a_declaration_knows_its_line_also_through_macros(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file(
        "images/defs.py",
        """
        from buildlib.rules import filegroup

        def inner(name):
            filegroup(name=name, srcs=[])

        def outer(name):
            inner(name)
        """,
    )
    made.file(
        "a/BUILD.py", "from images.defs import outer\n\nouter('x')\nfor n in 'yz':\n    outer(n)\n"
    )
    wheres = {t.label.name: str(t.where) for t in made.graph().targets.values()}
    assert wheres == {"x": "a/BUILD.py:3", "y": "a/BUILD.py:5", "z": "a/BUILD.py:5"}


def test_macros_run_once_and_may_import_macros(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("x/defs.py", "from y.defs import B\nA = B + ['a']\n")
    made.file("y/defs.py", "B = ['b']\n")
    for name in ("p", "q"):
        made.build(name, "from x.defs import A", "filegroup(name='-'.join(A), srcs=[])")
    assert list(made.keys()) == ["//p:b-a", "//q:b-a"]


def test_what_was_built_is_no_package(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).build("dist", "nonsense(")
    made.build("dist/deep", "nonsense(").build("distant", 'filegroup(name="x", srcs=[])')
    assert list(made.keys()) == ["//distant:x"]


def test_the_root_may_be_a_package(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).build("", 'filegroup(name="x", srcs=["VERSION"])')
    made.file("a/y").build("a", 'filegroup(name="y", srcs=["//:x", "y"])')
    graph = made.graph()
    assert [str(label) for label in graph.order] == ["//:x", "//a:y"]
    assert graph.targets[graph.order[0]].files[0].path == "VERSION"


def test_targets_are_frozen(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/Dockerfile", "FROM scratch\nARG A\n")
    made.build(
        "a", 'args = {"A": "1"}', 'docker_image(name="a", build_args=args)', 'args["A"] = "2"'
    )
    (target,) = made.graph().targets.values()
    assert target.attrs["build_args"] == {"A": "1"}


def test_what_was_compiled_is_kept_by_content(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).build("a", 'filegroup(name="x", srcs=[])')
    kept: dict[object, object] = {}
    Loader(made.open().tree, Settings(), kept).load()
    assert len(kept) == 1
    Loader(made.open().tree, Settings(), kept).load()
    assert len(kept) == 1
    made.build("a", 'filegroup(name="y", srcs=[])')
    (label,) = Loader(made.open().tree, Settings(), kept).load()
    assert label.name == "y"


def test_a_stricter_check_looks_at_what_an_older_one_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compiled is kept under the code of the check as well."""
    from buildlib.core import fingerprint

    made = WorkspaceBuilder(tmp_path).build("a", 'filegroup(name="x", srcs=[])')

    def compiled() -> list[str]:
        """The files that a run has to compile; it keeps them."""
        workspace, found = made.open(), []
        compile_file = check.compile_file
        with monkeypatch.context() as patch:
            patch.setattr(
                check, "compile_file", lambda *asked: found.append(asked[1]) or compile_file(*asked)
            )
            assert workspace.graph
        workspace.save()
        return found

    assert (compiled(), compiled()) == (["a/BUILD.py"], [])
    monkeypatch.setattr(fingerprint, "stamp", lambda *_: "of stricter code")
    assert (compiled(), compiled()) == (["a/BUILD.py"], [])


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("dwnload(name='x')", "dwnload is not defined; did you mean download?", "write download"),
        (
            "extract(name='x')",
            "extract is not imported",
            "from buildlib.rules import extract",
        ),
        ("group(name='x')", "group is not imported", "from defs import group"),
        ("environ['X']", "environ is not defined", "correct line 3 of a/BUILD.py"),
    ],
)
def test_a_name_that_nothing_defines(tmp_path: Path, line: str, what: str, fix: str) -> None:
    made = WorkspaceBuilder(tmp_path).file("defs.py", "NAME = 1\n\ndef group(name):\n    pass\n")
    made.file(
        "a/BUILD.py", f"from buildlib.rules import filegroup\nfrom defs import NAME\n{line}\n"
    )
    assert made.error() == f"a/BUILD.py:3: error: {what}\n  fix: {fix}"
