"""`push`: push what is built here into the registry, by key, then tag it there.

Tags come after all content, so that no tag is on an incomplete image. A tag is put by manifest, in
the registry itself, so `--remote` needs neither an engine nor the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from buildlib.build.execution import signals
from buildlib.cli import push_pull
from buildlib.cli.common import answer, short_name, warn, with_workspace
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from buildlib.core.store.names import DEV

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.sharing.shared_store import SharedStore
    from buildlib.build.workspace import Workspace


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    from buildlib.build.sharing import transfers

    signals.install(workspace.save)
    registry, store = push_pull.registry_of(workspace, "push")
    labels = push_pull.shareable_targets(workspace, call)
    entries = transfers.find(store, workspace.view, labels)
    missing = [label for label in labels if label not in entries]
    pushed: dict[Label, Entry] = {}
    if call.flag("remote"):
        push_pull.refuse_missing(
            workspace,
            [label for label in missing if push_pull.is_image(workspace, label)],
            "not in the registry at the present key",
            "./doitw push {}  # without --remote, where it is built",
        )
    else:
        pushable = _pushable(workspace, missing, named=bool(call.words))
        outputs = transfers.built_targets(workspace.view, workspace.records, pushable)
        pushed = transfers.publish(store, outputs, workspace.engine, verb="push")
        _warn_of_others(workspace, pushed)
    rows, lines = [], []
    for label in labels:
        entry = pushed.get(label) or entries.get(label)
        if entry is not None:
            tags, moved = _tag(workspace, store, label, entry)
            row = {"pushed": label in pushed, "tags": tags, "moved": moved}
            rows.append({**push_pull.plain_entry(label, entry), **row})
            line = push_pull.line_of(
                workspace, "pushed" if label in pushed else "there", label, entry
            )
            lines.append(line + (f"  tagged {', '.join(moved)}" if moved else ""))
    lines.append(f"{len(pushed)} pushed, {len(rows) - len(pushed)} were in {registry.host} already")
    answer(call, lambda: {"schema": 1, "registry": registry.host, "targets": rows}, lines)


def _pushable(workspace: Workspace, missing: list[Label], *, named: bool) -> list[Label]:
    """The missing targets that are worth a push; refuses if one is not up to date here."""
    from buildlib.build.sharing.shared_store import is_worth_sharing

    keys = workspace.keys
    records = {label: workspace.records.get(keys.key(Reference(label))) for label in missing}
    for label, record in records.items():
        if record is not None:  # reports every damaged file, and makes its target stale
            workspace.damaged(record, Reference(label))
    stale = push_pull.stale_targets(workspace, missing)
    if not named:  # files that are built fast are not shared, so they need not be up to date
        stale = [label for label in stale if push_pull.is_image(workspace, label)]
    missing_text = "not up to date, neither here nor in the registry"
    push_pull.refuse_missing(workspace, stale, missing_text, "./doitw build {}")
    return [
        label
        for label, record in records.items()
        if record is not None and (named or is_worth_sharing(workspace.graph[label], record))
    ]


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
    if not push_pull.is_image(workspace, label):
        return [], []
    target = workspace.graph[label]
    repository = names.repository(workspace.settings, image_name(target))
    tags = [DEV, *target.tags]
    return tags, [tag for tag in tags if store.writer.put_tag(repository, tag, entry.digest)]


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
