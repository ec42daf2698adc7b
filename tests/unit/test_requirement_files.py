"""Requirements files: what they include is known from any tree; what reaches out is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from buildlib.core.model.requirements import request_of, requirement_files
from buildlib.core.model.tree import Tree
from buildlib.core.trees.git import GitTree
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

IN = "images/a/requirements.in"
Look = Callable[[], Tree]


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    return WorkspaceBuilder(tmp_path)


@pytest.fixture(params=["working tree", "commit"])
def look(request: pytest.FixtureRequest, made: WorkspaceBuilder) -> Iterator[Look]:
    """The files as they are now, on disk or in a commit."""
    opened: list[GitTree] = []

    def now() -> Tree:
        if request.param == "working tree":
            return made.open().tree
        opened.append(GitTree(str(made.root), made.commit()))
        return opened[-1]

    yield now
    for tree in opened:
        tree.close()


@pytest.mark.parametrize(
    "text",
    [
        "-r more.in\n",
        "-r=more.in",
        "-r \t more.in  # why\n",
        "-r more.in#why\n",
        "--requirement more.in\n",
        "--requirement=more.in\n",
        "-c more.in\n",
        "-c=more.in\n",
        "--constraint more.in\n",
        "--constraint=more.in\n",
        "thing\n   -r more.in\nother\n",
        "thing\r\n-r more.in\r\n",
        "thing\r-r more.in\r",
        "\ufeff-r more.in\n",
        "\\\n-r more.in\n",
        "thing # a note\n-r ./more.in\n",
        "-r ../a/more.in\n",
    ],
)
def test_an_include_is_found_however_it_is_written(
    made: WorkspaceBuilder, look: Look, text: str
) -> None:
    made.file(IN, text).file("images/a/more.in", "thing\n")
    assert set(requirement_files(look(), IN)) == {IN, "images/a/more.in"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# -r more.in, see ../b/x.in\n",
        "thing>=1  # from https://example.org/-r more.in\n",
        "thing[extra]; python_version < '3.12'\n",
        "a-r\n",
        "thing==1 \\\n    --hash=sha256:0123\n",
    ],
)
def test_what_is_no_include_is_none(made: WorkspaceBuilder, look: Look, text: str) -> None:
    made.file(IN, text)
    assert requirement_files(look(), IN) == {IN: text.encode()}


def test_includes_are_relative_to_the_file_that_includes_and_read_once(
    made: WorkspaceBuilder, look: Look
) -> None:
    made.file(IN, "-r sub/b.in\n-c ../common.in\n-r sub/b.in\n")
    made.file("images/a/sub/b.in", "-r c.in\n-r ../../common.in\n")
    made.file("images/a/sub/c.in", "thing\n").file("images/common.in", "other\n")
    assert requirement_files(look(), IN).keys() == {
        IN, "images/a/sub/b.in", "images/a/sub/c.in", "images/common.in",
    }  # fmt: skip


def test_a_circle_of_includes_ends(made: WorkspaceBuilder, look: Look) -> None:
    """uv reads each file once, too."""
    made.file(IN, "-r b.in\n").file("images/a/b.in", "-r requirements.in\n-r b.in\n")
    assert requirement_files(look(), IN).keys() == {IN, "images/a/b.in"}


def test_a_link_is_what_it_leads_to(made: WorkspaceBuilder, look: Look) -> None:
    """What the link says stays the same when the file behind it is edited."""
    made.link(IN, "../common.in").file("images/common.in", "thing\n")
    first = request_of(requirement_files(look(), IN), IN, "x")
    made.file("images/common.in", "other\n")
    assert request_of(requirement_files(look(), IN), IN, "x") != first


def test_the_request_names_each_file_whatever_the_order_of_the_lines(
    made: WorkspaceBuilder, look: Look
) -> None:
    made.file(IN, "-r b.in\n-r c.in\n")
    made.file("images/a/b.in", "thing\n").file("images/a/c.in", "other\n")
    files = requirement_files(look(), IN)
    digests = {path: sha256(data).hexdigest() for path, data in files.items()}
    assert request_of(files, IN, "locked") == (
        digests[IN],
        "locked",
        f"images/a/b.in {digests['images/a/b.in']}",
        f"images/a/c.in {digests['images/a/c.in']}",
    )
    made.file(IN, "-r c.in\n-r b.in\n")
    assert (
        request_of(requirement_files(look(), IN), IN, "locked")[1:]
        == (request_of(files, IN, "locked")[1:])
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-r gone.in", "images/a/gone.in, which does not exist"),
        ("-r .", "images/a, which does not exist"),
        ("-r .venv/x.in", "images/a/.venv/x.in, which does not exist"),
        ("-r ../../../x.in", "no file of the workspace"),
        ("-r ..", "images, which does not exist"),
        ("-r /etc/x.in", "no file of the workspace"),
        ("-r ~/x.in", "no file of the workspace"),
        ("-r ${HOME}/x.in", "no file of the workspace"),
        ("-r x${SUFFIX}.in", "no file of the workspace"),
        ('-r "more.in"', "no file of the workspace"),
        ("-r my\\ file.in", "no file of the workspace"),
        ("-r https://user:secret@example.org/x.in", "no file of the workspace"),
        ("-c file:///etc/x.in", "no file of the workspace"),
        ("-rmore.in", "-rmore.in is nothing that a lock can be made from"),
        ("-r", "-r is nothing that a lock can be made from"),
        ("-i https://user:secret@example.org", "-i is nothing that a lock can be made from"),
        ("--index-url=https://user:secret@example.org", "--index-url is nothing"),
        ("--extra-index-url https://user:secret@example.org", "--extra-index-url is nothing"),
        ("--find-links wheels", "--find-links is nothing"),
        ("--pre", "--pre is nothing"),
        ("--no-binary :all:", "--no-binary is nothing"),
        ("-e .", "from a place of its own"),
        ("--editable=../b", "from a place of its own"),
        ("thing @ https://user:secret@example.org/thing.whl", "from a place of its own"),
        ("thing@file:///tmp/thing.whl", "from a place of its own"),
        ("./wheels/thing.whl", "from a place of its own"),
        ("/wheels/thing.whl", "from a place of its own"),
        ("git+https://example.org/thing.git", "from a place of its own"),
    ],
)
def test_what_reaches_out_of_the_tree_is_refused_at_its_line(
    made: WorkspaceBuilder, look: Look, line: str, told: str
) -> None:
    made.file(IN, "-r b.in\n").file("images/a/b.in", f"thing\n\n{line}\n")
    made.file("images/a/.venv/x.in", "thing\n").file("x.in", "thing\n")
    with pytest.raises(InputError) as refused:
        requirement_files(look(), IN)
    assert told in refused.value.what
    assert str(refused.value.where) == "images/a/b.in:3"
    assert refused.value.fix
    assert "secret" not in refused.value.render()


@pytest.mark.parametrize("data", [b"\xff\xfe-\0r\0 \0x\0", "thing # é".encode("latin-1")])
def test_a_file_in_another_encoding_is_refused(
    made: WorkspaceBuilder, look: Look, data: bytes
) -> None:
    """uv would read UTF-16 and find includes in it."""
    made.file(IN, data)
    with pytest.raises(InputError, match="not UTF-8"):
        requirement_files(look(), IN)
