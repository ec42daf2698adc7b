"""`why --against`: compare the key of a target with the nearest record in a registry.

Records are self-certifying, since a key is the sha256 of its parts. Those of the registry are
compared in memory and not stored. The engine is not asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.cli.common import no_registry, print_json, say
from buildlib.cli.key_changes import leaf_lines, plain_leaves
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.settings import canonical_registry, check_names
from buildlib.core.plan.explain import Comparison, Leaf
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace

OWN = "registry"
"""On the command line: the registry of the settings."""
_MAX_RECORDS = 64
"""Records of a target that are compared, the newest first."""


class RegistryComparison(NamedTuple):
    """A target compared with the records in a registry.

    Attributes:
        records: How many of its records were compared.
        usable: The registry has a record of this key, and all that it names: a build would pull it.
        nearest: The record with the fewest differences; None without records.
        leaves: The parts that differ: `old` is the registry's, `new` is ours.
    """

    label: Label
    key: str
    records: int
    has_key: bool
    usable: bool
    nearest: Entry | None
    leaves: tuple[Leaf, ...]


class _RegistryRecords:
    """The key records of another machine, by key."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._records: dict[str, KeyRecord] = {}
        for entry in entries:
            self._records.update(entry.records)

    def parts(self, key: str) -> KeyRecord | None:
        return self._records.get(key)


def run(
    workspace: Workspace, labels: Sequence[Label], against: str | bool, *, as_json: bool
) -> None:
    """Compare targets with a registry, and print the result.

    Args:
        against: Host and path of a registry; `True` or `OWN` for the one of the settings.
    """
    named = workspace.settings.registry if against in (True, OWN) else str(against)
    registry = canonical_registry(named)
    if not registry:
        raise no_registry("--against without the name of one")
    try:
        check_names(workspace.settings._replace(registry=registry))
    except InputError as error:  # from the command line, so no file is wrong
        fix = f"./doitw why {labels[0]} --against registry.example.com:5000"
        raise InputError(error.what, fix=fix) from None
    workspace.connect(registry, quick=True).ping()  # a person waits for the answer
    shared = workspace.shared_store_of(registry)
    built = [label for label in labels if workspace.graph[label].rule.is_built]
    answers = [compare(workspace, shared, label) for label in built]
    if as_json:
        print_json([_as_json(registry, answer) for answer in answers])
        return
    for label in labels:
        if label not in built:
            say(f"{label} is a {workspace.graph[label].rule.kind}: nothing is built of it")
    for answer in answers:
        for line in lines(registry, answer):
            say(line)


def compare(workspace: Workspace, shared: SharedStore, label: Label) -> RegistryComparison:
    """Compare a target with the records that a registry has of it."""
    target, record = workspace.graph[label], workspace.keys.record(Reference(label))
    history = shared.reader.history(target, limit=_MAX_RECORDS)
    comparison = Comparison(workspace.graph, workspace.keys, _RegistryRecords(history))
    ranked = [(comparison.leaves(label, entry.key), -entry.pushed, entry) for entry in history]
    leaves, _, nearest = min(ranked, key=lambda row: (len(row[0]), row[1]), default=([], 0, None))
    has_key = any(entry.key == record.key for entry in history)
    return RegistryComparison(
        label,
        record.key,
        len(history),
        has_key,
        has_key and record.key in shared.find([(target, record)]),
        nearest,
        tuple(leaves),
    )


def lines(registry: str, answer: RegistryComparison) -> list[str]:
    """The comparison for people."""
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


def _as_json(registry: str, answer: RegistryComparison) -> dict[str, Any]:
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
