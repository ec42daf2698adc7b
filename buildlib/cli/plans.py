"""A plan, for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import print_json, say, short_name, task_name, with_variables
from buildlib.core.keys.compute import ANEW
from buildlib.core.model.label import Reference
from buildlib.core.model.lock import FILE as LOCK_FILE
from buildlib.core.model.section import PYTHON
from buildlib.core.model.target import HERE
from buildlib.core.plan.explain import in_words
from buildlib.core.plan.plan import BUILD, UNKNOWN
from buildlib.core.store import names
from buildlib.text import LINE, clipped, duration, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildlib.build.execution.pull_and_publish import RegistryLookup
    from buildlib.build.workspace import Workspace
    from buildlib.cli.verb import Call
    from buildlib.core.plan.explain import Cause
    from buildlib.core.plan.plan import Plan, Step

_FEW = 3
"""Stamped targets of one package that are listed by name; more are counted."""


def show(workspace: Workspace, call: Call, shared: RegistryLookup | None = None) -> bool:
    """Print the plan of the targets of a command line.

    Args:
        shared: Asks the registry; None to ask none.

    Returns:
        Whether anything is stale, or not known to be up to date.
    """
    roots = workspace.resolve(call.words, folder=call.folder, verb="build")
    plan = workspace.plan(roots, force=call.flag("always"), shared=shared, drafts=True)
    if call.flag("json"):
        print_json(as_json(workspace, plan))
    else:
        not_built = left_out(workspace) if not call.words else []
        planned = lines(workspace, plan, call)
        output = [*release_commit(workspace), *planned, *not_built]
        output += stamped(workspace, plan)
        for line in output:
            say(line)
        workspace.cache_noop(() if shared else call.typed, plan, output)
    workspace.save()
    return not plan.is_done


def lines(workspace: Workspace, plan: Plan, call: Call | None = None) -> list[str]:
    """The plan for people: one line for each stale target, then what made several of them stale.

    Args:
        call: With `-v 2`, each target has its own reason, at any length.
    """
    whole = call is not None and call.is_verbose
    out: list[str] = []
    causes = {} if whole else {step: _causes(workspace, step) for step in plan.steps}
    counts = Counter(cause for of_step in causes.values() for cause in of_step)
    behind = {cause: f"{count} targets" for cause, count in counts.most_common() if count > 1}
    stamped_labels = workspace.graph.stamped if plan.steps else set()
    width = max((len(short_name(workspace, step.label)) for step in plan.steps), default=0)
    for step in plan.steps:
        name = short_name(workspace, step.label).ljust(width)
        impurity = impurity_of(workspace, step)
        note = f"  [not hermetic: {impurity}]" if impurity else ""
        note += "  [stamped]" if step.label in stamped_labels else ""
        last_time = f"  (last time {duration(step.seconds)})" if step.seconds else ""
        if step.action == "pull":
            last_time = f"  ({step.size / 1e6:.1f} MB)"
        own = [cause for cause in causes.get(step, ()) if counts[cause] == 1]
        row = f"{step.action:8} {name}  {step.reason if whole else ', '.join(own)}"
        if own and len(row + last_time + note) > LINE:
            row = f"{step.action:8} {name}"
            behind |= dict.fromkeys(own, name.strip())
        out.append(f"{row.rstrip()}{last_time}{note}")
    out += [clipped(cause, f": {whose}") for cause, whose in behind.items()]
    if plan.is_done:
        verbs = {workspace.graph[step.label].rule.verb for step in plan.fresh}
        verb = "verify" if verbs == {"verify"} else "build"
        out.append(f"nothing to {verb}: {targets(len(plan.fresh))} up to date")
    else:
        times = [step.seconds for step in plan.steps if step.action == BUILD]
        is_known = all(times) and all(step.action != UNKNOWN for step in plan.steps)
        sure = "about" if is_known else "at least"
        total = f", {sure} {duration(sum(times))} by the last times" if any(times) else ""
        out.append(f"{len(plan.steps)} to do, {len(plan.fresh)} up to date{total}")
    if not plan.engine_asked:
        out.append("no engine answers: whether images are still there is not known")
    return out + lock_first(plan.lock_first, call)


def lock_first(commands: Sequence[str], call: Call | None) -> list[str]:
    """Lines that say what a build stops at before it begins, and the commands that mend it."""
    if not commands:
        return []
    variables = call.variables if call else {}
    fixes = (f"  fix: {with_variables(command, variables)}" for command in commands)
    return ["a build needs pins first:", *fixes]


def _causes(workspace: Workspace, step: Step) -> list[str]:
    """What made a target stale: the same words for all targets of which the same is true."""
    explainer = workspace.explainer
    if step.action == BUILD and step.reason == explainer.reason(step.label):
        words = (_words(workspace, cause) for cause in explainer.causes(step.label))
        return list(dict.fromkeys(words)) or [step.reason]
    return [step.reason]


def _words(workspace: Workspace, cause: Cause) -> str:
    """A changed part by its file, where it has one; else with the target that it is a part of."""
    (name, old, new), label = cause.change, cause.ref.label
    change = "added" if old is None else "removed" if new is None else "changed"
    kind, _, rest = name.partition(" ")
    if ANEW in name:
        what = "was locked" if new is None else rest
        return f"{kind} of {label} {what}"
    if kind == "file":
        part, _, in_target = rest.rpartition(": ")
        files = workspace.graph[label].files
        paths = (file.path for file in files if (file.name, file.part) == (in_target, part))
        return f"{next(paths, label.path(in_target))} {change}"
    if kind != "pin":
        return in_words(cause.change, Reference(label))
    section = rest.partition(" ")[0]
    if section == PYTHON.name:
        requirements = str(workspace.graph[label].attrs.get("python"))
        return f"{label.path(requirements.removesuffix('.in'))}.lock changed"
    return f"{section} of {label} changed in {LOCK_FILE}"


def left_out(workspace: Workspace) -> list[str]:
    """Targets that do not exist in this flavour: a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in workspace.left_out.items():
        if workspace.graph[label].rule.origin == HERE:  # not external images, which nobody asks for
            by_reason.setdefault(reason, []).append(short_name(workspace, label))
    lines = [f"left out: {', '.join(names)}: {why}" for why, names in by_reason.items()]
    return [each for line in lines for each in wrapped(line)]


def release_commit(workspace: Workspace) -> list[str]:
    """On the commit of a release: a line that says that a build puts no release tags."""
    if workspace.channel == names.DEV:
        return []
    version = workspace.version
    what = f"VERSION is {version}, a release: images get no tag but that of their content;"
    return [f"{what} the tags {version} are put by ./doitw release alone"]


def stamped(workspace: Workspace, plan: Plan) -> list[str]:
    """A line with the targets of a plan that carry names of images or the version."""
    labels = workspace.graph.stamped
    by_package: dict[str, list[str]] = {}
    for label in (step.label for step in (*plan.steps, *plan.fresh) if step.label in labels):
        by_package.setdefault(label.package, []).append(short_name(workspace, label))
    shown: list[str] = []
    for package, in_package in sorted(by_package.items()):
        few = len(in_package) <= _FEW
        shown += sorted(in_package) if few else [f"{len(in_package)} of {package or 'the root'}"]
    name = names.channel_tag(workspace.settings, "…", workspace.channel)
    line = f"stamped ({name}, {workspace.version}): {', '.join(shown)}"
    return wrapped(line) if shown else []


def targets(count: int) -> str:
    """`1 target is`, or `N targets are`."""
    return "1 target is" if count == 1 else f"{count} targets are"


def impurity_of(workspace: Workspace, step: Step) -> str:
    """What lets a target's steps see what no key holds; empty for a hermetic target."""
    target = workspace.graph[step.label]
    request = target.rule.request(target)
    return request.impurity if request else ""


def as_json(workspace: Workspace, plan: Plan) -> dict[str, Any]:
    """The plan for programs."""
    stamped_labels = workspace.graph.stamped

    def plain(step: Step) -> dict[str, Any]:
        return {
            "label": str(step.label),
            "task": task_name(workspace, step.label),
            "action": step.action,
            "reason": step.reason,
            "key": step.key,
            "last_seconds": step.seconds,
            "size": step.size,
            "hermetic": not impurity_of(workspace, step),
            "stamped": step.label in stamped_labels,
        }

    return {
        "schema": 1,
        "channel": workspace.channel,
        "engine_asked": plan.engine_asked,
        "lock_first": list(plan.lock_first),
        "steps": [plain(step) for step in plan.steps],
        "fresh": [plain(step) for step in plan.fresh],
        "left_out": {str(label): reason for label, reason in workspace.left_out.items()},
    }
