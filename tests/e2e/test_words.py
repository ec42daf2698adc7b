"""What may be typed: verbs, targets, options and variables, anywhere and from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from e2e_process import Family

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    """A family that is asked and never changed, without an engine."""
    folder: Path = tmp_path_factory.mktemp("asked")
    family = Family.new(folder / "family", "e2e-offline")
    yield family
    family.close()


def planned(family: Family, *words: str, folder: str = "") -> list[str]:
    done = family.run(*words, folder=folder)
    assert done.code == 0, done.text
    return sorted(step["label"] for step in done.json["steps"])


LEFT = ["//images/base", "//images/left"]


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "left", "--json"),
        ("plan", "--json", "left"),
        ("--json", "plan", "left"),
        ("plan", "//images/left", "--json"),
        ("plan", "//images/left:left", "--json"),
        ("plan", "build:left", "--json"),
        ("plan", "images/left", "--json"),
        ("plan", "images/left/", "--json"),
        ("plan", "//images/left/...", "--json"),
        ("plan", "//images/left:all", "--json"),
        ("plan", "left", "//images/left", "build:left", "--json"),
        ("build", "--dry-run", "left", "--json"),
        ("build:left", "--json", "--dry-run"),
        ("left", "--dry-run", "--json"),
        ("--json", "--dry-run", "-n4", "//images/left"),
        ("plan", "left", "ORGANIZATION=acme", "--json"),
        ("ORGANIZATION=acme", "plan", "--json", "left"),
    ],
    ids=" ".join,
)
def test_a_target_goes_by_many_names_and_words_stand_in_any_order(
    asked: Family, words: tuple[str, ...]
) -> None:
    assert planned(asked, *words) == LEFT


@pytest.mark.parametrize(
    ("folder", "word"),
    [
        ("images", "left"),
        ("images/left", ":left"),
        ("images/left/files", "//images/left"),
        ("launchers/left", "build:left"),
        ("images", "left/BUILD.py"),
        ("images/left", "."),
        ("images/left", "./"),
        ("images/right", "../left"),
    ],
)
def test_from_a_subfolder_names_are_those_of_the_root_and_of_the_folder(
    asked: Family, folder: str, word: str
) -> None:
    assert planned(asked, "plan", word, "--json", folder=folder) == LEFT


def test_a_pattern_is_all_targets_at_and_below_a_folder(asked: Family) -> None:
    everything = {
        *LEFT,
        "//launchers:scripts",
        "//images/other-base",
        "//images/right",
        "//tools:made",
        "//specs:left_spec",
    }
    assert set(planned(asked, "plan", "//...", "--json")) == everything
    assert set(planned(asked, "plan", "--json")) == everything
    assert set(planned(asked, "plan", "//images/...", "--json")) == everything - {
        "//specs:left_spec",
        "//launchers:scripts",  # images take parts of it, which are no step of their own
    }


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("biuld",), "build"),
        (("plna", "left"), "plan"),
        (("build", "lfet"), "left"),
        (("plan", "//images/lfet"), "//images/left"),
        (("why", "build:lfet"), "build:left"),
        (("clean", "lanchers:scripts"), "launchers:scripts"),
        (("forget", "//launchers:script"), "//launchers:scripts"),
        (("list", "//image/left"), "//images/left"),
        (("fetch", "//data:fetch"), "//data:fetched"),
        (("plan", "--jsn"), "--json"),
        (("build", "left", "--alwasy"), "--always"),
        (("plan", "--always"), "plan --help"),
        (("build", "VERSON=2.5.0"), "VERSION"),
        (("plan", "left", "ORGANISATION=acme"), "ORGANIZATION"),
        (("help", "biuld"), "build"),
        (("release", "VERSON=1"), "VERSION"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_misspelt_word_is_refused_with_what_was_meant(
    asked: Family, words: tuple[str, ...], meant: str
) -> None:
    done = asked.run(*words)
    assert done.code == 3, done.text
    assert meant in done.err
    assert "fix: " in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ("build", "-n"),
        ("build", "-n", "four"),
        ("build", "--json=yes"),
        ("build", "//images/nothing/..."),
        ("build", "//"),
        ("build", ""),
        ("plan", "ORGANIZATION=No Name"),
        ("plan", "REGISTRY=http://x/"),
        ("why",),
        ("build", "left", "--", "--jsn"),
        ("left", "plan"),
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_wrong_input(asked: Family, words: tuple[str, ...]) -> None:
    done = asked.run(*words)
    assert done.code == 3, done.text
    assert "error: " in done.err
    assert "fix: " in done.err


def test_outside_of_a_workspace_it_says_so(asked: Family) -> None:
    done = asked.run("plan", folder="../home")
    assert done.code == 3
    assert "is in no workspace" in done.err


def test_help_needs_no_workspace_and_names_every_verb(asked: Family) -> None:
    shown = asked.run("--help", folder="../home")
    assert shown.code == 0
    for verb in ("build", "plan", "why", "list", "lock", "fetch", "release", "clean", "forget"):
        assert f"  {verb} " in shown.out
        one = asked.run("help", verb, folder="../home")
        assert one.code == 0
        assert f"./doitw {verb}" in one.out


def test_list_shows_each_target_with_its_line(asked: Family) -> None:
    lines = asked.run("list").out.splitlines()
    assert any(line.split(None, 1) == ["//images/left", "the left one"] for line in lines)
    assert len(lines) == 9
    rows = asked.run("list", "--json", "//launchers/...").json
    assert rows == [
        {
            "label": "//launchers:scripts",
            "task": "build:launchers:scripts",
            "rule": "tarball",
            "doc": "what runs inside",
            "stamped": False,
            "where": rows[0]["where"],
            "deps": [],
        }
    ]
    assert rows[0]["where"].startswith("launchers/BUILD.py:")


# -- plain doit -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "left", "--json"),
        ("plan", "--json", "//images/left"),
        ("plan", "build:left", "--json"),
        ("plan", "left", "--json", "ORGANIZATION=acme"),
    ],
    ids=" ".join,
)
def test_doit_takes_our_verbs(asked: Family, words: tuple[str, ...]) -> None:
    done = asked.doit(*words)
    assert done.code == 0, done.text
    assert sorted(step["label"] for step in done.json["steps"]) == LEFT


def test_doit_list_shows_subtasks_with_their_lines(asked: Family) -> None:
    done = asked.doit("list")
    assert done.code == 0, done.text
    rows = dict(line.split(None, 1) for line in done.out.splitlines())
    assert rows["build:left"].strip() == "the left one"
    assert rows["build:launchers:scripts"].strip() == "what runs inside"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("build", "VERSON=1"), "VERSION"),
        (("plan", "VERSON=1"), "VERSION"),
        (("why", "lfet"), "left"),
        (("plan", "--jsn"), "--json"),
        (("build:lfet",), "build:left"),
        (("biuld",), "build"),
        (("build", "build:lfet"), "build:left"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_doit_refuses_misspelt_words_too(asked: Family, words: tuple[str, ...], meant: str) -> None:
    done = asked.doit(*words)
    assert done.code == 3, done.text
    assert meant in done.err


def test_the_name_of_a_group_stands_for_its_targets(asked: Family) -> None:
    assert asked.run("plan", "build").out == asked.run("plan").out
    refused = asked.run("plan", "verify")
    assert refused.code == 3
    assert "verify names nothing" in refused.err
