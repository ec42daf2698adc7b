"""The family as it is declared and locked, in each flavour."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.keys.compute import pinned
from buildlib.core.model.section import SECTIONS
from buildlib.core.model.settings import FLAVOURS
from buildlib.core.model.target import Target

ROOT = Path(__file__).parents[2]
STACKS = "docker-stacks"


def family(flavour: str) -> Workspace:
    return Workspace(str(ROOT), overrides={"flavour": flavour})


def images(workspace: Workspace) -> dict[str, Target]:
    """The images that exist in its flavour and are made here, by name."""
    return {
        label.name: target
        for label, target in workspace.graph.targets.items()
        if target.rule.kind == "docker_image" and label not in workspace.left_out
    }


def made_elsewhere(workspace: Workspace, target: Target) -> Target | None:
    """The image of others at the bottom of an image."""
    *_, bottom = target, *workspace.graph.parents(target)
    return bottom if bottom.rule.kind == "external_image" else None


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_declarations_and_dockerfiles_agree(flavour: str) -> None:
    assert "kernel-py" in images(family(flavour))  # loading checks each Dockerfile


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_that_can_be_locked_without_a_registry_is_locked(flavour: str) -> None:
    workspace = family(flavour)
    wanted = [
        (pin, target)
        for label, target in workspace.graph.targets.items()
        for pin in target.pins
        if label not in workspace.left_out and pin.section != "image"
    ]
    assert len(wanted) > 5
    for pin, target in wanted:
        entry = pinned(workspace.lock, pin, target, workspace.graph)
        resolved = SECTIONS[pin.section].resolved
        assert bool(entry.on) == resolved, f"{pin.name} does not say what it stands on"


def test_the_default_flavour_takes_nothing_of_others() -> None:
    workspace = family("debian")
    foreign = [
        name for name, target in images(workspace).items() if made_elsewhere(workspace, target)
    ]
    assert foreign == []
    assert "kernel-tf-gpu-py" not in images(workspace)


@pytest.mark.parametrize(
    ("image", "base"),
    [
        ("kernel-py", "scipy-notebook"),
        ("kernel-tf-py", "tensorflow-notebook"),
        ("kernel-tf-gpu-py", "tensorflow-gpu"),
        ("kernel-spark-py", "scipy-notebook"),
        ("kernel-r", "r-notebook"),
        ("enterprise-gateway", "minimal-notebook"),
    ],
)
def test_docker_stacks_stands_on_the_images_of_others(image: str, base: str) -> None:
    workspace = family(STACKS)
    root = made_elsewhere(workspace, images(workspace)[image])
    assert root is not None
    assert str(root.label) == f"//images/bases/stacks:{base}"


def test_docker_stacks_adds_no_debian_packages_to_them() -> None:
    # They are Ubuntu's, whose own packages have the same names and other dependencies.
    workspace = family(STACKS)
    mixed = [
        name
        for name, target in images(workspace).items()
        if made_elsewhere(workspace, target) and any(pin.section == "apt" for pin in target.pins)
    ]
    assert mixed == []


def test_no_base_of_the_default_flavour_is_built_for_docker_stacks_alone() -> None:
    workspace = family(STACKS)
    below = {
        parent.label.name
        for target in images(workspace).values()
        for parent in workspace.graph.parents(target)
    }
    assert {"scipy-notebook", "tensorflow-notebook", "r-notebook"}.isdisjoint(images(workspace))
    assert "os" in below  # what has no counterpart at others' is built as ever
