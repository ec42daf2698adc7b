"""`why`: the changed parts of a target's key, old and new, and the path from each to the target.

With `--against`, the old key is the nearest in a registry: why this machine found nothing there.
With `--since`, it is that of a commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.cli import plans
from buildlib.cli.common import answer, needs_target, say, with_workspace
from buildlib.cli.key_changes import change_lines, plain_leaves
from buildlib.cli.verb import JSON, SINCE, Call, Option, Verb
from buildlib.core.model.label import Reference
from buildlib.text import wrapped

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label
    from buildlib.core.plan.plan import Plan

_VERBS = {"build": "would be built", "restore": "would get its name back"}


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    if not call.words:
        raise needs_target(workspace, "why")
    labels = workspace.resolve(call.words, folder=call.folder)
    against = call.options.get("against")
    names = ("theirs", "ours") if against else ("old", "new")
    asks_engine, lock_first = False, []
    if against:
        from buildlib.cli.against import compare

        not_built = [label for label in labels if not workspace.graph[label].rule.is_built]
        answers = compare(workspace, [label for label in labels if label not in not_built], against)
        if not call.flag("json"):
            for label in not_built:
                say(_nothing_built(workspace, label))
    elif since := str(call.options.get("since", "")):
        answers = _since(workspace, labels, since)
    else:
        plan = workspace.plan(labels, drafts=True)
        asks_engine = not plan.engine_asked
        lock_first = plans.lock_first(plan.lock_first, call)
        answers = [_present(workspace, plan, label) for label in labels]
    lines = [
        line
        for headline, facts in answers
        for line in (headline, *change_lines(facts["changes"] or (), *names))
    ]
    if asks_engine:
        lines.append("no engine answers: whether images are still there is not known")
    answer(call, lambda: [facts for _, facts in answers], [*lines, *lock_first])


def _present(workspace: Workspace, plan: Plan, label: Label) -> tuple[str, dict[str, Any]]:
    """What a build would do with a target, and what changed since its last build."""
    step, leaves = plan.look_up(label), workspace.explainer.changes(label)
    action = step.action if step else "fresh"
    reason = step.reason if step else ""
    headline = f"{label} {_VERBS.get(action, 'may have to be built')}: {reason}"
    headline = "\n".join(wrapped(headline))
    if not workspace.graph[label].rule.is_built:
        headline = _nothing_built(workspace, label)
    elif action == "fresh":
        headline = f"{label} is up to date"
    return headline, {
        "label": str(label),
        "action": action,
        "reason": reason,
        "key": step.key if step else "",
        "changes": None if leaves is None else plain_leaves(leaves),
    }


def _since(
    workspace: Workspace, labels: list[Label], since: str
) -> list[tuple[str, dict[str, Any]]]:
    """Compare with a commit; reads neither the engine nor records."""
    from buildlib.core.plan.affected import changes
    from buildlib.core.view import view_of_commit

    new = workspace.view
    answers = []
    with view_of_commit(workspace.root, since, workspace.overrides) as old:
        for label in labels:
            leaves = changes(old, new, label)
            headline = f"{label} {'is not' if leaves else 'is'} what it was at {since}"
            if leaves is None:
                headline = f"{label} is new since {since}"
            facts = {
                "label": str(label),
                "since": since,
                "key": new.keys.key_or_none(Reference(label)),
                "changes": None if leaves is None else plain_leaves(leaves),
            }
            answers.append((headline, facts))
    return answers


def _nothing_built(workspace: Workspace, label: Label) -> str:
    return f"{label} is a {workspace.graph[label].rule.kind}: nothing is built of it"


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
