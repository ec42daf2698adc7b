"""What an entry of the lock was resolved on: what of the parents counts, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.core.keys.compute import resolved_on
from buildlib.core.model.label import parse_label
from buildlib.core.model.lock import Item
from tests.support.workspace import WorkspaceBuilder, digest

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
LABELS = ("//os", "//a", "//b", "//c", "//x")
Change = Callable[[WorkspaceBuilder], object]


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """os <- a <- b <- c, each with packages; x is an image made elsewhere."""
    made = WorkspaceBuilder(tmp_path)
    made.file("os/Dockerfile", "FROM scratch\nADD rootfs.tar /\n")
    made.build("os", 'rootfs(name="os", packages=["tini"])')
    for name, parent, packages in (("a", "os", "curl"), ("b", "a", ""), ("c", "b", "less")):
        made.file(f"{name}/requirements.in", f"{name}\n")
        made.file(f"{name}/requirements.lock", f"{name}==1\n")
        apt = f'apt=["{packages}"], ' if packages else ""
        made.image(name, f'parent="//{parent}", {apt}python="requirements.in"', CHILD)
    made.build("x", 'external_image(name="x", image="debian:12", python="3.13")')
    return made.lock_all()


def stands(made: WorkspaceBuilder) -> dict[str, str]:
    """Digest by target and section."""
    workspace = made.open()
    return {
        f"{label} {pin.section}": resolved_on(
            workspace.graph, workspace.lock, workspace.graph[parse_label(label)], pin.section
        )
        for label in LABELS
        for pin in workspace.graph[parse_label(label)].pins
    }


def pin(section: str, name: str, item: Item) -> Change:
    """Another set of pins in an entry, and nothing else."""

    def change(made: WorkspaceBuilder) -> None:
        lock = made.read_lock()
        lock[section][name] = lock[section][name]._replace(items={"item": item})
        made.lock(lock)

    return change


def on_x(made: WorkspaceBuilder) -> None:
    made.replace("a/BUILD.py", "//os", "//x")


def both(*changes: Change) -> Change:
    return lambda made: [change(made) for change in changes]


NEWER = Item("2", digest("newer"), 1, "somewhere")
APT = {"//a apt", "//c apt"}
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda made: None, set()),
    "packages of the root file system": (pin("rootfs", "//os", NEWER), APT),
    "packages of a parent": (pin("apt", "//a", NEWER), {"//c apt"}),
    "packages of its own": (pin("apt", "//c", NEWER), set()),
    "requirements of a parent": (
        lambda made: made.file("a/requirements.lock", "a==2\n"), {"//b python", "//c python"},
    ),
    "requirements of the parent's parent": (
        lambda made: made.file("b/requirements.lock", "b==2\n"), {"//c python"},
    ),
    "requirements of its own": (
        lambda made: made.file("c/requirements.lock", "c==2\n"), set(),
    ),
    "what a parent wants, without a new version": (
        lambda made: made.file("a/requirements.in", "# why\na\n"), set(),
    ),
    "wheels of a parent": (pin("python", "//a", NEWER), set()),
    "a Dockerfile of a parent": (
        lambda made: made.replace("a/Dockerfile", "FROM", "# why\nFROM"), set(),
    ),
    "a parent in between, without packages": (
        lambda made: made.image("new", 'parent="//b"', CHILD).replace("c/BUILD.py", "//b", "//new"),
        set(),
    ),
    "a parent that is left out": (
        lambda made: made.replace("c/BUILD.py", "//b", "//a"), {"//c python"},
    ),
    "the platform of one": (
        lambda made: made.replace("c/BUILD.py", "python=", 'platform="linux/arm64", python='),
        {"//c apt", "//c python"},
    ),
    "the platform of all": (
        lambda made: made.setting("platform", "linux/arm64"),
        {*APT, "//os rootfs", "//a python", "//b python", "//c python"},
    ),
    "an image made elsewhere": (on_x, {*APT, "//a python", "//b python", "//c python"}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_an_entry_stands_on_what_it_is_resolved_on(made: WorkspaceBuilder, change: str) -> None:
    before = stands(made)
    edit, moved = CHANGES[change]
    edit(made)
    after = stands(made)
    assert {name for name in after if after[name] != before[name]} == moved


@pytest.mark.parametrize(
    ("edit", "moved"),
    [
        (pin("image", "//x", NEWER), APT),
        (
            lambda made: made.replace("x/BUILD.py", "3.13", "3.12"),
            {"//a python", "//b python", "//c python"},
        ),
        (
            lambda made: made.replace("x/BUILD.py", ', python="3.13"', ""),
            {"//a python", "//b python", "//c python"},
        ),
    ],
)
def test_of_an_image_made_elsewhere_count_its_digest_and_its_python(
    made: WorkspaceBuilder, edit: Change, moved: set[str]
) -> None:
    on_x(made)
    before = stands(made)
    edit(made)
    after = stands(made)
    assert {name for name in after if after[name] != before[name]} == moved


def test_a_download_and_an_image_made_elsewhere_depend_on_their_request_alone(
    made: WorkspaceBuilder,
) -> None:
    made.build("d", 'download(name="d", urls=["https://example.org/d"])')
    workspace = made.open()
    assert stands(made)["//x image"] == ""
    target = workspace.graph[parse_label("//d")]
    assert resolved_on(workspace.graph, workspace.lock, target, "download") == ""


def test_an_entry_that_was_resolved_on_something_else_makes_no_key(made: WorkspaceBuilder) -> None:
    assert made.told() == ""
    pin("rootfs", "//os", NEWER)(made)
    told = made.error()
    assert "the apt entry of //a in images.lock was resolved on other pins" in told
    assert "fix: ./doitw lock apt //a" in told
    made.stand()
    assert made.told() == ""


def test_a_lock_that_does_not_say_what_it_stands_on_is_taken_as_it_is(
    made: WorkspaceBuilder,
) -> None:
    """It is of an older build system; so are the locks of old commits, whose keys are asked for."""
    lock = made.read_lock()
    made.lock(
        {s: {n: e._replace(on={}) for n, e in entries.items()} for s, entries in lock.items()}
    )
    pin("rootfs", "//os", NEWER)(made)
    assert made.told() == ""


def test_what_it_stands_on_is_in_no_key(made: WorkspaceBuilder) -> None:
    before = made.keys()
    lock = made.read_lock()
    entry = lock["apt"]["//a"]
    lock["apt"]["//a"] = entry._replace(on={**entry.on, "docker-stacks": "0a"})
    assert made.lock(lock).keys() == before
