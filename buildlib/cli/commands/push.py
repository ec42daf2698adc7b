"""`push`: push what is built here into the registry, by key, then tag it there.

Tags come after all content, so that no tag is on an incomplete image. A tag is put by manifest, in
the registry itself, so `--remote` needs neither an engine nor the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.build.execution import signals
from buildlib.cli.common import open_workspace, print_json, say, short_name, warn
from buildlib.cli.push_pull import is_image, registry_of, shareable_targets
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import image_name
from buildlib.core.plan.plan import BUILD, UNKNOWN
from buildlib.core.store import names
from buildlib.core.store.names import DEV
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace


class _Row(NamedTuple):
    """A target that is in the registry now."""

    label: Label
    entry: Entry
    pushed: bool
    tags: list[str]
    moved: list[str]


def run(call: Call) -> int:
    from buildlib.build.sharing import transfers

    workspace = open_workspace(call)
    signals.install(workspace.save)
    registry, store = registry_of(workspace, "push")
    labels = shareable_targets(workspace, call)
    entries = transfers.find(store, workspace.view, labels)
    missing = [label for label in labels if label not in entries]
    pushed: dict[Label, Entry] = {}
    if call.flag("remote"):
        _refuse_absent(workspace, [label for label in missing if is_image(workspace, label)])
    else:
        pushable = _pushable(workspace, missing, named=bool(call.words))
        outputs = transfers.built_targets(workspace.view, workspace.records, pushable)
        pushed = transfers.publish(store, outputs, workspace.engine, verb="push")
        _warn_of_others(workspace, pushed)
    rows = []
    for label in labels:
        entry = pushed.get(label) or entries.get(label)
        if entry is not None:
            tags, moved = _tag(workspace, store, label, entry)
            rows.append(_Row(label, entry, label in pushed, tags, moved))
    if call.flag("json"):
        targets = [_plain(row) for row in rows]
        print_json({"schema": 1, "registry": registry.host, "targets": targets})
    else:
        for row in rows:
            say(_line(workspace, row))
        say(f"{len(pushed)} pushed, {len(rows) - len(pushed)} were in {registry.host} already")
    workspace.save()
    return 0


def _pushable(workspace: Workspace, missing: list[Label], *, named: bool) -> list[Label]:
    """The missing targets that are worth a push; refuses if one is not up to date here."""
    from buildlib.build.sharing.shared_store import is_worth_sharing

    records = {label: workspace.records.get(_key(workspace, label)) for label in missing}
    for label, record in records.items():
        if record is not None:  # reports every damaged file, and makes its target stale
            workspace.damaged(record, Reference(label))
    plan = workspace.plan(missing)
    if any(step.action == UNKNOWN for step in plan.steps):
        workspace.engine.ping()  # raises, and says what is wrong
    stale = [label for label in missing if (step := plan.step(label)) and step.action == BUILD]
    if not named:  # files that are built fast are not shared, so they need not be up to date
        stale = [label for label in stale if is_image(workspace, label)]
    if stale:
        shown = [short_name(workspace, label) for label in stale]
        raise ActionError(
            f"not up to date, neither here nor in the registry: {', '.join(shown)}",
            fix=f"./doitw build {' '.join(shown)}",
        )
    return [
        label
        for label, record in records.items()
        if record is not None and (named or is_worth_sharing(workspace.graph[label], record))
    ]


def _refuse_absent(workspace: Workspace, labels: list[Label]) -> None:
    if labels:
        shown = [short_name(workspace, label) for label in labels]
        raise ActionError(
            f"not in the registry at the present key: {', '.join(shown)}",
            fix=f"./doitw push {' '.join(shown)}  # without --remote, where it is built",
        )


def _warn_of_others(workspace: Workspace, pushed: Mapping[Label, Entry]) -> None:
    """Warn about images of which another machine published its own build meanwhile."""
    for label, entry in pushed.items():
        record = workspace.records.get(entry.key)
        if entry.image_id and record and not record.holds(entry.image_id, entry.digest):
            name = short_name(workspace, label)
            warn(
                f"warning: {name} was published from elsewhere meanwhile, and the first counts\n"
                f"  fix: ./doitw clean {name} && ./doitw pull {name}  # to have the same here"
            )


def _tag(
    workspace: Workspace, store: SharedStore, label: Label, entry: Entry
) -> tuple[list[str], list[str]]:
    """Put the tags that people use; returns all of them, and the moved ones."""
    if not is_image(workspace, label):
        return [], []
    target = workspace.graph[label]
    repository = names.repository(workspace.settings, image_name(target))
    tags = [DEV, *target.tags]
    return tags, [tag for tag in tags if store.writer.put_tag(repository, tag, entry.digest)]


def _key(workspace: Workspace, label: Label) -> str:
    return workspace.keys.key(Reference(label))


def _line(workspace: Workspace, row: _Row) -> str:
    what = "pushed" if row.pushed else "there "
    size = f"{row.entry.size / 1e6:.1f} MB"
    tags = f"  tagged {', '.join(row.moved)}" if row.moved else ""
    return f"{what}  {short_name(workspace, row.label)}  {size}  {row.entry.digest}{tags}"


def _plain(row: _Row) -> dict[str, Any]:
    return {
        "label": str(row.label),
        "key": row.entry.key,
        "repository": row.entry.repository,
        "digest": row.entry.digest,
        "image_id": row.entry.image_id,
        "size": row.entry.size,
        "pushed": row.pushed,
        "tags": row.tags,
        "moved": row.moved,
    }


VERB = Verb(
    "push",
    "put what is built into the registry, and tag it there",
    run,
    words="[TARGET…]",
    options=(
        Option("--remote", "only tag what the registry has; nothing is transferred"),
        JSON,
    ),
)
