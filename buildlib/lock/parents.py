"""What an image stands on, and whether that was made here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from buildlib.model.target import Target
from buildlib.rules.docker_image import PARENT_ARG
from buildlib.workspace import Workspace


def parents(workspace: Workspace, target: Target) -> Iterator[Target]:
    """The images that a target stands on, nearest first."""
    while True:
        label = next((d.ref.label for d in target.deps if d.role == f"base {PARENT_ARG}"), None)
        if label is None:
            return
        target = workspace.graph[label]
        yield target


def made_elsewhere(workspace: Workspace, target: Target) -> Target | None:
    """The `external_image` at the bottom of a target, if there is one."""
    for parent in parents(workspace, target):
        if parent.rule.kind == "external_image":
            return parent
    return None
