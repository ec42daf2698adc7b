"""`plan`: what would be built and why. Nothing is run, and no engine or network is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, print_json, say, short_name, task_name
from buildlib.text import duration

if TYPE_CHECKING:
    from buildlib.plan.plan import Plan, Step
    from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    roots = workspace.resolve(call.words, folder=call.folder, verb="build")
    plan = workspace.plan(roots, force=call.flag("always"))
    if call.flag("json"):
        print_json(as_json(workspace, plan))
    else:
        for line in [*lines(workspace, plan), *(left_out(workspace) if not call.words else ())]:
            say(line)
    workspace.save()
    return 0


def lines(workspace: Workspace, plan: Plan) -> list[str]:
    """The plan for people: one line for each target that would be touched."""
    out: list[str] = []
    width = max((len(short_name(workspace, step.label)) for step in plan.steps), default=0)
    for step in plan.steps:
        name = short_name(workspace, step.label).ljust(width)
        note = "" if is_hermetic(workspace, step) else "  [not hermetic: network=True]"
        before = f"  (last time {duration(step.seconds)})" if step.seconds else ""
        out.append(f"{step.action:8} {name}  {step.reason}{before}{note}")
    if not plan.steps:
        verbs = {workspace.graph[step.label].rule.verb for step in plan.fresh}
        verb = "verify" if verbs == {"verify"} else "build"
        out.append(f"nothing to {verb}: {targets(len(plan.fresh))} up to date")
    else:
        estimate = sum(step.seconds for step in plan.steps if step.action == "build")
        total = f", about {duration(estimate)} by the last times" if estimate else ""
        out.append(f"{len(plan.steps)} to do, {len(plan.fresh)} up to date{total}")
    if not plan.engine_asked:
        out.append("no engine answers: whether images are still there is not known")
    return out


def left_out(workspace: Workspace) -> list[str]:
    """What does not exist in this flavour: a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in workspace.left_out.items():
        if workspace.graph[label].rule.kind != "external_image":  # nobody waits for a base
            by_reason.setdefault(reason, []).append(short_name(workspace, label))
    return [f"left out: {', '.join(names)}: {why}" for why, names in by_reason.items()]


def targets(count: int) -> str:
    """A number of targets in words."""
    return "1 target is" if count == 1 else f"{count} targets are"


def is_hermetic(workspace: Workspace, step: Step) -> bool:
    """Whether a target's steps run without network."""
    return not workspace.graph[step.label].attrs.get("network")


def as_json(workspace: Workspace, plan: Plan) -> dict[str, Any]:
    """The plan for programs."""

    def plain(step: Step) -> dict[str, Any]:
        return {
            "label": str(step.label),
            "task": task_name(workspace, step.label),
            "action": step.action,
            "reason": step.reason,
            "key": step.key,
            "last_seconds": step.seconds,
            "hermetic": is_hermetic(workspace, step),
        }

    return {
        "schema": 1,
        "engine_asked": plan.engine_asked,
        "steps": [plain(step) for step in plan.steps],
        "fresh": [plain(step) for step in plan.fresh],
        "left_out": {str(label): reason for label, reason in workspace.left_out.items()},
    }


VERB = Verb(
    "plan",
    "what would be built and why; nothing is run",
    "[TARGET…]",
    ("--json",),
    run,
)
