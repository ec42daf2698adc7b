"""What a workspace's flavour and the family's own settings decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.core.model.label import Label
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

CHILD = "ARG BASE_CONTAINER=elyra/os:dev\nFROM ${BASE_CONTAINER}\n"
PARENTS = 'parent={"debian": "//images/os", "docker-stacks": "//images/other"}'


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """An image for both flavours, one for docker-stacks only, and one that stands on it."""
    made = WorkspaceBuilder(tmp_path).image("images/os").image("images/other")
    only = 'parent={"docker-stacks": "//images/other"}, flavours=["docker-stacks"]'
    made.image("images/gpu", only, CHILD.replace("os", "other"))
    made.image("images/child", 'parent="//images/gpu"', CHILD.replace("os", "gpu"))
    return made


def wanted(made: WorkspaceBuilder, *words: str) -> list[str]:
    """The names of the targets that some words stand for."""
    return sorted(label.name for label in made.open().resolve(words, verb="build"))


def test_what_the_flavour_lacks_is_left_out_with_what_needs_it(made: WorkspaceBuilder) -> None:
    assert wanted(made) == ["os", "other"]
    assert wanted(made, "//images/...") == ["os", "other"]
    assert made.open().left_out == {
        Label("images/gpu", "gpu"): "it exists in the flavour docker-stacks only",
        Label("images/child", "child"): "it needs //images/gpu",
    }


def test_it_is_there_in_its_own_flavour(made: WorkspaceBuilder) -> None:
    made.setting("flavour", "docker-stacks")
    assert made.open().left_out == {}
    assert wanted(made) == ["child", "gpu", "os", "other"]


@pytest.mark.parametrize("word", ["gpu", "build:gpu", "//images/gpu"])
def test_asked_for_by_name_it_says_why_it_is_not_built(made: WorkspaceBuilder, word: str) -> None:
    with pytest.raises(
        InputError, match="left out: it exists in the flavour docker-stacks only"
    ) as e:
        wanted(made, word)
    assert str(e.value.where).startswith("images/gpu/BUILD.py:")
    assert "flavour" in str(e.value.fix)


def test_what_is_left_out_is_checked_all_the_same(made: WorkspaceBuilder) -> None:
    made.file("images/gpu/Dockerfile", CHILD.replace("os", "other") + "COPY absent /\n")
    assert "absent" in made.error()


def test_flavours_are_not_part_of_a_key(made: WorkspaceBuilder) -> None:
    before = made.keys()["//images/os"]
    made.image("images/os", 'flavours=["debian"]')
    assert made.keys()["//images/os"] == before


def test_select_takes_the_value_of_the_flavour(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    choice = 'description=select({"debian": "built", "docker-stacks": "pulled"})'
    made.image("images/a", choice)
    assert made.open().graph[Label("images/a", "a")].attrs["description"] == "built"
    made.setting("flavour", "docker-stacks")
    assert made.open().graph[Label("images/a", "a")].attrs["description"] == "pulled"


def test_a_setting_of_the_family_changes_the_keys_of_what_asks_for_it(tmp_path: Path) -> None:
    def keys(version: str) -> dict[str, str]:
        made.file(
            "pyproject.toml", f'[tool.buildlib]\n[tool.buildlib.spark]\nversion = "{version}"\n'
        )
        return made.keys()

    made = WorkspaceBuilder(tmp_path).image("images/other")
    made.image("images/spark", 'build_args={"VERSION": setting("spark.version")}')
    old, new = keys("3.5.6"), keys("3.5.7")
    assert {label for label in old if old[label] != new[label]} == {"//images/spark"}


def test_a_setting_that_only_names_the_image_changes_no_key(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.file("pyproject.toml", '[tool.buildlib]\n[tool.buildlib.spark]\nversion = "3.5.6"\n')
    made.image("images/spark", 'tags=[setting("spark.version")]')
    assert made.open().graph[Label("images/spark", "spark")].tags == ("3.5.6",)
    before = made.keys()
    made.file("pyproject.toml", '[tool.buildlib]\n[tool.buildlib.spark]\nversion = "3.5.7"\n')
    assert made.keys() == before


def test_a_setting_among_choices_is_told_at_its_line_if_it_is_none_of_them(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    lines = ["[tool.buildlib.other]", 'source = "x"', "[tool.buildlib.spark]", 'source = "pipy"']
    made.file("pyproject.toml", "\n".join(["[tool.buildlib]", *lines]) + "\n")
    choice = 'setting("spark.source", choices=["pypi", "apache"])'
    made.image("images/a", f'description=setting("other.source") + {choice}')
    told = made.error()
    assert told.startswith("pyproject.toml:5: error: setting spark.source is 'pipy'")
    assert 'fix: source = "pypi"  # or apache' in told
    made.file("pyproject.toml", "\n".join(["[tool.buildlib]", *lines]).replace("pipy", "apache"))
    assert made.graph()[Label("images/a", "a")].attrs["description"] == "xapache"


@pytest.mark.parametrize("word", ["gpu", "child"])
def test_what_is_left_out_says_in_which_flavour_it_is_there(
    made: WorkspaceBuilder, word: str
) -> None:
    with pytest.raises(InputError) as e:
        wanted(made, word)
    assert str(e.value.fix).startswith("FLAVOUR=docker-stacks")
