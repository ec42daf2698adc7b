"""The two trees: a commit and its checkout answer alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.build import noop_cache
from buildlib.core.model.tree import Tree
from buildlib.core.trees.git import GitTree
from buildlib.core.trees.working import WorkingTree
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    made = WorkspaceBuilder(tmp_path)
    made.file("a/x", "one\n").file("a/run", "two\n", mode=0o755).file("a/deep/er/y", b"\0\xff\n")
    made.file("a/sp ace\tand \u00fc.txt", "three").file("a/empty", "")
    made.link("a/link", "x").link("a/up", "../VERSION").link("a/chain", "link")
    made.link("a/folder-link", "deep").link("a/dangling", "nowhere").link("a/loop", "loop")
    made.link("a/out", "../../outside").link("a/absolute", str(tmp_path / "outside"))
    (tmp_path / "outside").write_text("not of the tree")
    made.file("a/__pycache__/x.pyc", "").file("a/x.orig", "").file("node_modules/defs.py", "")
    made.file("b/y~", "")
    return made


@pytest.fixture
def trees(made: WorkspaceBuilder) -> tuple[Tree, Tree]:
    revision = made.commit()
    return WorkingTree(str(made.root), noop_cache.index_of(str(made.root))), GitTree(
        str(made.root), revision
    )


def test_a_hook_that_calls_us_does_not_lead_git_elsewhere(
    made: WorkspaceBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = made.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert GitTree(str(made.root), revision).read("a/x") == b"one\n"


def listing(tree: Tree, folder: str = "") -> dict[str, list[str]]:
    """What there is, without folders that hold no file: git knows none."""
    return {name: sorted(files) for name, files in tree.files(folder) if files}


@pytest.mark.parametrize("folder", ["", "a", "a/deep", "absent", "a/x"])
def test_both_list_the_same(trees: tuple[Tree, Tree], folder: str) -> None:
    working, git = trees
    assert listing(working, folder) == listing(git, folder)


def test_what_tools_leave_is_in_neither(trees: tuple[Tree, Tree]) -> None:
    for tree in trees:
        names = [f"{folder}/{name}" for folder, found in tree.files("") for name in found]
        assert not [
            n for n in names if any(w in n for w in ("pyc", ".orig", "~", ".git/", "node_"))
        ]


def test_both_stamp_the_same(trees: tuple[Tree, Tree]) -> None:
    working, git = trees
    paths = [f"{folder}/{name}".strip("/") for folder, names in working.files("") for name in names]
    paths += ["absent", "a", "a/deep", "a/x/y", ""]
    assert len(paths) > 15
    assert dict(zip(paths, working.stamps(paths), strict=True)) == dict(
        zip(paths, git.stamps(paths), strict=True)
    )


@pytest.mark.parametrize(
    "path",
    [
        "a/x",
        "a/run",
        "a/deep/er/y",
        "a/empty",
        "a/sp ace\tand \u00fc.txt",
        "a/link",
        "a/up",
        "a/chain",
    ],
)
def test_both_read_the_same(trees: tuple[Tree, Tree], made: WorkspaceBuilder, path: str) -> None:
    for tree in trees:
        assert tree.read(path) == (made.root / path).read_bytes()


@pytest.mark.parametrize(
    "path",
    ["absent", "a/dangling", "a/loop", "a/out", "a/absolute", "a", "a/x/y", "a/folder-link",
     "../outside", "a/../../outside"],
)  # fmt: skip
def test_neither_reads_what_is_no_file_of_the_tree(trees: tuple[Tree, Tree], path: str) -> None:
    for tree in trees:
        with pytest.raises(FileNotFoundError):
            tree.read(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", True),
        ("a/x", True),
        ("a/dangling", True),
        ("a/deep/er", True),
        ("absent", False),
        ("a/x/y", False),
        ("../outside", False),
        ("node_modules", False),
        ("node_modules/defs.py", False),
        ("a/__pycache__/x.pyc", False),
        ("a/folder-link/er/y", False),
    ],
)
def test_both_agree_on_what_exists(trees: tuple[Tree, Tree], path: str, expected: bool) -> None:
    assert [tree.exists(path) for tree in trees] == [expected, expected]


def test_a_commit_stays_what_it_was(made: WorkspaceBuilder) -> None:
    old = made.commit()
    made.file("a/x", "changed\n").file("a/new", "").remove("a/run")
    new = made.commit()
    before, after = GitTree(str(made.root), old), GitTree(str(made.root), new)
    assert (before.read("a/x"), after.read("a/x")) == (b"one\n", b"changed\n")
    assert (before.exists("a/new"), after.exists("a/new")) == (False, True)
    assert (before.exists("a/run"), after.exists("a/run")) == (True, False)
    before.close()
    after.close()


def test_a_workspace_may_be_a_folder_of_the_repository(tmp_path: Path) -> None:
    outer = WorkspaceBuilder(tmp_path, "outer")
    inner = WorkspaceBuilder(tmp_path, "outer/inner")
    inner.file("a/x", "one")
    revision = outer.commit()
    tree = GitTree(str(inner.root), revision)
    assert tree.read("a/x") == b"one"
    assert not tree.exists("inner")
    tree.close()


@pytest.mark.parametrize("revision", ["no-such-thing", "--help", "", "HEAD:VERSION"])
def test_an_unknown_revision_is_told(made: WorkspaceBuilder, revision: str) -> None:
    made.commit()
    with pytest.raises(InputError, match="git has no commit") as refused:
        GitTree(str(made.root), revision)
    assert refused.value.fix


def test_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        GitTree(str(tmp_path), "HEAD")
