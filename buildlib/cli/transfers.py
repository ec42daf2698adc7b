"""What `push` and `pull` share: which targets, several at a time, told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from buildlib.errors import InputError
from buildlib.model.label import Label, Reference
from buildlib.model.settings import FILE
from buildlib.model.target import HERE

if TYPE_CHECKING:
    from buildlib.engine.transfer import Observe
    from buildlib.registry.protocol import Registry
    from buildlib.sharing.entry import Entry
    from buildlib.sharing.shared import SharedStore
    from buildlib.workspace import Workspace

Name = TypeVar("Name")
Result = TypeVar("Result")
AT_ONCE = 3
"""Targets that are transferred at a time; an engine moves several layers of each."""


def registry_of(workspace: Workspace, verb: str) -> tuple[Registry, SharedStore]:
    """The registry, and the store it is.

    Raises:
        InputError: None is set.
        ActionError: It does not answer, or does not take the credentials.
    """
    registry, store = workspace.registry, workspace.sharing
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


def shareable(workspace: Workspace, labels: list[Label]) -> list[Label]:
    """Of some targets those that may be in the shared store: what is made by itself, and here.

    What is pulled from elsewhere is had from there; it is not ours to hand on.
    """
    rules = {label: workspace.graph[label].rule for label in labels}
    return [label for label, rule in rules.items() if rule.is_built and rule.origin == HERE]


def is_image(workspace: Workspace, label: Label) -> bool:
    """Whether a target is an image, and not files."""
    return workspace.graph[label].rule.is_image


def find(workspace: Workspace, store: SharedStore, labels: list[Label]) -> dict[Label, Entry]:
    """What the store has of some targets at their present keys."""
    records = {label: workspace.keys.record(Reference(label)) for label in labels}
    found = store.find([(workspace.graph[label], record) for label, record in records.items()])
    return {label: found[record.key] for label, record in records.items() if record.key in found}


def move(verb: str, works: Mapping[Name, Callable[[Observe], Result]]) -> dict[Name, Result]:
    """Run transfers, some at a time, and show how far they are.

    Args:
        verb: What is done, as the line begins.
        works: By name, what to call with an observer.

    Returns:
        What each returned, by name.

    Raises:
        Exception: The first that failed; those that ran beside it came to their end.
    """
    from buildlib.fetch.progress import progress_for
    from buildlib.sharing.parallel import at_once
    from buildlib.sharing.progress import Transfers

    if not works:
        return {}
    with progress_for(sys.stderr, verb=verb, things="targets") as show:
        transfers = Transfers(len(works), show)

        def run(name: Name) -> Result:
            result = works[name](transfers.observer(str(name)))
            transfers.end(str(name))
            return result

        return dict(zip(works, at_once(run, works, threads=AT_ONCE), strict=True))
