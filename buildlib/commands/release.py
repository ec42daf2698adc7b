"""`release`: give the images that were built a version, in the engine and in `dist/`.

What does not carry the version is not built again: the image that was tested gets one more tag.
A release tag is never moved. Publishing to a registry comes with a later change; until then a
release is local, and says so.
"""

from __future__ import annotations

import os

from buildlib.commands import plan as plan_verb
from buildlib.commands.build import build
from buildlib.commands.call import VARIABLES, Call, Verb
from buildlib.commands.common import open_workspace, say
from buildlib.errors import ActionError, InputError
from buildlib.model.label import Label, Reference
from buildlib.model.target import image_name
from buildlib.model.version import check_release
from buildlib.store import names
from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    if call.words:
        raise InputError(
            f"release takes no targets, but {call.words[0]} was given",
            fix="./doitw release VERSION=2.5.0",
        )
    version = check_release(call.variables.get("VERSION", ""))
    workspace = open_workspace(call)
    workspace.version = version
    workspace.channel = version
    if call.flag("dry-run"):
        for line in plan_verb.lines(workspace, workspace.plan(workspace.resolve((), verb="build"))):
            say(line)
        for label in _images(workspace):
            say(f"tag      {_release_tag(workspace, label)}")
        return 0
    _refuse_taken(workspace)
    code = build(workspace, workspace.resolve((), verb="build"))
    if code:
        return code
    moved = _tag(workspace)
    targets = workspace.graph.targets.items()
    exports = [workspace.export(it) for label, it in targets if label not in workspace.left_out]
    for export in filter(None, exports):
        say(f"wrote {os.path.relpath(export.path, workspace.root)}")
    say(f"{version} is in the engine ({moved} tags set) and in dist/; not published")
    return 0


def _refuse_taken(workspace: Workspace) -> None:
    """Refuse a version that was released with other images, before anything is written.

    Raises:
        ActionError: Such a release exists.
    """
    keys = {label: workspace.keys.key(Reference(label)) for label in _images(workspace)}
    tags = {label: _release_tag(workspace, label) for label in keys}
    there = workspace.presence(list(tags.values())) or {}
    for label, key in keys.items():
        taken, record = there.get(tags[label]), workspace.records.get(key)
        if taken is not None and (record is None or taken.id not in record.images):
            raise _taken(tags[label])


def _taken(tag: str) -> ActionError:
    return ActionError(
        f"{tag} exists and is another image; a release tag is never moved",
        fix="release under the next version",
    )


def _images(workspace: Workspace) -> list[Label]:
    return [
        label
        for label in workspace.graph.order
        if workspace.graph[label].rule.product == "image"
        and workspace.graph[label].rule.kind != "external_image"
        and label not in workspace.left_out
    ]


def _release_tag(workspace: Workspace, label: Label) -> str:
    name = image_name(workspace.graph[label])
    return names.channel_tag(workspace.settings, name, workspace.channel)


def _tag(workspace: Workspace) -> int:
    """Put the release tags, after all were seen to be free or right.

    Raises:
        ActionError: A release of this version exists, with another image.
    """
    wanted: dict[str, str] = {}
    for label in _images(workspace):
        key = workspace.keys.key(Reference(label))
        name = image_name(workspace.graph[label])
        wanted[_release_tag(workspace, label)] = names.content_tag(workspace.settings, name, key)
    there = workspace.engine.inspect([*wanted, *wanted.values()])
    missing: dict[str, str] = {}
    for release, content in wanted.items():
        image, taken = there[content], there[release]
        if image is None:
            raise ActionError(f"{content} is gone from the engine", fix="./doitw build")
        if taken is None:
            missing[release] = image.id
        elif taken.id != image.id:
            raise _taken(release)
    for release, image_id in missing.items():
        workspace.engine.tag(image_id, release)
    return len(missing)


VERB = Verb(
    "release",
    "tag what was built with a version (local, not published)",
    "VERSION=2.5.0",
    ("--dry-run",),
    run,
    variables=VARIABLES,
)
