"""The plan: fresh, build, restore and unknown, in every state the world can be in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.keys.compute import Keys
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import Target
from buildlib.core.plan.plan import (
    BUILD,
    FORGOTTEN,
    FRESH,
    RESTORE,
    UNKNOWN,
    Offer,
    Plan,
    Step,
)
from buildlib.core.store import names
from tests.support.workspace import WorkspaceBuilder, digest


class Image(NamedTuple):
    """What an engine says of an image."""

    id: str
    tags: tuple[str, ...]


class World:
    """A workspace with images top on middle on base, an archive, and an engine in memory."""

    def __init__(self, folder: Path) -> None:
        self.made = WorkspaceBuilder(folder)
        child = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
        self.made.image("images/base")
        self.made.image("images/middle", 'parent="//images/base"', child)
        self.made.image(
            "images/top", 'parent="//images/middle", srcs=["//pack:t"]', child + "ADD t.tar /\n"
        )
        self.made.file("pack/x").build(
            "pack", 'tarball(name="t", parts={"a": {"x": "x"}}, archive="release")'
        )
        self.engine: dict[str, str] | None = {}
        self.questions: list[list[str]] = []

    def open(self) -> Workspace:
        return self.made.open()

    def key(self, label: str) -> str:
        return self.open().keys.key(Reference(parse_label(label)))

    def tag(self, label: str) -> str:
        name = label.rsplit("/", 1)[-1]
        return names.content_tag(self.open().settings, name, self.key(label))

    def note(
        self,
        label: str,
        *,
        image: str = "",
        seconds: float = 1.0,
        files: Mapping[str, FileOutput] | None = None,
    ) -> None:
        """What an action leaves behind when it ends well."""
        workspace = self.open()
        reference = Reference(parse_label(label))
        keys: Keys = workspace.keys
        workspace.records.put(
            keys.record(reference), Output(image, files or {}), seconds, label=label
        )
        workspace.state.set_last_key(reference.label, keys.key(reference))

    def built(self, label: str) -> str:
        """An image that was built, is there, and has its tags."""
        image = f"sha256:{digest(label)}"
        self.note(label, image=image)
        assert self.engine is not None
        self.engine[self.tag(label)] = image
        self.engine[f"elyra/{label.rsplit('/', 1)[-1]}:dev"] = image
        self.engine[image] = image
        return image

    def packed(self) -> str:
        """The archive, built and exported."""
        workspace = self.open()
        sha = workspace.store.add_bytes(b"tar")
        made = FileOutput(sha, 3)
        self.note("//pack:t", files={"t.tar": made, "release.tar": made})
        export = workspace.export(workspace.graph[parse_label("//pack:t")])
        assert export is not None
        path = Path(export.path)
        self.made.file(str(path.relative_to(self.made.root)), "archive")
        os.utime(path, (0, 0))
        workspace.state.note_export(str(path), sha)
        workspace.save()
        return sha

    def ask(self, references: list[str]) -> dict[str, Image | None] | None:
        self.questions.append(references)
        if self.engine is None:
            return None
        found: dict[str, Image | None] = {}
        for reference in references:
            image = self.engine.get(reference)
            tags = tuple(ref for ref, to in self.engine.items() if to == image and ref != image)
            found[reference] = Image(image, tags) if image else None
        return found

    def plan(self, *labels: str) -> Plan:
        workspace = self.open()
        roots = [parse_label(label) for label in labels] or list(workspace.graph.order)
        return workspace.planner.plan(roots, self.ask)

    def actions(self, *labels: str) -> dict[str, str]:
        plan = self.plan(*labels)
        return {str(step.label): step.action for step in (*plan.steps, *plan.fresh)}

    def step(self, label: str) -> Step:
        plan = self.plan(label)
        return next(x for x in (*plan.steps, *plan.fresh) if str(x.label) == label)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def built(world: World) -> World:
    for name in ("base", "middle", "top"):
        world.built(f"//images/{name}")
    world.packed()
    return world


ALL = ("//images/base", "//images/middle", "//images/top", "//pack:t")


def test_a_new_workspace_builds_all_dependencies_first(world: World) -> None:
    plan = world.plan()
    assert [str(step.label) for step in plan.steps] == [
        "//images/base",
        "//images/middle",
        "//pack:t",
        "//images/top",
    ]
    assert {step.action for step in plan.steps} == {BUILD}
    assert {step.reason for step in plan.steps} == {"not built yet"}
    assert plan.fresh == ()


def test_what_was_built_and_is_there_is_fresh(built: World) -> None:
    assert built.actions() == dict.fromkeys(ALL, FRESH)
    assert built.plan().steps == ()


def test_one_question_is_asked_for_all_images(built: World) -> None:
    built.plan()
    assert len(built.questions) == 1
    assert {built.tag(f"//images/{name}") for name in ("base", "middle", "top")} <= set(
        built.questions[0]
    )


def test_nothing_is_asked_where_nothing_was_built(world: World) -> None:
    world.plan()
    assert world.questions == []


def test_an_action_that_left_no_record_is_run_again(built: World) -> None:
    built.made.file("images/middle/Dockerfile", "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n#\n")
    assert built.actions() == {
        "//images/base": FRESH,
        "//images/middle": BUILD,
        "//images/top": BUILD,
        "//pack:t": FRESH,
    }


def test_only_what_is_needed_is_looked_at(built: World) -> None:
    built.made.file("pack/x", "changed")
    assert built.actions("//images/middle") == {"//images/middle": FRESH}
    assert built.actions("//images/top") == {
        "//images/middle": FRESH,
        "//images/top": BUILD,
        "//pack:t": BUILD,
    }


# every state of one image: its id there or not, its content tag, its channel tag
TAGS = [None, "mine", "another"]
STATES = [
    (there, content, channel)
    for there in (True, False)
    for content in TAGS
    for channel in TAGS
    if there or "mine" not in (content, channel)
]


@pytest.mark.parametrize(("there", "content", "channel"), STATES)
def test_an_image_in_every_state(
    built: World, there: bool, content: str | None, channel: str | None
) -> None:
    engine = built.engine
    assert engine is not None
    mine, tag = f"sha256:{digest('//images/middle')}", built.tag("//images/middle")
    for reference in (mine, tag, "elyra/middle:dev"):
        engine.pop(reference)
    ids = {"mine": mine, "another": "sha256:other"}
    if there:
        engine[mine] = mine
    if content:
        engine[tag] = ids[content]
    if channel:
        engine["elyra/middle:dev"] = ids[channel]
    expected = FRESH if (content, channel) == ("mine", "mine") else RESTORE if there else BUILD
    step = built.step("//images/middle")
    assert step.action == expected
    assert bool(step.reason) == (expected != FRESH)


def test_a_tag_on_another_image_proves_nothing(built: World) -> None:
    """Whatever stands under the content tag: only the image that was built is a hit."""
    assert built.engine is not None
    tag = built.tag("//images/top")
    for reference in (f"sha256:{digest('//images/top')}", tag, "elyra/top:dev"):
        built.engine.pop(reference)
    built.engine[tag] = built.engine["elyra/top:dev"] = built.engine["sha256:child"] = (
        "sha256:child"
    )
    assert built.step("//images/top").action == BUILD


def test_an_image_without_a_record_is_built_though_its_tag_is_there(built: World) -> None:
    built.open().records.remove(built.key("//images/top"))
    step = built.step("//images/top")
    assert (step.action, step.reason) == (BUILD, "its record is gone")


def test_what_was_forgotten_is_built_and_asked_of_no_registry(built: World) -> None:
    key = built.key("//images/top")
    built.open().records.forget(key)
    asked: list[str] = []

    def shared(wanted: Sequence[tuple[Target, KeyRecord]]) -> Mapping[str, Offer]:
        asked.extend(record.key for _, record in wanted)
        return {}

    plan = built.open().planner.plan([parse_label("//images/top")], built.ask, shared=shared)
    assert [(step.action, step.reason) for step in plan.steps] == [(BUILD, FORGOTTEN)]
    assert key not in asked
    built.built("//images/top")
    assert built.step("//images/top").action == FRESH


def test_an_image_of_another_engine_counts_where_it_is(built: World) -> None:
    assert built.engine is not None
    built.note("//images/top", image="sha256:elsewhere")
    assert built.step("//images/top").action == FRESH


def test_without_an_engine_presence_is_unknown(built: World) -> None:
    built.engine = None
    plan = built.plan()
    assert not plan.engine_asked
    assert built.actions() == {**dict.fromkeys(ALL, UNKNOWN), "//pack:t": FRESH}
    assert built.plan("//pack:t").steps == ()


def test_what_must_be_built_is_known_without_an_engine(built: World) -> None:
    built.engine = None
    built.made.file("pack/x", "changed")
    assert built.step("//images/top").action == BUILD
    assert built.step("//pack:t").action == BUILD


def test_what_only_gets_its_name_back_needs_nothing_below(built: World) -> None:
    assert built.engine is not None
    del built.engine["elyra/top:dev"]
    for reference in (
        f"sha256:{digest('//images/middle')}",
        built.tag("//images/middle"),
        "elyra/middle:dev",
    ):
        del built.engine[reference]
    assert built.actions("//images/top") == {"//images/top": RESTORE}


def test_a_parent_that_is_gone_is_not_needed_by_a_fresh_child(built: World) -> None:
    assert built.engine is not None
    for reference in (
        f"sha256:{digest('//images/base')}",
        built.tag("//images/base"),
        "elyra/base:dev",
    ):
        del built.engine[reference]
    assert built.actions("//images/top") == {"//images/top": FRESH}
    assert built.actions()["//images/base"] == BUILD


def test_another_organisation_restores_and_builds_nothing(built: World) -> None:
    built.made.setting("organization", "acme")
    assert built.actions() == {**dict.fromkeys(ALL, RESTORE), "//pack:t": FRESH}


def test_a_further_tag_that_is_not_there_is_restored(built: World) -> None:
    before = built.key("//images/base")
    built.made.image("images/base", 'tags=["3.5.6"]')
    assert built.key("//images/base") == before
    step = built.step("//images/base")
    assert (step.action, step.reason) == (RESTORE, "it lacks the tag elyra/base:3.5.6")
    assert built.engine is not None
    built.engine["elyra/base:3.5.6"] = built.engine["elyra/base:dev"]
    assert built.step("//images/base").action == FRESH


# -- files ----------------------------------------------------------------------------------------


def test_a_file_that_left_the_store_is_built_again(built: World) -> None:
    store = built.open().store
    sha = store.add_bytes(b"tar")
    Path(store.path(sha)).unlink()
    step = built.step("//pack:t")
    assert step.action == BUILD
    assert "t.tar" in step.reason


def test_a_file_of_another_length_is_built_again(built: World) -> None:
    store = built.open().store
    path = Path(store.path(store.add_bytes(b"tar")))
    path.chmod(0o644)
    path.write_bytes(b"ta")
    assert built.step("//pack:t").action == BUILD


@pytest.mark.parametrize(
    "harm", ["removed", "rewritten", "of another content", "emptied", "of another version"]
)
def test_a_release_file_that_is_not_there_is_restored(built: World, harm: str) -> None:
    path = built.made.root / "dist" / "release-2.5.0.dev0.tar.gz"
    assert built.step("//pack:t").action == FRESH
    if harm == "removed":
        path.unlink()
    elif harm == "rewritten":
        path.write_text("by hand")
    elif harm == "of another content":
        path.write_text("another")
        os.utime(path, (0, 0))
    elif harm == "emptied":
        mtime = path.stat().st_mtime_ns
        path.write_text("")
        os.utime(path, ns=(mtime, mtime))
    else:
        built.made.file("VERSION", "2.6.0\n")
    assert built.step("//pack:t").action == RESTORE


def test_a_record_of_no_files_is_none(built: World) -> None:
    built.note("//pack:t", files={})
    step = built.step("//pack:t")
    assert (step.action, step.reason) == (BUILD, "its record lacks t.tar")


def test_a_record_that_lacks_the_release_file_is_none(built: World) -> None:
    workspace = built.open()
    sha = workspace.store.add_bytes(b"tar")
    built.note("//pack:t", files={"t.tar": FileOutput(sha, 3)})
    assert built.step("//pack:t").action == BUILD


def test_time_is_what_it_took_the_last_time(built: World) -> None:
    built.note("//images/top", image="sha256:x", seconds=12.5)
    assert built.step("//images/top").seconds == 12.5
    built.made.file("pack/x", "changed")
    assert built.step("//images/top").seconds == 12.5


def test_groups_are_passed_through_and_are_no_steps(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/x")
    made.build(
        "a", 'tarball(name="t", parts={"p": {"x": "x"}})', 'filegroup(name="g", srcs=[":t"])'
    )
    workspace = made.open()
    plan = workspace.planner.plan([parse_label("//a:g")], lambda _: {})
    assert [str(step.label) for step in plan.steps] == ["//a:t"]


def test_who_takes_a_part_of_an_archive_does_not_ask_for_the_archive(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("a/x").file("a/y")
    made.build(
        "a",
        'zip_file(name="z", members={"x": "x"})',
        'tarball(name="t", parts={"p": {"x": ":z"}, "q": {"y": "y"}}, archive="release")',
    )
    made.image("b", 'srcs=["//a:t[p]"]', "FROM scratch\nADD t.tar /\n")
    workspace = made.open()

    def steps(*words: str) -> list[str]:
        plan = workspace.planner.plan(workspace.resolve(words), lambda _: {})
        return [str(step.label) for step in plan.steps]

    assert steps("//b") == ["//a:z", "//b"]
    assert steps("//b", "//a:t") == ["//a:z", "//a:t", "//b"]
