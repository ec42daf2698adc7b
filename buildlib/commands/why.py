"""`why`: the changed parts of a target's key, old and new, and the path from each to the target.

With `--against`, old is what a registry has of the target: why this machine found nothing there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.leaves import leaf_lines, plain_leaves
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.model.label import Label
    from buildlib.plan.explain import Leaf
    from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    if not call.words:
        raise InputError("why needs a target", fix="./doitw why //images/kernel-py")
    labels = workspace.resolve(call.words, folder=call.folder)
    against = call.options.get("against")
    if against:
        from buildlib.cli import against as comparison

        comparison.run(workspace, labels, against, as_json=call.flag("json"))
        workspace.save()
        return 0
    plan = workspace.plan(labels)
    answers = []
    for label in labels:
        step = plan.look_up(label)
        leaves = workspace.explainer.changes(label)
        answers.append((label, step, leaves))
    if call.flag("json"):
        print_json([_as_json(label, step, leaves) for label, step, leaves in answers])
    else:
        for label, step, leaves in answers:
            action = step.action if step else "fresh"
            reason = step.reason if step else ""
            _tell(workspace, label, action, reason, leaves)
        if not plan.engine_asked:
            say("no engine answers: whether images are still there is not known")
    workspace.save()
    return 0


def _tell(
    workspace: Workspace, label: Label, action: str, reason: str, leaves: list[Leaf] | None
) -> None:
    if not workspace.graph[label].rule.is_built:
        say(f"{label} is a {workspace.graph[label].rule.kind}: nothing is built of it")
    elif action == "fresh":
        say(f"{label} is up to date")
    else:
        verb = {"build": "would be built", "restore": "would get its name back"}
        say(f"{label} {verb.get(action, 'may have to be built')}: {reason}")
    for line in leaf_lines(leaves or (), "old", "new"):
        say(line)


def _as_json(label: Label, step: Any, leaves: list[Leaf] | None) -> dict[str, Any]:
    return {
        "label": str(label),
        "action": step.action if step else "fresh",
        "reason": step.reason if step else "",
        "key": step.key if step else "",
        "changes": None if leaves is None else plain_leaves(leaves),
    }


VERB = Verb(
    "why",
    "the changed parts of a key, old and new, and the path to the target",
    run,
    words="TARGET…",
    options=(Option("--against", "compare with what is in a registry", "[REGISTRY]"), JSON),
)
