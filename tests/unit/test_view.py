"""One class for the working tree, a commit, another flavour, another version."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.view import View, view_of_commit
from buildlib.errors import InputError
from tests.support.family import family
from tests.support.workspace import WorkspaceBuilder

FLAVOURED = """
external_image(
    name="theirs", image="docker.io/library/debian:12", flavours=["docker-stacks"],
)
docker_image(name="a", parent={"debian": None, "docker-stacks": ":theirs"})
"""


class Counting:
    """A tree that says what is read of it."""

    def __init__(self, tree: object) -> None:
        self._tree = tree
        self.read_paths: list[str] = []

    def read(self, path: str) -> bytes:
        self.read_paths.append(path)
        return self._tree.read(path)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._tree, name)


class Nothing:
    """A tree that must not be read."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} was asked")


def moved(before: dict[Label, str], after: dict[Label, str]) -> set[str]:
    """The targets whose key differs."""
    return {str(label) for label in {**before, **after} if before.get(label) != after.get(label)}


def test_a_commit_is_seen_as_its_working_tree_was(tmp_path: Path) -> None:
    made = family(tmp_path)
    here, commit = made.open().view, made.commit()
    before = here.key_of_each()
    made.file("pack/r/run.r", "another\n").setting("organization", "acme").file("VERSION", "9.9.9")
    made.lock({})
    with view_of_commit(str(made.root), commit) as there:
        assert there.key_of_each() == before
        assert (there.settings, there.version, there.lock) == (
            here.settings, here.version, here.lock,
        )  # fmt: skip


def test_what_a_run_sets_holds_for_a_commit_too(tmp_path: Path) -> None:
    made = family(tmp_path)
    commit = made.commit()
    with view_of_commit(str(made.root), commit, {"organization": "acme"}, "2.5.0") as there:
        wanted = made.open(overrides={"organization": "acme"}, version="2.5.0").view
        assert there.key_of_each() == wanted.key_of_each()
        assert (there.settings.organization, there.channel) == ("acme", "2.5.0")


def test_another_version_moves_what_carries_it_and_nothing_else(tmp_path: Path) -> None:
    made = family(tmp_path)
    developed, released = made.open().view, made.open(version="2.5.0").view
    assert (developed.channel, released.channel) == ("dev", "2.5.0")
    assert moved(developed.key_of_each(), released.key_of_each()) == {"//kernelspecs:python"}
    label = parse_label("//kernelspecs:python")
    for keys in (developed.keys_under("2.5.0"), released.keys):
        assert keys.key(Reference(label)) == released.key_of_each()[label]


def test_another_flavour_is_another_view_of_the_same_files(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("p/Dockerfile", "FROM scratch\n").build("p", FLAVOURED)
    here = made.open().view
    other = here.in_flavour("docker-stacks")
    assert list(here.left_out) == [parse_label("//p:theirs")]
    assert (other.left_out, here.settings.flavour) == ({}, "debian")
    with pytest.raises(InputError, match="it exists in the flavour docker-stacks only"):
        here.resolve(["//p:theirs"])
    assert other.resolve(["//p:theirs"]) == [parse_label("//p:theirs")]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    View(Nothing(), {"flavour": "docker-stacks"}, "2.5.0").in_flavour("debian")  # type: ignore[arg-type]
    made = family(tmp_path)
    tree = Counting(made.open().tree)
    view = View(tree)  # type: ignore[arg-type]
    assert view.settings.organization == "elyra"
    assert tree.read_paths == ["pyproject.toml"]
    made.file("VERSION", "no version").lock({})
    assert view.graph.order
    assert {"VERSION", "images.lock"}.isdisjoint(tree.read_paths)
    with pytest.raises(InputError, match="is not three numbers"):
        view.keys  # noqa: B018 - it is read now


def test_what_was_parsed_is_remembered_for_all_views_of_one_content(tmp_path: Path) -> None:
    made = family(tmp_path)
    memo: dict[object, object] = {}
    keys = View(made.open().tree, memo=memo).key_of_each()
    kept = dict(memo)
    commit = made.commit()
    with view_of_commit(str(made.root), commit, memo=memo) as there:
        assert there.key_of_each() == keys
    assert memo == kept
