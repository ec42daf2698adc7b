"""Shared by `push` and `pull`: the registry, and which targets may be in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.core.model.label import Label
from buildlib.core.model.settings import FILE
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace
    from buildlib.cli.verb import Call
    from buildlib.outside.registry.protocol import Registry


def registry_of(workspace: Workspace, verb: str) -> tuple[Registry, SharedStore]:
    """The registry of the settings, and the shared store in it; refuses if there is none."""
    registry, store = workspace.registry, workspace.shared_store
    if registry is None or store is None:
        raise InputError(
            f"there is nothing to {verb} {'to' if verb == 'push' else 'from'}: no registry is set",
            fix=f'registry = "registry.example.com:5000"  # in [tool.buildlib] of {FILE}',
        )
    if workspace.offline:
        raise InputError(
            f"{verb} needs the registry, and --offline was given", fix=f"./doitw {verb}"
        )
    registry.ping()
    return registry, store


def shareable_targets(workspace: Workspace, call: Call) -> list[Label]:
    """The named targets that may be in a shared store."""
    from buildlib.build.sharing.shared_store import may_be_shared

    labels = workspace.resolve(call.words, folder=call.folder, verb="build")
    return [label for label in labels if may_be_shared(workspace.graph[label])]


def is_image(workspace: Workspace, label: Label) -> bool:
    """Whether a target is an image, not files."""
    return workspace.graph[label].rule.is_image
