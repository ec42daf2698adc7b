"""`./doitw test`: which tools run, with which words."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildlib.build.execution import signals
from buildlib.cli.commands import test
from buildlib.cli.verb import Call
from tests.support.workspace import WorkspaceBuilder

Ran = Callable[..., list[list[str]]]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """`ran("tests/unit", fast=True)`: the words of each tool, after its name."""
    workspace = WorkspaceBuilder(tmp_path).open()
    monkeypatch.setattr(test, "open_workspace", lambda call: workspace)
    monkeypatch.setattr(test, "_build", lambda workspace, *, as_json: [])
    monkeypatch.setattr(signals, "install", lambda save: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def run(*words: str, code: int = 0, **options: bool) -> list[list[str]]:
        commands: list[list[str]] = []

        def note(command: list[str], *, env: dict[str, str], **_: object) -> SimpleNamespace:
            assert "PYTHONDONTWRITEBYTECODE" not in env
            commands.append([os.path.basename(command[0]), *command[1:]])
            return SimpleNamespace(returncode=code)

        monkeypatch.setattr(subprocess, "run", note)
        assert test.run(Call(words, options, {}, "")) == bool(code)
        return commands

    return run


KEPT = ["-p", "tests.support.kept.plugin", "--kept"]


def test_all_of_it_runs_on_more_processes_than_cores_and_leaves_out_what_passed(ran: Ran) -> None:
    *checks, tests = ran()
    assert [name for name, *_ in checks] == ["ruff", "ruff", "mypy", "lint-imports"]
    assert tests[1:] == ["-m", "pytest", "-n", "4", "--dist", "worksteal", *KEPT]


def test_what_takes_no_engine_runs_on_as_many_as_there_are(ran: Ran) -> None:
    tests = ran(fast=True)[-1]
    no_engine = ["-m", "not engine and not slow", "-n", "2", "--dist", "worksteal"]
    assert tests[1:] == ["-m", "pytest", *no_engine, *KEPT]


def test_always_runs_all_and_keeps_it(ran: Ran) -> None:
    assert ran(always=True)[-1][-1] == "--keep"


def test_ci_runs_all_and_keeps_nothing(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    for options in ({}, {"always": True}, {"fast": True}):
        assert not [word for word in ran(**options)[-1] if word.startswith(("--ke", "tests."))]


def test_words_go_to_pytest_and_pytest_is_all_that_runs(ran: Ran) -> None:
    (tests,) = ran("tests/unit", "-k", "lock")
    assert tests[1:] == ["-m", "pytest", "tests/unit", "-k", "lock"]


def test_a_tool_that_fails_fails_it_and_the_others_run(ran: Ran) -> None:
    assert len(ran(code=1)) == 5


def test_fast_stops_at_the_first_that_fails(ran: Ran) -> None:
    assert [name for name, *_ in ran(code=1, fast=True)] == ["ruff"]


def test_a_program_is_told_each_step(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran(code=1, json=True)
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["failed"] == ["lint", "format", "types", "layers", "tests"]
    assert answer["steps"][2]["command"] == ["mypy"]
    assert {step["exit_code"] for step in answer["steps"]} == {1}
    assert "== types: mypy" in err
