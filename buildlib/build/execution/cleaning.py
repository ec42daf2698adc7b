"""Remove what builds of this workspace made, and nothing else.

A record says which images are ours; a tag is removed when it is on such an image. A base image
stays in the engine as long as an image built on it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import Target, image_name
from buildlib.core.store import names

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.store.records import Record


class Cleaned(NamedTuple):
    """What goes: tags of images, and files by their path from the workspace."""

    tags: list[str]
    files: list[str]

    def lines(self) -> list[str]:
        return [*(f"remove tag {tag}" for tag in self.tags), *(f"remove {it}" for it in self.files)]


def clean(workspace: Workspace, labels: Iterable[Label], *, dry_run: bool = False) -> Cleaned:
    """Remove the results of targets; return what goes.

    Everything is looked up before anything is removed, so an error leaves all as it was.
    """
    keys = {label: workspace.keys.key(Reference(label)) for label in labels}
    records = {
        label: record
        for label, key in keys.items()
        if (record := workspace.records.get(key)) is not None
    }
    tags: list[str] = []
    files: list[str] = []
    for label, record in records.items():
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
        for label in records:
            workspace.records.remove(keys[label])
    return Cleaned(tags, [os.path.relpath(path, workspace.root) for path in files])


def _tags(workspace: Workspace, target: Target, key: str, record: Record) -> list[str]:
    """Return the tags of a target that are on an image of its record."""
    name = image_name(target)
    tags = [
        names.content_tag(workspace.settings, name, key),
        *names.names_of(workspace.settings, name, target.tags, names.DEV),
    ]
    images = workspace.engine.inspect(tags)
    return [
        tag for tag in tags if (image := images.get(tag)) is not None and image.id in record.images
    ]
