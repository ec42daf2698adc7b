"""Glob patterns: the compiled form against a slow matcher that follows the definition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.dsl.glob import is_glob, match
from tests.support.workspace import WorkspaceBuilder

# -- the definition, slowly ---------------------------------------------------------------------


def in_class(inside: str, char: str) -> bool:
    negated = inside.startswith("!")
    chars, found = inside[negated:], False
    at = 0
    while at < len(chars):
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            found |= chars[at] <= char <= chars[at + 2]
            at += 3
        else:
            found |= chars[at] == char
            at += 1
    return found != negated


def segment_matches(piece: str, name: str) -> bool:
    """One folder's name: `*` any run, `?` any one, `[…]` a class; anything else is itself."""
    if not piece:
        return not name
    if piece[0] == "*":
        return any(segment_matches(piece[1:], name[at:]) for at in range(len(name) + 1))
    if not name:
        return False
    if piece[0] == "[":
        end = piece.find("]", 3 if piece[1:2] == "!" else 2)
        if end > 0:
            return in_class(piece[1:end], name[0]) and segment_matches(piece[end + 1 :], name[1:])
    return piece[0] in ("?", name[0]) and segment_matches(piece[1:], name[1:])


def slow_match(pieces: Sequence[str], names: Sequence[str]) -> bool:
    """`**` stands for any number of folders; at the end, for at least the file itself."""
    if not pieces:
        return not names
    if pieces[0] == "**":
        if len(pieces) == 1:
            return bool(names)
        return any(slow_match(pieces[1:], names[at:]) for at in range(len(names) + 1))
    return (
        bool(names) and segment_matches(pieces[0], names[0]) and slow_match(pieces[1:], names[1:])
    )


def reference(names: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    def any_of(patterns: Sequence[str], name: str) -> bool:
        return any(slow_match(pattern.split("/"), name.split("/")) for pattern in patterns)

    return sorted(n for n in names if any_of(include, n) and not any_of(exclude, n))


# -- properties ---------------------------------------------------------------------------------

SEGMENTS = st.text("ab.-[", min_size=1, max_size=4)
NAMES = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
CLASSES = st.sampled_from(["[ab]", "[!a]", "[a-b]", "[!.]", "[]a]", "[!]]", "[.^]"])
PIECES = st.one_of(
    st.just("**"),
    st.lists(st.one_of(st.sampled_from(["a", "b", ".", "*", "?", "-"]), CLASSES),
             min_size=1, max_size=4).map("".join),
)  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=3).map("/".join)


@given(st.lists(NAMES, max_size=12), st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3))
def test_patterns_mean_what_the_definition_says(
    names: list[str], include: list[str], exclude: list[str]
) -> None:
    assert match(names, include, exclude) == reference(names, include, exclude)


@given(NAMES)
def test_a_name_matches_itself_and_nothing_longer(name: str) -> None:
    if not is_glob(name):
        assert match([name, name + "x", "x" + name, name + "/x"], [name]) == [name]


# -- what people rely on ------------------------------------------------------------------------

TREE = ["a.py", "a.pyc.txt", "b.txt", ".hidden", "d/a.py", "d/e/a.py", "d/e/b.txt"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.py"], [], ["a.py"]),
        (["**/*.py"], [], ["a.py", "d/a.py", "d/e/a.py"]),
        (["d/**"], [], ["d/a.py", "d/e/a.py", "d/e/b.txt"]),
        (["**"], ["d/**"], [".hidden", "a.py", "a.pyc.txt", "b.txt"]),
        (["**"], ["*.py", "*.txt"], [".hidden", "d/a.py", "d/e/a.py", "d/e/b.txt"]),
        (["*.py", "*.txt"], [], ["a.py", "a.pyc.txt", "b.txt"]),
        (["*.py", "b.txt"], [], ["a.py", "b.txt"]),  # a.pyc.txt only begins like a match
        (["*", "nothing"], [], [".hidden", "a.py", "a.pyc.txt", "b.txt"]),  # * stays in its folder
        (["d/?.py"], [], ["d/a.py"]),
        (["[!a]*.txt"], [], ["b.txt"]),
        (["d/e/[ab].*"], [], ["d/e/a.py", "d/e/b.txt"]),
        ([], [], []),
    ],
)
def test_examples(include: list[str], exclude: list[str], expected: list[str]) -> None:
    assert match(TREE, include, exclude) == expected


def test_a_pattern_takes_its_special_characters_for_nothing_else() -> None:
    assert match(["a+b", "aab", "a.b", "(x)"], ["a+b", "(x)"]) == ["(x)", "a+b"]
    assert match(["a\nb"], ["a?b"]) == ["a\nb"]


# -- in a package -------------------------------------------------------------------------------


def test_a_glob_stops_where_another_package_begins(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).build("a", 'filegroup(name="all", srcs=glob(["**"]))')
    made.file("a/one").file("a/sub/two").file("a/inner/three").file("a/inner/deep/four")
    made.build("a/inner", 'filegroup(name="all", srcs=glob(["**"]))')
    graph = made.graph()
    files = {str(label): [file.name for file in graph[label].files] for label in graph.order}
    assert files == {"//a:all": ["one", "sub/two"], "//a/inner:all": ["deep/four", "three"]}


def test_a_build_file_is_no_source_but_what_is_named_like_one_is(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/BUILD.py.txt").file("a/keep")
    made.build("a", 'filegroup(name="all", srcs=glob(["**"], exclude=["nothing"]))')
    (target,) = made.graph().targets.values()
    assert [file.name for file in target.files] == ["BUILD.py.txt", "keep"]


def test_what_tools_leave_behind_is_never_matched(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).build("a", 'filegroup(name="all", srcs=glob(["**"]))')
    made.file("a/keep").file("a/__pycache__/x.py").file("a/x.pyc").file("a/x~").file("a/.x.swp")
    (target,) = made.graph().targets.values()
    assert [file.name for file in target.files] == ["keep"]


@pytest.mark.parametrize(
    "pattern", ["[!]", "[z-a]", "[", "[!", "[]", "a[b", "[a--]", "[[:alpha:]]"]
)
def test_a_strange_class_is_a_text_or_an_error_of_the_declaration(
    tmp_path: Path, pattern: str
) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/x")
    made.build("a", f'filegroup(name="g", srcs=glob(["**", {pattern!r}]))')
    message = made.told()
    if message:
        assert message.startswith("a/BUILD.py:2: error: ")
        assert f"pattern {pattern!r}" in message
        return
    (target,) = made.graph().targets.values()
    assert [file.name for file in target.files] == ["x"]
