"""`why --against`: compare the key of a target with the nearest record in a registry.

Records are self-certifying, since a key is the sha256 of its parts. Those of the registry are
compared in memory and not stored. The engine is not asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import no_registry
from buildlib.cli.key_changes import plain_leaves
from buildlib.core.keys.record import KeyRecord
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.settings import canonical_registry, check_names
from buildlib.core.plan.explain import Comparison
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace

OWN = "registry"
"""On the command line: the registry of the settings."""
_MAX_RECORDS = 64
"""Records of a target that are compared, the newest first."""


class _RegistryRecords:
    """The key records of another machine, by key."""

    def __init__(self, records: Mapping[str, KeyRecord]) -> None:
        self.parts = records.get


def compare(
    workspace: Workspace, labels: Sequence[Label], against: str | bool
) -> list[tuple[str, dict[str, Any]]]:
    """Compare targets with a registry; each gets a headline and the facts.

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
    compared = [_compare(workspace, shared, label) for label in labels]
    return [(_headline(registry, each), {"registry": registry, **each}) for each in compared]


def _compare(workspace: Workspace, shared: SharedStore, label: Label) -> dict[str, Any]:
    """Compare a target with the records that a registry has of it.

    Returns:
        `has_key`: the registry has a record of this key. `usable`: and all that it names, so that a
        build would pull it. `nearest`: the record with the fewest differences, the youngest of
        several. `changes`: the parts that differ from it: `old` is the registry's, `new` is ours.
    """
    target, record = workspace.graph[label], workspace.keys.draft(Reference(label))
    history = shared.reader.history(target, limit=_MAX_RECORDS)
    known = {key: parts for entry in history for key, parts in entry.records.items()}
    comparison = Comparison(workspace.graph, workspace.keys, _RegistryRecords(known))
    ranked = [(comparison.leaves(label, entry.key), -entry.pushed, entry) for entry in history]
    leaves, _, nearest = min(ranked, key=lambda row: (len(row[0]), row[1]), default=([], 0, None))
    has_key = any(entry.key == record.key for entry in history)
    published = nearest and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(nearest.pushed))
    return {
        "label": str(label),
        "key": workspace.keys.key_or_none(Reference(label)),
        "has_key": has_key,
        "usable": has_key and record.key in shared.find([(target, record)]),
        "records": len(history),
        "nearest": nearest and {"key": nearest.key, "published": published},
        "changes": plain_leaves(leaves),
    }


def _headline(registry: str, compared: Mapping[str, Any]) -> str:
    label, records, count = (compared[name] for name in ("label", "records", "changes"))
    if not compared["nearest"]:
        return f"{label}: {registry} has no record of it"
    when = f"(published {compared['nearest']['published'][:16].replace('T', ' ')} UTC)"
    if compared["has_key"]:
        unusable = "" if compared["usable"] else ", but what it names cannot be used"
        return f"{label}: {registry} has this very key{unusable} {when}"
    parts = "1 part" if len(count) == 1 else f"{len(count)} parts"
    among = "the only record there" if records == 1 else f"the nearest of {records} records there"
    return f"{label}: {registry} lacks this key; {among} differs in {parts} {when}"
