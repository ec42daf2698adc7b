"""Verbs: each is one module, both front doors find it, and its help says what it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doit.doit_cmd import DoitMain

from buildlib.cli.doit_plugin import commands
from buildlib.cli.help import about, overview
from buildlib.cli.main import main
from buildlib.cli.verb import EVERYWHERE, JSON, SHARED, VARIABLES, Option, find, names
from tests.support.golden import check_golden

ROOT = Path(__file__).parents[2]
VERBS = names()
OF_DOIT = commands.verbs()
OWN = {"build", "clean", "list", "verify"}
"""Verbs that doit answers itself: they are tasks, or commands of its own."""


@pytest.fixture
def doit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`doit("help", "plan")`: plain doit in this checkout; what it prints."""

    def run(*words: str) -> str:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(DoitMain, "BIN_NAME", "doit")
        assert not DoitMain().run(list(words))
        return capsys.readouterr().out

    return run


def options() -> list[tuple[str, Option]]:
    return [(verb, option) for verb in VERBS for option in find(verb).all_options]


# -- Help ----------------------------------------------------------------------------------------


def test_the_overview_has_each_verb_with_its_line() -> None:
    check_golden("help/overview", overview().rstrip())


def test_the_version_is_the_familys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == (ROOT / "VERSION").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_golden(f"help/{verb}", about(find(verb)).rstrip())
    for words in (["help", verb], [verb, "--help"], ["-h", verb]):
        assert main(words) == 0
        assert capsys.readouterr().out == about(find(verb))


@pytest.mark.parametrize("verb", [*OF_DOIT, "forget"])
def test_plain_doit_shows_the_same_help(verb: str, doit) -> None:
    shown = doit("help", verb)
    assert shown.replace("usage: doit ", "usage: ./doitw ") == about(find(verb))


def test_plain_doit_has_all_verbs_in_its_help(doit) -> None:
    shown = doit("help")
    for verb in [*OF_DOIT, "forget"]:
        assert f"doit {verb.ljust(16)}  {find(verb).summary}\n" in shown
    assert {*VERBS} - {*OF_DOIT, "forget"} == OWN
    assert f"or one of the verbs {', '.join(OF_DOIT)}\n" in doit("--help")


# -- What is declared ----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_named_as_its_module(verb: str) -> None:
    declared = find(verb)
    assert declared.name == verb, f"fix: Verb({verb!r}, …) in buildlib/cli/commands/{verb}.py"
    assert declared.summary
    assert set(declared.variables) <= set(VARIABLES)
    own = [option.name for option in declared.options]
    assert len(set(own)) == len(own)


def test_an_option_has_one_form_and_a_value_in_all_verbs_or_in_none() -> None:
    """Options may stand before the verb, so what follows one must not depend on the verb."""
    known = {option.name: option for option in SHARED}
    for verb, option in options():
        first = known.setdefault(option.name, option)
        assert (option.short, bool(option.takes)) == (first.short, bool(first.takes)), verb
        assert option.help, (verb, option.name)
    forms = [form for option in known.values() for form in option.forms]
    assert len(set(forms)) == len(forms)


def test_what_several_verbs_take_is_declared_once() -> None:
    of_verbs: dict[str, set[str]] = {}
    for verb, option in options():
        of_verbs.setdefault(option.name, set()).add(verb)
    shared = {option.name for option in SHARED}
    same_name = {
        "--check": {"build", "lock"},
        "--name": {"deploy", "undeploy"},
        "--remote": {"plan", "prune", "push"},
        "--to": {"affected", "fetch"},
    }
    for name, verbs in of_verbs.items():
        if name not in shared:
            assert len(verbs) == 1 or verbs == same_name[name], name
    assert shared - of_verbs.keys() == set()
    assert {option.name for option in EVERYWHERE} == {"--help", "--debug"}


# -- A new verb ----------------------------------------------------------------------------------

DECLARATION = """\
from buildlib.rules import filegroup

filegroup(name="one", srcs=["VERSION"])
"""


def example() -> str:
    """The verb that CONTRIBUTING.md shows as a complete one."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return page.partition("## A new verb")[2].partition("```python\n")[2].partition("```")[0]


def test_a_new_verb_is_one_module(tmp_path: Path) -> None:
    keep_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "buildlib", tmp_path / "buildlib", ignore=keep_out)
    for name in ("dodo.py", "VERSION"):
        shutil.copy(ROOT / name, tmp_path)
    settings = (ROOT / "pyproject.toml").read_text().partition("[tool.doit.plugins.command]")
    (tmp_path / "pyproject.toml").write_text(settings[1] + settings[2])
    (tmp_path / "buildlib/cli/commands/owners.py").write_text(example())
    (tmp_path / "BUILD.py").write_text(DECLARATION)

    def said(program: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", program, *words],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    for program in ("buildlib", "doit"):
        assert said(program, "owners", "//:one", "--sorted") == "filegroup       //:one\n"
        assert said(program, "owners", "--json") == '{\n  "//:one": "filegroup"\n}\n'
        assert "--sorted" in said(program, "help", "owners")
        assert "the rule of each target" in said(program, "help")
        assert "did you mean --sorted?" in said(program, "owners", "--sort")
        assert "did you mean owners?" in said(program, "owner")


def test_every_verb_answers_programs() -> None:
    assert [name for name in VERBS if JSON.name not in {o.name for o in find(name).options}] == []


def test_a_helper_is_no_verb() -> None:
    folder = ROOT / "buildlib/cli/commands"
    for path in folder.glob("*.py"):
        if path.stem != "__init__":
            assert "\nVERB = Verb(" in path.read_text(), (
                f"{path.name} is no verb\n  fix: git mv {path.relative_to(ROOT)} buildlib/cli/"
            )
