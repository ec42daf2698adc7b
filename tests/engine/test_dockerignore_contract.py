"""Our reading of `.dockerignore` against the engine's: which files of a folder a `COPY .` finds."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_docker import build, built_files, client

from buildlib.core.dockerfile import ignore_files
from buildlib.core.dockerfile.ignore import IgnoreRules, pattern_regex
from buildlib.errors import InputError
from tests.support.chance import examples

pytestmark = pytest.mark.engine

NAMES = ("a", "b", "ab", "x.py", "a.txt", ".git", "x-y", "é", "a^b")
FOLDERS = ("a", "b", "src", ".git", "a/b", "a/src", "src/a", "src/a/b", "src/deep.py", "b/x-y/b")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with every name in several places, links among them."""
    root = tmp_path_factory.mktemp("context")
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("", *FOLDERS):
        for name in NAMES:
            if not (root / folder / name).exists():
                (root / folder / name).write_text(name)
    (root / "src/link.py").symlink_to("../a/x.py")
    (root / "to-folder").symlink_to("src")
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return root


def listed(tree):
    """Every path below a folder that is no folder."""
    return {
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.is_symlink() or path.is_file()
    }


class OlderClient:
    """The rules as clients before Docker 23 apply them, so that such a client can be asked too.

    They match a pattern against a path and the one folder above it that has as many parts as the
    pattern, do not enter an excluded folder unless an exception begins with its name, read `**x`
    as a file called x, and find nothing with a `^` outside of `[...]`.
    """

    def __init__(self, rules):
        self.rules = [
            (self.compiled(rule.pattern), rule.pattern.count("/") + 1, rule.keep) for rule in rules
        ]
        self.exceptions = [f"{rule.pattern}/" for rule in rules if rule.keep]

    @staticmethod
    def compiled(pattern):
        if "^" in re.sub(r"\[[^\]]*\]", "", pattern):
            return re.compile("(?!)")
        return re.compile(pattern_regex(re.sub(r"\A\*\*(?=[^/])", "**/", pattern)))

    def excludes(self, path):
        parts = path.split("/")
        for folder in ("/".join(parts[:count]) for count in range(1, len(parts))):
            if self.matches(folder) and not any(
                exception.startswith(f"{folder}/") for exception in self.exceptions
            ):
                return True
        return self.matches(path)

    def matches(self, path):
        above = path.split("/")[:-1]
        for regex, count, keep in reversed(self.rules):
            if regex.fullmatch(path) or (
                count <= len(above) and regex.fullmatch("/".join(above[:count]))
            ):
                return not keep
        return False


def agrees(tree, text):
    """Assert that the engine sends what our rules, read as this client reads them, let through."""
    (tree / ".dockerignore").write_text(text)
    rules = IgnoreRules.parse(text)
    read = OlderClient(rules.rules) if client()[1] < 23 else rules
    expected = {path for path in listed(tree) if not read.excludes(path)}
    assert set(built_files(tree)) == expected, text


CURATED = [
    "",
    "# nothing\n\n  \t\n",
    "a\n",
    "/a/\n  ./b/../src  \r\n",
    "*\n",
    "**\n",
    "*.py\n",
    "**/*.py\n",
    "**.py\n",
    "*/b\n",
    "a/**\nsrc/**/b\n",
    "?\n[a-b][^a]\nx[!a]y\n",
    "x\\-y\n#x\n \\#\n",
    "a^b\n",
    "Dockerfile\n.dockerignore\n",
    "*\n!src\n",
    "*\n!src/a\n!a/x.py\nsrc/a/b\n",
    "*\n!**/*.py\n",
    "src\n!src/**/b\n",
    "**/b\n!src/a/b/x.py\n!b/x-y\n",
    "!a\na\n!b\n",
    "*/*\n!*/a\n",
    "..\n../a\n.\n/\n",
]


@pytest.mark.parametrize("text", CURATED)
def test_chosen_patterns(tree, text):
    agrees(tree, text)


TOKENS = ("a", "b", "x", "src", ".py", ".git", "*", "**", "**/", "?", "/", "[ab]", "[^a]", "\\-")
pattern = st.tuples(
    st.sampled_from(["", "", "!", "/", "! "]),
    st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4).map("".join),
).map("".join)


@settings(
    max_examples=examples(30),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        pattern.filter(lambda text: text.replace(" ", "").strip("/") != "!"),
        min_size=1,
        max_size=6,
    )
)
def test_generated_patterns(tree, lines):
    agrees(tree, "\n".join(lines))


@pytest.mark.parametrize("text", ["[\n", "!\n", "[]a]\n", "[a-]*\n", "a\\\n", "[z-a]*\n"])
def test_what_we_call_malformed_docker_refuses(tree, text):
    (tree / ".dockerignore").write_text(text)
    with pytest.raises(InputError):
        IgnoreRules.parse(text)
    assert build(tree, "--output", "type=tar,dest=-").returncode != 0


def test_the_dockerfile_and_the_ignore_file_reach_the_builder_but_no_copy(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / ".dockerignore").write_text("*\n!kept\n")
    (tmp_path / "kept").write_text("")
    assert set(built_files(tmp_path)) == {"kept"}


def test_the_ignore_file_of_a_dockerfile_counts_alone(tmp_path):
    (tmp_path / "other.Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "other.Dockerfile.dockerignore").write_text("*\n!a\n")
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "a").write_text("")
    name = next(each for each in ignore_files("other.Dockerfile") if (tmp_path / each).exists())
    rules = IgnoreRules.parse((tmp_path / name).read_text(), name)
    files = built_files(tmp_path, "--file", str(tmp_path / "other.Dockerfile"))
    assert set(files) == {path for path in listed(tmp_path) if not rules.excludes(path)} == {"a"}
