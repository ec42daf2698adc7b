"""Removing what builds of this workspace made, and nothing else.

An image is ours when a record says so; a tag is removed when it is on such an image. The base
that another image stands on stays in the engine as long as that image does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildlib.model.label import Label, Reference
from buildlib.model.target import image_name
from buildlib.store import names

if TYPE_CHECKING:
    from buildlib.workspace import Workspace


def clean(workspace: Workspace, label: Label, *, dry_run: bool = False) -> list[str]:
    """Remove what was made for a target; returns a line for each thing that goes.

    Raises:
        EngineUnavailable: Images would have to be removed, and no engine answers.
    """
    target = workspace.graph[label]
    key = workspace.keys.key(Reference(label))
    record = workspace.records.get(key)
    told: list[str] = []
    if record is None:
        return told
    if target.rule.product == "image":
        name = image_name(target)
        tags = [
            names.content_tag(workspace.settings, name, key),
            *names.names_of(workspace.settings, name, target.tags, names.DEV),
        ]
        there = workspace.engine.inspect(tags)
        for tag in tags:
            found = there.get(tag)
            if found is not None and found.id in record.images:
                told.append(f"remove tag {tag}")
                if not dry_run:
                    workspace.engine.untag(tag)
    export = workspace.export(target)
    if export and os.path.exists(export.path):
        told.append(f"remove {os.path.relpath(export.path, workspace.root)}")
        if not dry_run:
            os.unlink(export.path)
    if not dry_run:
        workspace.records.remove(key)
    return told
