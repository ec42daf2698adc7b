"""Plain `doit` builds as `./doitw` does."""

from __future__ import annotations

import re

import pytest
from e2e_engine import Images
from e2e_family_check import assert_right, contents
from e2e_process import Family

pytestmark = pytest.mark.engine

LEFT = "//images/left"


def test_bare_doit_builds_all(family: Family, images: Images) -> None:
    done = family.doit()
    assert done.code == 0, done.text
    assert "7 done in" in done.out
    assert_right(family, images)
    again = family.doit()
    assert again.code == 0
    assert "nothing to build: 7 " in again.out
    assert " done in" not in again.out


@pytest.mark.parametrize(
    "words", [("build:left",), ("run", "build:left"), ("-n", "4", "build:left")], ids=" ".join
)
def test_doit_builds_a_target_with_what_it_needs(
    family: Family, images: Images, words: tuple[str, ...]
) -> None:
    done = family.doit(*words)
    assert done.code == 0, done.text
    assert images.files("left") == contents(family)["left"]
    assert images.id("right") is None
    assert family.plan("left") == {}


def test_doit_builds_in_parallel_for_another_organization(family: Family, images: Images) -> None:
    family.write(
        "pyproject.toml", family.read("pyproject.toml").replace(images.organization, "e2e-not-me")
    )
    done = family.doit("-n", "4", "build", f"ORGANIZATION={images.organization}")
    assert done.code == 0, done.text
    for name, files in contents(family).items():
        assert images.files(name) == files


def test_doit_tells_a_failure_with_its_exit_code(family: Family, images: Images) -> None:
    family.replace("images/base/Dockerfile", "COPY motd", 'RUN ["/no"]\nCOPY motd')
    done = family.doit("build:base")
    assert done.code == 1, done.text
    assert "images/base/Dockerfile:2: error: " in done.err


def test_continue_builds_what_does_not_need_the_failed_target(
    family: Family, images: Images
) -> None:
    family.replace("images/base/Dockerfile", "COPY motd", 'RUN ["/no"]\nCOPY motd')
    done = family.doit("--continue", "-n", "2", "build")
    assert done.code == 1, done.text
    assert re.search(r"^1 failed, \d+ done, \d+ not begun in ", done.out, re.MULTILINE), done.out
    assert images.id("base-two") is not None
    assert images.id("left") is None


def test_doits_own_clean_and_forget(family: Family, images: Images) -> None:
    assert family.doit("build").code == 0
    assert family.doit("forget", "build:left").code == 0
    assert family.plan() == {LEFT: "build"}
    assert family.doit("build:left").code == 0
    done = family.doit("clean", "build:left")
    assert done.code == 0, done.text
    assert images.id("left") is None
    assert images.id("base") is not None
    assert family.doit("build").code == 0
    assert_right(family, images)
