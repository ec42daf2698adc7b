"""`affected`: the targets whose keys differ between two trees, from git objects, without a build.

It shows what a pull request touches, which images CI has to build, and why. It asks neither an
engine nor the network, and checks nothing out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.key_changes import plain_change
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, SINCE, Call, Option, Verb
from buildlib.core.view import View, view_of_commit
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.core.model.label import Label
    from buildlib.core.plan.affected import Affected


class Difference(NamedTuple):
    """What differs between two trees.

    Attributes:
        view: Of the newer tree.
        since: The older commit, as given.
        to: The newer commit, as given; empty for the working tree.
        affected: Targets that differ, dependencies first.
    """

    view: View
    since: str
    to: str
    affected: list[Affected]
    removed: list[Label]


def run(call: Call) -> int:
    tell = _format(call)
    since, to = (str(call.options.get(name, "")) for name in ("since", "to"))
    if not since:
        raise InputError(
            "affected needs a commit to compare with", fix="./doitw affected --since origin/main"
        )
    workspace = open_workspace(call)
    with ExitStack() as stack:
        old, *rest = (
            stack.enter_context(view_of_commit(workspace.root, revision, workspace.overrides))
            for revision in (since, to)
            if revision
        )
        new = rest[0] if rest else workspace.view
        removed = [label for label in old.graph.order if label not in new.graph.targets]
        answer = Difference(new, since, to, _affected(call, old, new), removed)
        tell(answer, call.flag("why"))
    workspace.save()
    return 0


def _affected(call: Call, old: View, new: View) -> list[Affected]:
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


def _lines(difference: Difference, why: bool) -> None:
    for target in difference.affected:
        say(str(target.label))
        if why:
            say(f"  {_reason(target)}")
            if len(target.path) > 1:
                say(f"  {len(target.path)} long: " + " <- ".join(map(str, target.path)))


def _json(difference: Difference, why: bool) -> None:
    del why  # a program takes what it needs
    labels = [affected.label for affected in difference.affected]
    targets = plain_targets(difference.view.graph, labels)
    rows = [
        {
            **target,
            "changes": [plain_change(change) for change in affected.changes],
            "path": [str(ref) for ref in affected.path],
        }
        for target, affected in zip(targets, difference.affected, strict=True)
    ]
    removed = [str(label) for label in difference.removed]
    ends = {"since": difference.since, "to": difference.to or None}
    print_json({"schema": 1, **ends, "affected": rows, "removed": removed})


def _github(difference: Difference, why: bool) -> None:
    """Lines for the file that `$GITHUB_OUTPUT` names: a matrix for `fromJSON`, and its length."""
    del why
    import json

    targets = plain_targets(difference.view.graph, [target.label for target in difference.affected])
    rows = [{name: row[name] for name in ("label", "task", "rule")} for row in targets]
    say(f"matrix={json.dumps({'include': rows}, separators=(',', ':'))}")
    say(f"count={len(rows)}")


def _markdown(difference: Difference, why: bool) -> None:
    """A comment for a pull request."""
    count = len(difference.affected)
    what = "1 target is" if count == 1 else f"{count or 'No'} targets are"
    say(f"### {what} affected since `{difference.since}`\n")
    if difference.affected:
        say("| target | rule | why |\n|---|---|---|")
    for target in difference.affected:
        kind = difference.view.graph[target.label].rule.kind
        path = " ← ".join(f"`{ref}`" for ref in target.path)
        chain = f"<br>{path}" if why and len(target.path) > 1 else ""
        say(f"| `{target.label}` | {kind} | {_reason(target)}{chain} |".replace("\n", " "))
    if difference.removed:
        say("\nRemoved: " + ", ".join(f"`{label}`" for label in difference.removed))


def _reason(target: Affected) -> str:
    """The changed parts at the end of a target's path, in a line."""
    from buildlib.core.plan.explain import Leaf, in_a_line

    leaves = [Leaf(target.path, change) for change in target.changes]
    if not leaves:
        return f"{target.path[-1]} is new" if len(target.path) > 1 else "new"
    return in_a_line(leaves)


_FORMATS: dict[str, Callable[[Difference, bool], None]] = {
    "lines": _lines,
    "json": _json,
    "github": _github,
    "markdown": _markdown,
}


def _format(call: Call) -> Callable[[Difference, bool], None]:
    name = "json" if call.flag("json") else str(call.options.get("format", "lines"))
    if name not in _FORMATS:
        raise InputError(
            f"there is no format {name}{did_you_mean(name, _FORMATS)}",
            fix=f"--format {nearest(name, _FORMATS) or 'lines'}",
        )
    return _FORMATS[name]


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
