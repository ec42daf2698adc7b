"""Automatic pruning: the engine keeps the newest few images of each target.

It runs after a build that made images, so that a month of edits does not fill the disk. Usually it
costs one request to the engine. It never removes an image that a container uses, that has another
tag, or that the working tree needs. `prune`, which a person runs, also considers git's history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from buildlib.build.workspace import Workspace
from buildlib.engine.protocol import split_ref
from buildlib.errors import BuildError
from buildlib.shipping.pruning import local, policy
from buildlib.shipping.pruning.references import present_keys

_CROWDED = 2
"""Times `keep_images` that a target may have before old images are removed."""


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
    if not count:
        return []
    engine = workspace.engine
    tags = local.content_tags(engine, workspace.settings)
    tag_counts = Counter(split_ref(ref)[0] for ref in tags)
    if max(tag_counts.values(), default=0) <= _CROWDED * count:
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
