"""Plain `doit`, as people type it: what commands.md offers works, the rest is told why it does not.

In a small workspace without an engine: its targets are archives.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.workspace import WorkspaceBuilder

FROM_ROOT = ("buildlib", "dodo.py", "pyproject.toml")
ROOT = Path(__file__).parents[2]
DOIT = str(Path(sys.executable).with_name("doit"))


class Done(NamedTuple):
    """A process that ended."""

    code: int
    out: str
    err: str


Doit = Callable[..., Done]


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """a <- b, two archives."""
    made = WorkspaceBuilder(tmp_path)
    made.file("dodo.py", (ROOT / "dodo.py").read_text())
    settings = (made.root / "pyproject.toml").read_text()
    table = (ROOT / "pyproject.toml").read_text().partition("[tool.doit.plugins.command]")
    made.file("pyproject.toml", f"{settings}\n{table[1]}{table[2].partition('[tool.')[0]}")
    made.file("a/f", "one\n").file("b/f", "two\n")
    made.build("a", 'tarball(name="a", parts={"x": {"f": "f"}})')
    made.build("b", 'tarball(name="b", parts={"x": {"f": "f", "g": "//a"}})')
    return made


@pytest.fixture
def environ(made: WorkspaceBuilder) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
        "HOME": str(made.root.parent),
        "BUILDLIB_STORE": str(made.store),
        "BUILDLIB_NO_INSTALL": "1",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def doit(made: WorkspaceBuilder, environ: dict[str, str]) -> Doit:
    """`doit("list", "-s")`: a process of its own, in the workspace."""

    def run(*words: str, shell: str = "") -> Done:
        command = [DOIT, *words] if not shell else ["bash", "-o", "pipefail", "-c", shell]
        done = subprocess.run(
            command, cwd=made.root, env=environ, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def built(made: WorkspaceBuilder) -> list[str]:
    """The targets that are up to date."""
    workspace = made.open()
    plan = workspace.plan(workspace.resolve(()))
    return [step.label.name for step in plan.fresh]


# -- What it offers --------------------------------------------------------------------------------


def offered() -> list[str]:
    """The command lines that docs/commands.md shows for plain doit."""
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    section = page.partition("## Plain doit")[2].partition("\n## ")[0]
    return [
        line.partition("doit")[2].strip()
        for line in re.findall(r"`\.venv/bin/(doit[^`]*)`", section)
    ]


@pytest.mark.parametrize("line", offered())
def test_what_the_page_offers_works(made: WorkspaceBuilder, doit: Doit, line: str) -> None:
    words = [word.replace("kernel-py", "b") for word in line.split()]
    done = doit(*words)
    assert done.code == (1 if words[:1] == ["info"] else 0), done.out + done.err


def test_the_page_offers_something() -> None:
    assert {"list -s", "info build:kernel-py", "-c"} <= set(offered()), offered()


@pytest.mark.parametrize(
    "words",
    [
        ("-n", "2", "build:b"),
        ("-n2", "build:b"),
        ("--process", "2", "build:b"),
        ("-P", "thread", "build:b"),
        ("-n", "2", "-P", "thread", "-v", "2", "build:b"),
        ("--continue", "build:b"),
        ("-o", "out.txt", "build:b"),
        ("-r", "console", "build:b"),
        ("-r", "json", "build:b"),
        ("run", "--verbosity", "2", "build:b"),
        ("run", "-n", "2", "build:b"),
        ("build:*",),
        ("--db-file", "x.db", "build:b"),
    ],
    ids=" ".join,
)
def test_options_of_doit(made: WorkspaceBuilder, doit: Doit, words: tuple[str, ...]) -> None:
    done = doit(*words)
    assert done.code == 0, done.err
    assert built(made) == ["a", "b"]


def test_json_of_doits_own_reporter(doit: Doit) -> None:
    answer = json.loads(doit("-r", "json", "build:b").out)
    assert {task["name"]: task["result"] for task in answer["tasks"]} == {
        "build:a": "success",
        "build:b": "success",
    }


def test_always_builds_what_is_fresh(doit: Doit) -> None:
    assert doit("build").code == 0
    assert "nothing to build" in doit("build").out
    for option in ("-a", "-ac", "--always-execute"):
        assert "2 done in" in doit(option, "build").out, option


# -- Failures --------------------------------------------------------------------------------------


@pytest.fixture
def broken(made: WorkspaceBuilder) -> WorkspaceBuilder:
    """a takes a download that was never locked."""
    made.build("a", 'tarball(name="a", parts={"x": {"f": ":d"}})', DOWNLOAD)
    return made


DOWNLOAD = 'download(name="d", urls=["https://example.org/d"])'


def test_a_wrong_lock_is_told_before_anything_runs(broken: WorkspaceBuilder, doit: Doit) -> None:
    for words in (("build",), ("list", "-s"), ("info", "build:a"), ("clean",), ("-c", "build")):
        done = doit(*words)
        assert done.code == 3, words
        assert "a/BUILD.py:3: error: images.lock has no download entry for //a:d\n" in done.err
        assert "  fix: ./doitw lock //a:d\n" in done.err


@pytest.mark.parametrize("wrong", ["docker_image(\n", 'tarball(name="a", parts={"x": 1})\n'])
def test_what_does_not_need_a_broken_package_runs(
    made: WorkspaceBuilder, doit: Doit, wrong: str
) -> None:
    made.file("c/f", "three\n").build("c", 'tarball(name="c", parts={"x": {"f": "f"}})')
    made.file("a/BUILD.py", wrong)
    for words in (("build:c",), ("-n", "2", "build:c"), ("info", "build:c")):
        done = doit(*words)
        assert done.code == 0, (words, done.err)
    for words in (("build:b",), ("build",), (), ("list",), ("build:c", "build:b"), ("build:c*",)):
        done = doit(*words)
        assert done.code == 3, words
        assert "a/BUILD.py:1: error: " in done.err


# -- Questions -------------------------------------------------------------------------------------


def test_questions_build_and_fetch_nothing(made: WorkspaceBuilder, doit: Doit) -> None:
    done = doit("list", "-s")
    assert done.code == 0
    assert re.search(r"^R build:a +", done.out, re.MULTILINE)
    done = doit("info", "build:b")
    assert done.code == 1, "as doit says of what is not up to date"
    assert "not built yet" in done.out
    assert built(made) == []
    doit("build:a")
    assert re.search(r"^U build:a +", doit("list", "-s").out, re.MULTILINE)
    assert doit("info", "build:a").code == 0


def test_a_pipe_that_is_closed_is_no_error(doit: Doit) -> None:
    for words in ("list", "help"):
        done = doit(shell=f"{DOIT} {words} | head -1; exit 0")
        assert (done.code, done.err) == (0, ""), words


@pytest.mark.parametrize("door", [DOIT, f"{sys.executable} -m buildlib build"])
def test_a_build_that_nobody_reads_any_more_ends_with_1(doit: Doit, door: str) -> None:
    script = f"({door}; echo code $? >&2) | true"
    assert doit(shell=f"sleep 0.3; {script}").err == "code 1\n"


def test_nor_is_one_that_is_closed_before_an_error_is_told_to_a_program(doit: Doit) -> None:
    words = f"{sys.executable} -m buildlib build nosuch --json"
    done = doit(shell=f"(sleep 0.5; {words}) | true; exit 0")
    assert done.err == "error: there is no target nosuch\n  fix: ./doitw list\n"


def test_what_doit_would_keep_is_not_kept_and_said_so(doit: Doit) -> None:
    for words in (("ignore", "build:a"), ("reset-dep",), ("dumpdb",), ("strace", "build:a")):
        done = doit(*words)
        assert done.code == 3, words
        assert f"error: doit {words[0]} can do nothing here: " in done.err
        assert "\n  fix: " in done.err


def test_tab_completion(doit: Doit) -> None:
    done = doit("tabcompletion")
    assert done.code == 0, done.err
    assert "tabcompletion" in done.out


# -- Wrong words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (("buidl",), "there is no task or command buidl; did you mean build?", "doit build"),
        (("build:aa",), "no task or command build:aa; did you mean build:a?", "doit build:a"),
        (("-n", "2", "build:aa"), "did you mean build:a?", "doit build:a"),
        (("lst",), "did you mean list?", "doit list"),
        (("//a",), "there is no task or command //a", ""),
        (("-n", "2", "plan"), "plan must be the first word", "doit plan"),
        (("info", "build:aa"), "did you mean build:a?", "doit info build:a"),
        (("info",), "must select *one* task", "doit help info"),
        (("list", "buidl"), "did you mean build?", "doit list build"),
        (("clean", "buidl"), "did you mean build?", "doit clean build"),
        (("-f", "nosuch.py", "list"), "nosuch.py", "doit list"),
        (("-z",), "option -z not recognized", "doit help run"),
        (("-P", "process", "build"), "process", "doit help run"),
        (("-n", "x", "build"), "num_process", "doit help run"),
        (("-r", "nosuch", "build"), "nosuch", "doit help run"),
        (("build", "VERSON=1"), "did you mean VERSION?", "VERSION=1"),
    ],
    ids=str,
)
def test_a_wrong_word_is_told(doit: Doit, words: tuple[str, ...], what: str, fix: str) -> None:
    done = doit(*words)
    assert done.code == 3, done.out + done.err
    assert what in done.err
    assert len(done.err) < 400, "not all that doit takes"
    typed = re.sub("^doit ", ".venv/bin/doit ", fix)  # it is not on PATH
    assert f"  fix: {typed}" in done.err
