"""Removing what builds of this workspace made, and nothing else.

An image is ours when a record says so; a tag is removed when it is on such an image. The base
that another image stands on stays in the engine as long as that image does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import Target, image_name
from buildlib.core.store import names

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.store.records import Record


def clean(workspace: Workspace, labels: Iterable[Label], *, dry_run: bool = False) -> list[str]:
    """Remove what was made for targets; returns a line for each thing that goes.

    All is looked up before anything is removed, so an error leaves everything as it was.

    Raises:
        InputError: A target has no key.
        EngineUnavailable: Images would have to be removed, and no engine answers.
    """
    keys = {label: workspace.keys.key(Reference(label)) for label in labels}
    found = {label: workspace.records.get(key) for label, key in keys.items()}
    made = {label: record for label, record in found.items() if record is not None}
    tags: list[str] = []
    files: list[str] = []
    for label, record in made.items():
        target = workspace.graph[label]
        if target.rule.is_image:
            tags += _tags(workspace, target, keys[label], record)
        export = workspace.export(target)
        if export and os.path.exists(export.path):
            files.append(export.path)
    if not dry_run:
        for tag in tags:
            workspace.engine.untag(tag)
        for path in files:
            os.unlink(path)
        for label in made:
            workspace.records.remove(keys[label])
    shown = [os.path.relpath(path, workspace.root) for path in files]
    return [*(f"remove tag {tag}" for tag in tags), *(f"remove {path}" for path in shown)]


def _tags(workspace: Workspace, target: Target, key: str, record: Record) -> list[str]:
    """The tags of a target that are on an image of its record."""
    name = image_name(target)
    tags = [
        names.content_tag(workspace.settings, name, key),
        *names.names_of(workspace.settings, name, target.tags, names.DEV),
    ]
    there = workspace.engine.inspect(tags)
    found = ((tag, there.get(tag)) for tag in tags)
    return [tag for tag, image in found if image is not None and image.id in record.images]
