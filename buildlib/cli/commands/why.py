"""`why`: the changed parts of a target's key, old and new, and the path from each to the target.

With `--against`, the old key is the nearest in a registry: why this machine found nothing there.
With `--since`, it is that of a commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.key_changes import leaf_lines, plain_leaves
from buildlib.cli.verb import JSON, SINCE, Call, Option, Verb
from buildlib.core.model.label import Reference
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label
    from buildlib.core.plan.explain import Leaf


def run(call: Call) -> int:
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
    if since := str(call.options.get("since", "")):
        _since(workspace, labels, since, as_json=call.flag("json"))
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


def _since(workspace: Workspace, labels: list[Label], since: str, *, as_json: bool) -> None:
    """Compare with a commit; reads neither the engine nor records."""
    from buildlib.core.plan.affected import changes
    from buildlib.core.view import view_of_commit

    new = workspace.view
    with view_of_commit(workspace.root, since, workspace.overrides) as old:
        leaves_by_label = {label: changes(old, new, label) for label in labels}
    if as_json:
        print_json(
            [
                {
                    "label": str(label),
                    "since": since,
                    "key": new.keys.key(Reference(label)),
                    "changes": None if leaves is None else plain_leaves(leaves),
                }
                for label, leaves in leaves_by_label.items()
            ]
        )
        return
    for label, leaves in leaves_by_label.items():
        if leaves is None:
            say(f"{label} is new since {since}")
        else:
            say(f"{label} {'is not' if leaves else 'is'} what it was at {since}")
            for line in leaf_lines(leaves, "old", "new"):
                say(line)


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
    options=(
        Option("--against", "compare with what is in a registry", "[REGISTRY]"),
        SINCE,
        JSON,
    ),
)
