"""`why`: the changed parts of a target's key, old and new, and the path from each to the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, print_json, say
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.model.label import Label
    from buildlib.plan.explain import Leaf
    from buildlib.workspace import Workspace

_HASH_SHOWN = 12


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    if not call.words:
        raise InputError("why needs a target", fix="./doitw why //images/kernel-py")
    labels = workspace.resolve(call.words, folder=call.folder)
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
    if workspace.graph[label].rule.product == "none":
        say(f"{label} is a {workspace.graph[label].rule.kind}: nothing is built of it")
    elif action == "fresh":
        say(f"{label} is up to date")
    else:
        verb = {"build": "would be built", "restore": "would get its name back"}
        say(f"{label} {verb.get(action, 'may have to be built')}: {reason}")
    for leaf in leaves or ():
        say(f"  {leaf.change.name}")
        say(f"    old: {_shown(leaf.change.old)}")
        say(f"    new: {_shown(leaf.change.new)}")
        if len(leaf.path) > 1:
            say("    path: " + " <- ".join(str(ref) for ref in leaf.path))


def _shown(value: str | None) -> str:
    """A part's value, with digests cut to what a person compares."""
    if value is None:
        return "(not there)"
    words = [
        word[:_HASH_SHOWN] + "…" if len(word) == 64 and word.isalnum() else word  # noqa: PLR2004
        for word in value.split(" ")
    ]
    return " ".join(words) or "(empty)"


def _as_json(label: Label, step: Any, leaves: list[Leaf] | None) -> dict[str, Any]:
    return {
        "label": str(label),
        "action": step.action if step else "fresh",
        "reason": step.reason if step else "",
        "key": step.key if step else "",
        "changes": None
        if leaves is None
        else [
            {
                "part": leaf.change.name,
                "old": leaf.change.old,
                "new": leaf.change.new,
                "path": [str(ref) for ref in leaf.path],
            }
            for leaf in leaves
        ],
    }


VERB = Verb(
    "why",
    "the changed parts of a key, old and new, and the path to the target",
    "TARGET…",
    ("--json",),
    run,
)
