"""A `fix:` works when it is pasted: into the declaration, or into the shell, where it was told."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workshop import Told, Verbs, Workshop

from buildlib.cli.call import parse
from buildlib.cli.verb import find, names
from buildlib.core.model.lock import Item
from tests.support.workspace import WorkspaceBuilder, digest
from tests.unit.fetch_server import Server

FROM_ROOT = ("buildlib",)
ROOT = Path(__file__).parents[2]
CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
DOOR = "./doitw "


# -- Into the shell --------------------------------------------------------------------------------


def commands(told: Told) -> list[list[str]]:
    """The commands of ours in the fixes, each as the words behind `./doitw`."""
    found = []
    for fix in told.fixes:
        for command in re.split(r" && |; | and ", fix.partition("  #")[0]):
            line = shlex.split(command, comments=True)
            if line[:1] == [DOOR.strip()]:
                found.append(line[1:])
    return found


@pytest.fixture
def family(shop: Workshop, outside: Server) -> Workshop:
    """An image, its child, and a file from outside that an archive holds; locked, not built."""
    outside.add("/f", b"f")
    shop.image("images/os").image("images/kernel-py", 'parent="//images/os"', CHILD)
    shop.build(
        "tools",
        f'download(name="f", urls=["{outside.url}/f"])',
        'tarball(name="t", parts={"one": {"f": ":f"}})',
    )
    shop.pin("download", "//tools:f", {"f": Item("-", digest("f"), 1, "x")})
    shop.start_git()
    return shop


def unlocked(made: Workshop) -> None:
    made.file("images.lock", "schema = 1\n")


def asked_otherwise(made: Workshop) -> None:
    text = (made.root / "tools/BUILD.py").read_text()
    made.file("tools/BUILD.py", text.replace('/f"]', '/f", "https://example.org/f"]'))


def registered(made: Workshop) -> None:
    made.setting("registry", "registry.test:5000")


def on_an_external_image(made: Workshop) -> None:
    made.build("images/ext", 'external_image(name="ext", image="debian:12")')
    made.image("images/kid", 'parent="//images/ext", srcs=["//tools:f"]', f"{CHILD}COPY f /\n")
    made.engine.add("debian:12")
    unlocked(made)


def served_otherwise(made: Workshop) -> None:
    made.pin("download", "//tools:f", {"f": Item("-", digest("other"), 1, "x")})


def nothing(_: Workshop) -> None:
    """As it is."""


MENDING = ("build", "fetch", "lock")
"""Verbs after which the same is not told again; the others are the line as it was meant."""
Situation = tuple[Callable[[Workshop], None], str]

SITUATIONS: dict[str, Situation] = {
    "a misspelt target": (nothing, "build kernel-pi"),
    "a misspelt target of another verb": (nothing, "show kernel-pi"),
    "a target like none": (nothing, "plan zzz"),
    "a pattern of nothing": (nothing, "plan //zzz/..."),
    "a misspelt verb": (nothing, "biuld"),
    "a misspelt option": (nothing, "build --dryrun"),
    "a misspelt option with a value": (nothing, "build --verbosty 2"),
    "an option like none": (nothing, "build --zzz"),
    "an option of another verb": (nothing, "list --upgrade"),
    "a verb that takes no targets": (nothing, "prune kernel-py"),
    "a variable that it does not take": (nothing, "list VERSION=1.2.3"),
    "help of nothing": (nothing, "help buld"),
    "why of nothing": (nothing, "why"),
    "show of nothing": (nothing, "show"),
    "affected since nothing": (nothing, "affected"),
    "a misspelt section": (nothing, "lock donwload"),
    "no lock": (unlocked, "build"),
    "no lock, for another organisation": (unlocked, "build ORGANIZATION=acme"),
    "a lock for another request": (asked_otherwise, "build tools:t"),
    "an empty store": (nothing, "fetch --offline"),
    "an empty store, for another organisation": (nothing, "fetch --offline ORGANIZATION=acme"),
    "an empty store of a build": (nothing, "build --offline tools:t ORGANIZATION=acme"),
    "what is not built is pushed": (registered, "push kernel-py"),
    "a push without network": (registered, "push --offline"),
    "an image and its parent that were never locked": (on_an_external_image, "fetch kid"),
    "a file that is not what was locked": (served_otherwise, "fetch tools:t"),
    "no lock, in a flavour": (unlocked, "plan FLAVOUR=docker-stacks"),
    "a proof of no image": (nothing, "verify tools:t"),
    "a version of no release": (nothing, "plan release VERSION=v2.6.0"),
    "a plan of a version": (nothing, "plan VERSION=2.6.0"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_command_of_ours_works_where_it_was_told(
    family: Workshop, verb: Verbs, name: str
) -> None:
    prepare, words = SITUATIONS[name]
    prepare(family)
    told = verb(*words.split())
    pasted = commands(told)
    assert pasted, told.err
    for command in pasted:
        done = verb(*command)
        # A plan of a release, and a look for drift, end with 1 where they found something.
        answers = "release" in command or "--check" in command
        assert done.code in ((0, 1) if answers else (0,)), f"{command}: {done.out}{done.err}"
        assert answers or "error: " not in done.err
    mends = pasted[0][0] in MENDING and not {"--help", "--check"}.intersection(pasted[0])
    if mends and pasted[0][0] != words.split()[0]:
        assert commands(verb(*words.split())) != pasted, "it is mended"


# -- All that the sources say ----------------------------------------------------------------------


def told_by_sources() -> Iterator[tuple[str, str]]:
    """Each fix that begins with a command of ours: where it is, and its text, X for values."""
    for path in sorted((ROOT / "buildlib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.Constant, ast.JoinedStr)):
                continue
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts
            )
            if text.startswith(DOOR) and text[len(DOOR) :][:1].islower():
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


@pytest.mark.parametrize(("where", "fix"), list(told_by_sources()), ids=str)
def test_each_command_in_the_sources_is_one_that_is_taken(where: str, fix: str) -> None:
    for command in re.split(r" && |; ", fix.partition("  #")[0]):
        words = shlex.split(command)
        if words[:1] == [DOOR.strip()] and words[1] in names():
            parse(find(words[1]), words[2:], "")


# -- Into a declaration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("kernel-py", "//images/kernel-py"),
        ("images/kernel-py", "//images/kernel-py"),
        ("elyra/kernel-py:dev", "//images/kernel-py"),
        ("bases/os", "//images/bases/os"),
        ("os", "//images/bases/os"),
        ("images/kernel-py:kernel-py", "//images/kernel-py:kernel-py"),
        ("docker.io/elyra/kernel-pi:2.5.0", "//images/kernel-py"),
    ],
)
def test_what_is_no_label_is_told_as_the_one_that_is(
    tmp_path: Path, wrong: str, right: str
) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.image("images/kernel-py").image("images/bases/os")
    made.image("a", f'parent="{wrong}"', CHILD)
    assert f"error: {wrong!r} is not a label\n" in made.error()
    assert f'  fix: write "{right}"' in made.error()
    made.replace("a/BUILD.py", f'"{wrong}"', f'"{right}"')
    assert made.told() == ""


@pytest.mark.parametrize("wrong", ["Z Z", "a/b", "ä", "-?-", "..."])
@pytest.mark.parametrize("rule", ["docker_image", "filegroup"])
def test_what_is_no_name_is_told_as_one_that_is(tmp_path: Path, wrong: str, rule: str) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/Dockerfile", "FROM scratch\n")
    srcs = "srcs=[]"
    made.build("a", f'{rule}(name="{wrong}", {srcs})')
    message = made.error()
    assert f"{wrong!r} cannot be a name" in message
    right = re.search(r'fix: write ("[^"]+")', message)
    assert right, message
    made.replace("a/BUILD.py", f'"{wrong}"', right[1])
    assert made.told() == ""


def test_requirements_that_are_not_there_are_to_be_written(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.file("a/requirements.txt", "six\n").image("a", 'python="requirements.in"')
    assert made.error().endswith("  fix: write a/requirements.in")
    made.file("a/requirements.in", "six\n").lock_all()
    assert made.told() == ""


# -- A workspace that lost a file ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VERSION", "dodo.py"])
def test_a_file_that_makes_the_workspace_comes_back(
    family: Workshop, verb: Verbs, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family.remove(name)
    monkeypatch.chdir(family.root / "images")
    told = verb("plan")
    assert told.code == 3
    assert f"{name}: error: the workspace {family.root} has no {name}\n" in told.err
    (fix,) = told.fixes
    git, _, root, *words = shlex.split(fix)
    assert (git, root) == ("git", str(family.root))
    family.git(*words)
    assert verb("plan").code == 0
