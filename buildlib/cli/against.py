"""`why --against`: a target's key, and the nearest one that a registry has a record of.

Records are self-certifying, since a key is the sha256 of its parts; those of the registry are
compared in memory and not kept. Asks nothing of the engine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.cli.common import no_registry, print_json, say
from buildlib.cli.leaves import leaf_lines, plain_leaves
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.settings import canonical_registry, check_names
from buildlib.core.plan.explain import Comparison, Leaf
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared import SharedStore
    from buildlib.build.workspace import Workspace

OWN = "registry"
"""What stands for the registry of the settings on the command line."""
_MOST = 64
"""Records of a target that are compared: the youngest."""


class Answer(NamedTuple):
    """What a registry has of a target.

    Attributes:
        records: How many of its records were compared.
        usable: What that record names is there and whole, so that a build would take it.
        nearest: The record with the fewest differences; None where there is none.
        leaves: The parts in which it differs: old is theirs, new is ours.
    """

    label: Label
    key: str
    records: int
    has_key: bool
    usable: bool
    nearest: Entry | None
    leaves: tuple[Leaf, ...]


class _Theirs:
    """The key records of another machine, by key."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._records: dict[str, KeyRecord] = {}
        for entry in entries:
            self._records.update(entry.records)

    def parts(self, key: str) -> KeyRecord | None:
        """See `plan.explain.Parts`."""
        return self._records.get(key)


def run(
    workspace: Workspace, labels: Sequence[Label], against: str | bool, *, as_json: bool
) -> None:
    """Compare targets with what a registry has of them, and tell.

    Args:
        against: Host and path of a registry; that of the settings where it is `True` or `OWN`.
    """
    named = workspace.settings.registry if against in (True, OWN) else str(against)
    registry = canonical_registry(named)
    if not registry:
        raise no_registry("--against without the name of one")
    try:
        check_names(workspace.settings._replace(registry=registry))
    except InputError as error:  # said on the command line, so no file is to blame
        fix = f"./doitw why {labels[0]} --against registry.example.com:5000"
        raise InputError(error.what, fix=fix) from None
    workspace.connect(registry, quick=True).ping()  # a person waits for the answer
    shared = workspace.sharing_of(registry)
    made = [label for label in labels if workspace.graph[label].rule.is_built]
    answers = [compare(workspace, shared, label) for label in made]
    if as_json:
        print_json([_as_json(registry, answer) for answer in answers])
        return
    for label in labels:
        if label not in made:
            say(f"{label} is a {workspace.graph[label].rule.kind}: nothing is built of it")
    for answer in answers:
        for line in lines(registry, answer):
            say(line)


def compare(workspace: Workspace, shared: SharedStore, label: Label) -> Answer:
    """A target's key and the nearest record of it that a registry has."""
    target, record = workspace.graph[label], workspace.keys.record(Reference(label))
    history = shared.history(target, limit=_MOST)
    comparison = Comparison(workspace.graph, workspace.keys, _Theirs(history))
    ranked = [(comparison.leaves(label, entry.key), -entry.pushed, entry) for entry in history]
    leaves, _, nearest = min(ranked, key=lambda row: (len(row[0]), row[1]), default=([], 0, None))
    has_key = any(entry.key == record.key for entry in history)
    return Answer(
        label,
        record.key,
        len(history),
        has_key,
        has_key and record.key in shared.find([(target, record)]),
        nearest,
        tuple(leaves),
    )


def lines(registry: str, answer: Answer) -> list[str]:
    """What a registry has of a target, for people."""
    if answer.nearest is None:
        return [f"{answer.label}: {registry} has no record of it"]
    when = _time(answer.nearest)
    if answer.has_key:
        unusable = "" if answer.usable else ", but what it names cannot be used"
        return [f"{answer.label}: {registry} has this very key{unusable} (published {when})"]
    count, records = len(answer.leaves), answer.records
    parts = "1 part" if count == 1 else f"{count} parts"
    among = "the only record there" if records == 1 else f"the nearest of {records} records there"
    return [
        f"{answer.label}: {registry} lacks this key; {among} differs in {parts} (published {when})",
        *leaf_lines(answer.leaves, "theirs", "ours"),
    ]


def _time(entry: Entry) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(entry.pushed))


def _as_json(registry: str, answer: Answer) -> dict[str, Any]:
    return {
        "label": str(answer.label),
        "registry": registry,
        "key": answer.key,
        "has_key": answer.has_key,
        "usable": answer.usable,
        "records": answer.records,
        "nearest": answer.nearest
        and {
            "key": answer.nearest.key,
            "published": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(answer.nearest.pushed)),
        },
        "changes": plain_leaves(answer.leaves),
    }
