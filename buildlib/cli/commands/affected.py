"""`affected`: the targets whose keys differ between two trees, from git objects, without a build.

It shows what a pull request touches, which images CI has to build, and why. It asks neither an
engine nor the network, and checks nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import say, with_workspace
from buildlib.cli.difference import FORMATS, Difference, Format
from buildlib.cli.key_changes import plain_change
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, SINCE, Call, Option, Verb
from buildlib.core.view import View, view_of_commit
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.plan.affected import Affected


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    show = _format(call)
    since, to = (str(call.options.get(name, "")) for name in ("since", "to"))
    if not since:
        raise InputError(
            "affected needs a commit to compare with", fix="./doitw affected --since HEAD"
        )
    with ExitStack() as stack:
        old, new = (
            stack.enter_context(view_of_commit(workspace.root, revision, workspace.overrides))
            if revision
            else workspace.view
            for revision in (since, to)
        )
        found = _affected(call, old, new)
        targets = plain_targets(new.graph, [each.label for each in found])
        rows = [{**row, **_change(each)} for row, each in zip(targets, found, strict=True)]
        there = set(new.resolve(()))
        removed = [str(label) for label in old.resolve(()) if label not in there]
    for line in show(
        Difference(since, to or None, rows, list(map(_reason, found)), removed, call.flag("why"))
    ):
        say(line)


def _affected(call: Call, old: View, new: View) -> Sequence[Affected]:
    """The targets that differ, of those that the command line chooses."""
    from buildlib.core.plan.affected import affected
    from buildlib.core.plan.rule_versions import changed_rules

    graph = new.graph
    kinds = {target.rule.kind for target in graph.targets.values()}
    kind = str(call.options.get("kind", ""))
    if kind and kind not in kinds:
        raise InputError(
            f"no target is a {kind}{did_you_mean(kind, kinds)}",
            fix=f"--kind {nearest(kind, kinds) or 'docker_image'}",
        )
    if call.words:
        chosen = set(new.resolve(call.words, folder=call.folder))
    else:
        verbs = ("build", "verify") if call.flag("verify") else ("build",)
        chosen = {label for verb in verbs for label in new.resolve((), verb=verb)}
    labels = [
        label
        for label in graph.order
        if label in chosen
        and (graph[label].rule.kind == kind if kind else graph[label].rule.is_built)
    ]
    return affected(old, new, labels, changed_rules(old.tree, new.tree, kinds))


def _change(target: Affected) -> dict[str, Any]:
    """What differs, for programs."""
    changes = [plain_change(change) for change in target.changes]
    return {"changes": changes, "path": list(map(str, target.path))}


def _reason(target: Affected) -> str:
    """The changed parts at the end of a target's path, in a line."""
    from buildlib.core.plan.explain import Leaf, in_a_line

    if not target.changes:
        return f"{target.path[-1]} is new" if len(target.path) > 1 else "new"
    return in_a_line([Leaf(target.path, change) for change in target.changes])


def _format(call: Call) -> Format:
    name = "json" if call.flag("json") else str(call.options.get("format", "lines"))
    if name not in FORMATS:
        raise InputError(
            f"there is no format {name}{did_you_mean(name, FORMATS)}",
            fix=f"--format {nearest(name, FORMATS) or 'lines'}",
        )
    return FORMATS[name]


VERB = Verb(
    "affected",
    "the targets that differ from those of a commit, exactly",
    run,
    words="[TARGET…]",
    options=(
        SINCE,
        Option("--to", "compare it with this commit instead of the working tree", "REF"),
        Option("--kind", "only targets of this rule, such as docker_image", "RULE"),
        Option("--verify", "proofs, too"),
        Option("--why", "show what differs, and the way from there to each target"),
        Option("--format", "lines, json, github (a matrix) or markdown (a comment)", "FORMAT"),
        JSON,
    ),
)
