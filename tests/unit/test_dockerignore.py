"""`.dockerignore` as Docker reads it; the engine's own word is in test_dockerignore_contract.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.dockerfile.ignore import IgnoreRules
from buildlib.errors import InputError

PATHS = (
    *("a", "ab", "b.py", "a.txt", ".git", "a/b", "a/b.py", "a/b/c", "a/b/c.txt"),
    *("src/x.py", "src/deep/y.py", "src/deep/keep", "x-y", "docs/README.md"),
)


def excluded(text):
    rules = IgnoreRules.parse(text)
    return [path for path in PATHS if rules.excludes(path)]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("# a\n\n   \n", []),
        ("a", ["a", "a/b", "a/b.py", "a/b/c", "a/b/c.txt"]),
        ("a/b", ["a/b", "a/b/c", "a/b/c.txt"]),
        ("/a/b/", ["a/b", "a/b/c", "a/b/c.txt"]),
        ("./x/../a/./b", ["a/b", "a/b/c", "a/b/c.txt"]),
        ("  .git\t\r\n", [".git"]),
        ("*.py", ["b.py"]),
        ("*/*.py", ["a/b.py", "src/x.py"]),
        ("**/*.py", ["b.py", "a/b.py", "src/x.py", "src/deep/y.py"]),
        ("**.py", ["b.py", "a/b.py", "src/x.py", "src/deep/y.py"]),
        ("src/**/y.py", ["src/deep/y.py"]),
        ("src/**", ["src/x.py", "src/deep/y.py", "src/deep/keep"]),
        ("**/deep", ["src/deep/y.py", "src/deep/keep"]),
        ("a?", ["ab"]),
        ("?", ["a", "a/b", "a/b.py", "a/b/c", "a/b/c.txt"]),
        ("[ab]*", ["a", "ab", "b.py", "a.txt", "a/b", "a/b.py", "a/b/c", "a/b/c.txt"]),
        ("x[^a]y", ["x-y"]),
        ("[!a]b", ["ab"]),  # ! negates nothing: it is one of two characters
        ("x\\-y", ["x-y"]),
        ("..", []),
        ("../a", []),
        (".", []),
        ("/", []),
        (" #a\n", []),
        ("a\n!a/b", ["a", "a/b.py"]),
        ("!a/b\na", ["a", "a/b", "a/b.py", "a/b/c", "a/b/c.txt"]),
        ("a\n!a/b\na/b/*.txt", ["a", "a/b.py", "a/b/c.txt"]),
        ("*\n! src/deep/", [path for path in PATHS if not path.startswith("src/deep")]),
        ("src\n!**/keep", ["src/x.py", "src/deep/y.py"]),
        ("**/*\n!*.txt\n!src/x.py", [path for path in PATHS if path not in ("a.txt", "src/x.py")]),
    ],
)
def test_patterns(text, paths):
    assert excluded(text) == paths


def test_the_dockerfile_and_the_ignore_file_are_paths_like_others():
    rules = IgnoreRules.parse("*\n!src\n")
    assert rules.excludes("Dockerfile")
    assert rules.excludes(".dockerignore")


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("a\n!\n", 2, "!PATH"),
        ("! /\n", 1, "!PATH"),
        ("a\nb[\n", 2, "b*"),
        ("[]a]\n", 1, "*"),
        ("[a-]\n", 1, "*"),
        ("[z-a]\n", 1, "*"),
        ("\n\na\\\n", 3, "a*"),
        ("**/x\\d\n", 1, "**/x*"),
        ("x[*]\n", 1, "x*"),
        ("[[:alpha:]]\n", 1, "*"),
        ("*.{js,ts}\n", 1, "*.js (a line of its own for each name)"),
        ("a*|b\n", 1, "a**"),
    ],
)
def test_patterns_that_cannot_be_used(text, line, fix):
    with pytest.raises(InputError) as caught:
        IgnoreRules.parse(text, "images/x/.dockerignore")
    assert (caught.value.where.file, caught.value.where.line) == ("images/x/.dockerignore", line)
    assert caught.value.fix == fix


def test_characters_of_regular_expressions_are_themselves():
    rules = IgnoreRules.parse("a.b\nc++\nd(1)\n{x,y}\n$f\np|q\n^g\nh.*\n")
    for path in ("a.b", "c++", "d(1)", "{x,y}", "$f", "p|q", "^g", "h.x"):
        assert rules.excludes(path), path
    for path in ("axb", "c", "d1", "x", "f", "p", "q", "g", "hx"):
        assert not rules.excludes(path), path


names = st.sampled_from(["a", "b", "ab", "x.py", "x.txt", ".git"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
tokens = st.sampled_from(["a", "b", "x", ".py", "*", "**", "**/", "?", "/", "[ab]", "[^a]", ".git"])
patterns = st.tuples(st.sampled_from(["", "!"]), st.lists(tokens, min_size=1, max_size=4)).map(
    lambda pair: pair[0] + "".join(pair[1])
)
ignores = st.lists(patterns.filter(lambda text: text.strip("/") != "!"), max_size=5)


@given(ignores, paths)
def test_a_path_is_decided_by_the_last_line_that_matches_it_or_a_folder_above(lines, path):
    """The compiled rules against the definition, one line and one folder at a time."""
    expected = False
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in lines:
        rule = IgnoreRules.parse(line.removeprefix("!"))
        only = [found for found in above if _matches_itself(rule, found)]
        if only:
            expected = not line.startswith("!")
    assert IgnoreRules.parse("\n".join(lines)).excludes(path) == expected


def _matches_itself(rules, path):
    """Whether a pattern matches exactly this path: without the folders above it."""
    import re

    return any(re.fullmatch(rule.regex, path) for rule in rules.rules)


@pytest.mark.parametrize("exceptions", ["", "!src/keep\n!**/*.md\n"])
def test_ten_thousand_paths_take_a_moment(exceptions):
    text = ".git\n**/__pycache__\n**/*.pyc\nbuild\ndist\n*.log\nnode_modules\n.venv\n" + exceptions
    rules = IgnoreRules.parse(text)
    many = [f"src/package{i % 40}/module{i}/file{i}.py" for i in range(10_000)]
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        assert not any(map(rules.excludes, many))
        best = min(best, time.process_time() - start)
    assert best < 0.5
    print(f"{best / len(many) * 1e6:.1f} us a path")
