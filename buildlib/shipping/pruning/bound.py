"""The bound on what a machine keeps without being asked: the newest few images of each target.

Runs after a build that made images, so that a month of edits does not fill the disk. Most times it
costs one question to the engine. It never takes what a container stands on, what has another tag,
or what the working tree needs; `prune` looks further (git), and is the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from buildlib.engine.protocol import split_ref
from buildlib.errors import BuildError
from buildlib.shipping.pruning import local, policy
from buildlib.shipping.pruning.references import present_keys

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace


def after_build(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Keep the bound after a build, in one line where something went; it never fails a build.

    Args:
        workspace: The workspace.
        say: Takes the line.
    """
    try:
        gone = bound(workspace)
    except BuildError as error:
        say(f"warning: old images were not looked for: {error.what}")
        return
    if gone:
        number = "1 old image" if len(gone) == 1 else f"{len(gone)} old images"
        count = workspace.settings.keep_images
        say(f"removed {number}: the engine keeps the newest {count} of each target (keep_images)")


def bound(workspace: Workspace) -> list[policy.Content]:
    """Remove old content tags where a target has more than the settings allow.

    Args:
        workspace: The workspace; `keep_images` of its settings is the bound, 0 for none.

    Returns:
        What was removed.

    Raises:
        EngineUnavailable: No engine answers.
    """
    count = workspace.settings.keep_images
    if not count:
        return []
    engine = workspace.engine
    tags = local.content_tags(engine, workspace.settings)
    number: dict[str, int] = {}
    for ref in tags:
        repository = split_ref(ref)[0]
        number[repository] = number.get(repository, 0) + 1
    many = {ref: image for ref, image in tags.items() if number[split_ref(ref)[0]] > count}
    if not many:
        return []
    present = dict.fromkeys(present_keys(workspace), "the working tree needs it")
    found = local.contents(many.items(), workspace.records)
    rules = [policy.recorded, policy.newest(found, count), policy.keys(present)]
    old = [each for each, reason in policy.decide(found, rules) if not reason]
    if not old:
        return []
    there = engine.inspect(list(dict.fromkeys(each.digest for each in old)))
    rules = local.in_use(engine, there)
    going = [each for each, reason in policy.decide(old, rules) if not reason]
    failed = local.remove(engine, going)
    return [each for each in going if each not in failed]
