"""Shared by `push` and `pull`: the registry, and which targets may be in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import no_registry, short_name
from buildlib.core.model.label import Label
from buildlib.core.plan.plan import BUILD, UNKNOWN
from buildlib.errors import ActionError, InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace
    from buildlib.cli.verb import Call
    from buildlib.outside.registry.protocol import Registry


def registry_of(workspace: Workspace, verb: str) -> tuple[Registry, SharedStore]:
    """The registry of the settings, and the shared store in it; refuses if there is none."""
    registry, store = workspace.registry, workspace.shared_store
    if registry is None or store is None:
        raise no_registry(verb)
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


def stale_targets(workspace: Workspace, labels: list[Label]) -> list[Label]:
    """Those of some targets that a build would make."""
    plan = workspace.plan(labels)
    if any(step.action == UNKNOWN for step in plan.steps):
        workspace.engine.ping()  # raises, and says what is wrong
    return [label for label in labels if (step := plan.step(label)) and step.action == BUILD]


def refuse_missing(workspace: Workspace, labels: Iterable[Label], what: str, fix: str) -> None:
    """Raise an error if there are such targets.

    Args:
        what: What is wrong with them.
        fix: With `{}` for their names.
    """
    names = [short_name(workspace, label) for label in labels]
    if names:
        raise ActionError(f"{what}: {', '.join(names)}", fix=fix.format(" ".join(names)))


def plain_entry(label: Label, entry: Entry) -> dict[str, Any]:
    """A target that is in the registry, for programs."""
    return {
        "label": str(label),
        "key": entry.key,
        "repository": entry.repository,
        "digest": entry.digest,
        "image_id": entry.image_id,
        "size": entry.size,
    }


def line_of(workspace: Workspace, what: str, label: Label, entry: Entry) -> str:
    """A target that is in the registry, for people."""
    name, size = short_name(workspace, label), f"{entry.size / 1e6:.1f} MB"
    return f"{what:6}  {name}  {size}  {entry.digest}"


def is_image(workspace: Workspace, label: Label) -> bool:
    """Whether a target is an image, not files."""
    return workspace.graph[label].rule.is_image
