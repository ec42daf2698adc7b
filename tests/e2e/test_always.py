"""`-a`: what is asked for is built again, on parents that are there."""

from __future__ import annotations

import pytest
from e2e_engine import Images
from e2e_process import Family

pytestmark = pytest.mark.engine


def test_what_is_asked_for_is_built_again_and_nothing_else(family: Family, images: Images) -> None:
    family.build()
    out = family.run("build", "-a", "left").out
    assert "left: asked to build it again" in out
    assert "base" not in out
    assert "1 done" in out


def test_a_parent_that_is_gone_is_built_before(family: Family, images: Images) -> None:
    family.build()
    images.remove("base")
    done = family.run("build", "-a", "left")
    assert done.code == 0, done.text
    assert "2 done" in done.out


def test_the_dry_run_shows_it(family: Family, images: Images) -> None:
    family.build()
    assert "asked to build it again" in family.run("build", "-a", "left", "--dry-run").out


def test_plain_doit_builds_it_again_too(family: Family, images: Images) -> None:
    family.build()
    before = images.id("left")
    done = family.doit("-a", "build:left")
    assert done.code == 0, done.text
    assert images.id("left") != before
