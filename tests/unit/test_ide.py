"""The committed editor files: our errors are clickable, and every command they start exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from buildlib.cli.commands.test import _CHECKS
from buildlib.errors import ActionError, InputError, Location

ROOT = Path(__file__).resolve().parents[2]
TASKS: dict[str, Any] = json.loads((ROOT / ".vscode/tasks.json").read_text(encoding="utf-8"))
FIELDS = ("file", "line", "severity", "message")


def problems(text: str, task: dict[str, Any]) -> list[dict[str, str]]:
    """What an editor would list: each line of output against each pattern of a task.

    The patterns use only what JavaScript and Python read alike (checked below).
    """
    found = []
    for line in text.splitlines():
        for matcher in task["problemMatcher"]:
            pattern = matcher["pattern"]
            match = re.search(pattern["regexp"], line, re.ASCII)
            if match:
                found.append({name: match[pattern[name]] for name in FIELDS if name in pattern})
    return found


@pytest.fixture(params=TASKS["tasks"], ids=lambda task: task["label"])
def task(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_an_error_with_a_line_is_one_problem_at_that_line(task):
    error = InputError(
        "source 'a:b.py' exists, but is not in srcs: add it",
        where=Location("images/kernel-py/BUILD.py", 12),
        fix="add 'a:b.py' to srcs in images/kernel-py/BUILD.py:12",
        detail="COPY a:b.py /opt/\nDockerfile:3: error: looks like one, but is detail",
    )
    assert problems(error.render(), task) == [
        {
            "file": "images/kernel-py/BUILD.py",
            "line": "12",
            "severity": "error",
            "message": "source 'a:b.py' exists, but is not in srcs: add it",
        }
    ]


def test_what_is_said_once_more_at_the_end_is_no_second_problem(task):
    error = InputError("no", where=Location("images/x/Dockerfile", 3)).render()
    assert problems(f"failed: x: {error}", task) == []
    assert problems("failed: x: images/x/BUILD.py: error: no", task) == []


def test_a_path_with_spaces_is_taken_whole(task):
    error = InputError("no such setting", where=Location("docs/my notes/read me.md", 7))
    assert problems(error.render(), task) == [
        {
            "file": "docs/my notes/read me.md",
            "line": "7",
            "severity": "error",
            "message": "no such setting",
        }
    ]


def test_an_error_of_a_whole_file_is_a_problem_of_that_file(task):
    error = InputError(
        "[tool.buildlib] is not a table", where=Location("my site/pyproject.toml", 0)
    )
    assert problems(error.render(), task) == [
        {
            "file": "my site/pyproject.toml",
            "severity": "error",
            "message": "[tool.buildlib] is not a table",
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        ActionError("cannot reach pypi.org: error: timed out", fix="try again: error: no").render(),
        ActionError("12:30: error: is no place").render(),
        "set-up: packages installed in 1.4 s",
        "build  //images/kernel-py  12:30:05",
        "ERROR: failed to solve: process did not complete",
    ],
)
def test_what_names_no_place_is_no_problem(text, task):
    assert problems(text, task) == []


FAULTY = {
    # a tool's command; a file that it does not like; where it says so
    "ruff": ("import os\n", "1"),
    "ruff, which cannot read it": ("def f(:\n", "1"),
    "mypy": ("def f() -> int:\n    return 'x'\n", "2"),
    "pytest": ("def test_it():\n    assert 1 == 2\n", "2"),
    "pytest, where no Error is in the name": (
        "import subprocess\n\n\ndef test_it():\n    raise subprocess.TimeoutExpired('x', 1)\n", "5"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTY)
def test_what_a_tool_finds_is_a_problem_of_the_test_task(what, tmp_path):
    [task] = [each for each in TASKS["tasks"] if each["label"] == "test"]
    tool = what.partition(",")[0]
    steps = {"ruff": "lint", "mypy": "types"}
    command = dict(_CHECKS)[steps[tool]] if tool in steps else ("pytest",)
    text, line = FAULTY[what]
    name = "test_faulty.py" if tool == "pytest" else "faulty.py"
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / name).write_text(text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    words = [word for word in command if word != "."]
    done = subprocess.run(
        [sys.executable, "-m", *words, f"a folder/{name}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    found = problems(done.stdout, task)
    assert {each["file"] for each in found} == {f"a folder/{name}"}
    assert line in {each["line"] for each in found}


def test_a_file_whose_format_is_wrong_is_named(tmp_path):
    (tmp_path / "ugly.py").write_text("x  =  1\n")
    done = subprocess.run(
        [sys.executable, "-m", *dict(_CHECKS)["format"]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "ugly.py" in done.stdout


def test_patterns_hold_nothing_that_javascript_reads_differently(task):
    for matcher in task["problemMatcher"]:
        regexp = matcher["pattern"]["regexp"]
        # named groups, inline flags, \A \Z, possessive and atomic forms: not in JavaScript
        assert not re.search(r"\(\?P|\(\?[aiLmsux]|\(\?>|\\[AZ]|[*+?}]\+", regexp)
        assert regexp.startswith("^")
        assert regexp.endswith("$")
        assert matcher["fileLocation"] == ["relative", "${workspaceFolder}"]


def test_tasks_start_the_front_door():
    labels = {task["label"]: task for task in TASKS["tasks"]}
    assert labels.keys() == {"build", "build one target", "plan", "test"}
    for task in TASKS["tasks"]:
        assert task["command"] == "${workspaceFolder}/doitw"
    assert os.access(ROOT / "doitw", os.X_OK)
    assert labels["build"]["group"] == {"kind": "build", "isDefault": True}
    assert labels["test"]["group"] == {"kind": "test", "isDefault": True}


def test_the_target_is_picked_from_a_list_of_labels():
    [task] = [each for each in TASKS["tasks"] if each["label"] == "build one target"]
    [picked] = TASKS["inputs"]
    assert task["args"] == ["build", f"${{input:{picked['id']}}}"]
    assert picked["type"] == "pickString"
    assert picked["default"] in picked["options"]
    assert all(re.fullmatch(r"//[\w./-]+(:[\w.-]+)?", option) for option in picked["options"])


@pytest.mark.parametrize("name", ["build", "plan", "test"])
def test_jetbrains_starts_the_front_door_in_the_project(name):
    root = ET.parse(ROOT / f".run/{name}.run.xml").getroot()
    assert root.tag == "component"
    assert root.get("name") == "ProjectRunConfigurationManager"
    configuration = root.find("configuration")
    assert configuration is not None
    assert configuration.get("type") == "ShConfigurationType"
    assert configuration.get("name") == name
    options = {each.get("name"): each.get("value") for each in configuration.iter("option")}
    assert options["SCRIPT_TEXT"] == f"./doitw {name}"
    assert options["EXECUTE_SCRIPT_FILE"] == "false"
    assert options["SCRIPT_WORKING_DIRECTORY"] == "$PROJECT_DIR$"
