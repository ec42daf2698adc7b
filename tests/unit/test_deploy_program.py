"""`python -m deploy`, by itself and as `./doitw deploy` runs it; no engine is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.cli.program import run_program
from buildlib.core.model.label import parse_label
from buildlib.errors import ActionError, InputError
from deploy.__main__ import main
from deploy.run import KINDS

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
import json, os, sys
path = sys.argv[sys.argv.index("--json") + 1]
def answer(value):
    json.dump(value, open(path, "w"))
"""


@pytest.fixture
def program(tmp_path: Path):
    """`program(code)` runs a program of a workspace; what it printed is in `program.said`."""

    class Program:
        def __init__(self) -> None:
            self.said: list[str] = []

        def __call__(self, code: str, *words: str):
            (tmp_path / "prog").mkdir()
            (tmp_path / "prog/__main__.py").write_text(HEAD + code)
            workspace = Workspace(str(tmp_path))
            return run_program(workspace, "prog", words, self.said.append)

    return Program()


# -- By itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required"),
        (["upp"], "invalid choice"),
        (["up", "compose"], "fix: --image"),
        (["up", "compose", "--image", "i", "--nam", "A"], "cannot be the name"),
        (["down", "compost"], "did you mean compose?"),
        (["check", "compose", "--port", "0"], "--port 0 is not a number from 1"),
    ],
)
def test_wrong_words_are_told(words, said, capsys) -> None:
    assert main(words) == 3
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("word", KINDS)
def test_it_says_what_has_to_be_built(word, tmp_path) -> None:
    answer = tmp_path / "answer"
    more = {"swarm": ["--init"], "kubernetes": ["--render", "out"]}.get(word, [])  # no cluster
    assert main(["check", word, *more, "--json", str(answer)]) == 0
    [target] = json.loads(answer.read_text())["targets"]
    label = parse_label(target)
    outputs = Workspace(str(ROOT)).graph[label].attrs["out"]
    assert outputs == KINDS[word].file


def test_an_error_is_told_once_by_whoever_runs_it(tmp_path, capsys) -> None:
    answer = tmp_path / "answer"
    assert main(["down", "swarn", "--json", str(answer)]) == 3
    assert capsys.readouterr().err == ""
    assert json.loads(answer.read_text())["error"] == {
        "what": "there is no deployment swarn; did you mean swarm?",
        "file": None,
        "line": None,
        "declared": None,
        "fix": "./doitw undeploy swarm",
        "detail": None,
        "exit_code": 3,
    }


def test_of_the_build_system_it_knows_the_way_to_the_engine() -> None:
    code = (
        "import sys, deploy.run\n"
        "rooms = {'.'.join(m.split('.')[1:3]) for m in sys.modules if m.startswith('buildlib.')}\n"
        "print(*sorted(rooms))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rooms = {room for room in done.stdout.split() if not room.startswith("engine.")}
    of_engine = {"core", "core.dockerfile", "core.model", "outside", "outside.web"}
    assert {"engine", "errors", "suggest"} <= rooms <= {"engine", "errors", "suggest"} | of_engine


# -- As a child -----------------------------------------------------------------------------------


def test_a_child_is_heard_and_answers(program) -> None:
    assert program("print('one\\ntwo'); answer(sys.argv[1:3])", "a", "b") == ["a", "b"]
    assert program.said == ["one", "two"]


def test_it_stands_in_the_workspace_and_no_variable_of_python_reaches_it(
    program, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    monkeypatch.setenv("EG_LOG_LEVEL", "x")
    code = "answer([os.getcwd(), [n for n in os.environ if n.startswith(('PYTHON', 'EG_'))]])"
    assert program(code) == [str(tmp_path), ["EG_LOG_LEVEL", "PYTHONPATH"]]


@pytest.mark.parametrize(("code", "kind"), [(3, InputError), (1, ActionError)])
def test_its_error_is_ours(program, code, kind) -> None:
    error = {"what": "w", "file": "f", "line": None, "fix": "x", "detail": "a\nb"}
    error |= {"exit_code": code, "declared": None}
    with pytest.raises(kind) as raised:
        program(f"answer({{'error': {error}}}); sys.exit({code})")
    assert raised.value.exit_code == code
    assert raised.value.render() == "f: error: w\n  a\n  b\n  fix: x"


def test_a_child_that_does_not_answer_is_a_fault(program) -> None:
    with pytest.raises(RuntimeError, match="python -m prog has ended with code 1"):
        program("raise SystemError('odd')")
    assert "SystemError: odd" in program.said


def test_a_workspace_without_the_program_says_so(tmp_path) -> None:
    with pytest.raises(InputError, match="no program prog"):
        run_program(Workspace(str(tmp_path)), "prog", [], print)
