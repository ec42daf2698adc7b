"""`affected`: the targets whose keys differ between two trees, from git objects, without a build.

It tells what a pull request touches, which images CI has to build, and why. Neither an engine nor
the network is asked, and nothing is checked out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from buildlib.cli.common import open_workspace, print_json, say
from buildlib.cli.targets import plain_targets
from buildlib.cli.verb import JSON, SINCE, Call, Option, Verb
from buildlib.core.view import View, view_of_commit
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.core.model.label import Label
    from buildlib.core.plan.affected import Affected


class Answer(NamedTuple):
    """What differs between two trees.

    Attributes:
        view: The tree now.
        since: The commit before, as it was given.
        to: The commit now, as it was given; empty for the working tree.
        affected: What differs, dependencies first.
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
        answer = Answer(new, since, to, _ask(call, old, new), removed)
        tell(answer, call.flag("why"))
    workspace.save()
    return 0


def _ask(call: Call, old: View, new: View) -> list[Affected]:
    """What differs, of the targets and kinds that are asked for."""
    from buildlib.core.plan.affected import affected
    from buildlib.core.plan.code import changed_rules

    graph = new.graph
    kinds = {target.rule.kind for target in graph.targets.values()}
    kind = str(call.options.get("kind", ""))
    if kind and kind not in kinds:
        raise InputError(
            f"no target is a {kind}{did_you_mean(kind, kinds)}",
            fix=f"--kind {nearest(kind, kinds) or 'docker_image'}",
        )
    if call.words:
        wanted = set(new.resolve(call.words, folder=call.folder))
    else:
        verbs = ("build", "verify") if call.flag("verify") else ("build",)
        wanted = {label for verb in verbs for label in new.resolve((), verb=verb)}
    labels = [
        label
        for label in graph.order
        if label in wanted
        and (graph[label].rule.kind == kind if kind else graph[label].rule.is_built)
    ]
    return affected(old, new, labels, changed_rules(old.tree, new.tree, kinds))


def _lines(answer: Answer, why: bool) -> None:
    for found in answer.affected:
        say(str(found.label))
        if why:
            say(f"  {_cause(found)}")
            if len(found.path) > 1:
                say(f"  {len(found.path)} long: " + " <- ".join(map(str, found.path)))


def _json(answer: Answer, why: bool) -> None:
    del why  # a program takes what it needs
    targets = plain_targets(answer.view.graph, [found.label for found in answer.affected])
    rows = [
        {
            **target,
            "changes": [
                {"part": change.name, "old": change.old, "new": change.new}
                for change in found.changes
            ],
            "path": [str(ref) for ref in found.path],
        }
        for target, found in zip(targets, answer.affected, strict=True)
    ]
    removed = [str(label) for label in answer.removed]
    ends = {"since": answer.since, "to": answer.to or None}
    print_json({"schema": 1, **ends, "affected": rows, "removed": removed})


def _github(answer: Answer, why: bool) -> None:
    """Lines for the file that `$GITHUB_OUTPUT` names: a matrix for `fromJSON`, and its length."""
    del why
    import json

    targets = plain_targets(answer.view.graph, [found.label for found in answer.affected])
    rows = [{name: row[name] for name in ("label", "task", "rule")} for row in targets]
    say(f"matrix={json.dumps({'include': rows}, separators=(',', ':'))}")
    say(f"count={len(rows)}")


def _markdown(answer: Answer, why: bool) -> None:
    """A comment for a pull request."""
    count = len(answer.affected)
    what = "1 target is" if count == 1 else f"{count or 'No'} targets are"
    say(f"### {what} affected since `{answer.since}`\n")
    if answer.affected:
        say("| target | rule | why |\n|---|---|---|")
    for found in answer.affected:
        kind = answer.view.graph[found.label].rule.kind
        path = " ← ".join(f"`{ref}`" for ref in found.path)
        chain = f"<br>{path}" if why and len(found.path) > 1 else ""
        say(f"| `{found.label}` | {kind} | {_cause(found)}{chain} |".replace("\n", " "))
    if answer.removed:
        say("\nRemoved: " + ", ".join(f"`{label}`" for label in answer.removed))


def _cause(found: Affected) -> str:
    """What differs where the path of a target ends, in a line."""
    from buildlib.core.plan.explain import Leaf, in_a_line

    leaves = [Leaf(found.path, change) for change in found.changes]
    if not leaves:
        return f"{found.path[-1]} is new" if len(found.path) > 1 else "new"
    return in_a_line(leaves)


_FORMATS: dict[str, Callable[[Answer, bool], None]] = {
    "lines": _lines,
    "json": _json,
    "github": _github,
    "markdown": _markdown,
}


def _format(call: Call) -> Callable[[Answer, bool], None]:
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
