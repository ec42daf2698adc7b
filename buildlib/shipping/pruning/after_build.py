"""Automatic pruning: the engine keeps the newest few images of each target.

It runs after a build that made images, so that a month of edits does not fill the disk. Usually it
costs nothing: a build adds one image to a target, so the engine is asked once so many builds have
passed that a target may have too many. It never removes an image that a container uses, that has
another tag, or that the working tree needs. `prune`, which a person runs, also considers git's
history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from buildlib.build.workspace import Workspace
from buildlib.errors import BuildError

if TYPE_CHECKING:
    from buildlib.shipping.pruning import policy

_CROWDED = 2
"""Times `keep_images` that a target may have before old images are removed."""
_WAIT = "prune-wait"
"""The file of the workspace with how many builds need not look, and for which settings."""


def after_build(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Prune after a build, and report it in one line; a failure is a warning, never an error."""
    try:
        removed = bound(workspace)
    except BuildError as error:
        say(f"warning: old images were not looked for: {error.what}")
        return
    if removed:
        images = "1 old image" if len(removed) == 1 else f"{len(removed)} old images"
        count = workspace.settings.keep_images
        say(f"removed {images}: the engine keeps the newest {count} of each target (keep_images)")


def bound(workspace: Workspace) -> list[policy.Content]:
    """Remove all but the newest content tags of targets, once one has twice as many as it should.

    As `git gc --auto` does: to remove an image takes an engine as long as to make a small one, so
    one build removes several, and those before it none. Returns the removed ones; 0 for
    `keep_images` means no limit.

    Raises:
        EngineUnavailable: No engine answers.
    """
    count = workspace.settings.keep_images
    # Where a declaration is wrong, it is not known what else the working tree needs.
    if not count or workspace.graph.errors or _may_wait(workspace):
        return []
    from collections import Counter

    from buildlib.engine.protocol import split_ref
    from buildlib.shipping.pruning import local, policy
    from buildlib.shipping.pruning.references import present_keys

    engine = workspace.engine
    tags = local.content_tags(engine, workspace.settings)
    tag_counts = Counter(split_ref(ref)[0] for ref in tags)
    room = _CROWDED * count - max(tag_counts.values(), default=0)
    if room >= 0:
        workspace.state.set_lines(_WAIT, [_of(workspace), str(room)])
        return []
    crowded = {ref: image for ref, image in tags.items() if tag_counts[split_ref(ref)[0]] > count}
    present = dict.fromkeys(present_keys(workspace), "the working tree needs it")
    candidates = local.contents(crowded.items(), workspace.records)
    rules = [policy.recorded, policy.newest(candidates, count), policy.keys(present)]
    old = [each for each, reason in policy.decide(candidates, rules) if not reason]
    if not old:
        return []
    images = engine.inspect(list(dict.fromkeys(each.digest for each in old)))
    rules = local.in_use(engine, images)
    unused = [each for each, reason in policy.decide(old, rules) if not reason]
    failed = local.remove(engine, unused)
    return [each for each in unused if each not in failed]


def _may_wait(workspace: Workspace) -> bool:
    """Whether no target can have too many images yet; counts this build.

    Images of other workspaces are not counted here: each of these looks for itself.
    """
    try:
        of, left = workspace.state.lines(_WAIT)
        room = int(left)
    except ValueError:
        return False
    if of != _of(workspace) or room <= 0:
        return False
    workspace.state.set_lines(_WAIT, [of, str(room - 1)])
    return True


def _of(workspace: Workspace) -> str:
    """The settings that a count of images is good for."""
    settings = workspace.settings
    return f"{settings.registry} {settings.organization} {settings.keep_images}"
