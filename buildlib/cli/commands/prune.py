"""`prune`: remove content that nothing needs any more, from the engine or the registry.

Without `--yes` it only shows what it would remove. It writes what it did to `.buildlib/reports`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import answer, say, warn, with_workspace
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.text import size

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.shipping.pruning.policy import Content, Decision, Keep
    from buildlib.shipping.pruning.references import References

KEEP_COMMITS = 10
YOUNG_DAYS = 7
_DAY = 86400.0
_REPORT = "reports/prune.json"


@with_workspace
def run(workspace: Workspace, call: Call) -> int:
    count = call.number("keep-commits", KEEP_COMMITS, least=0)
    days = call.number("younger-than", YOUNG_DAYS, least=0)
    really, in_registry = call.flag("yes"), call.flag("remote")
    if in_registry:
        from buildlib.shipping.pruning import remote

        remote.check(workspace)

    from buildlib.shipping.pruning import policy, references

    now = time.time()
    refs = references.references(workspace, count, warn if call.flag("json") else say)
    rules = [
        *rules_of(refs, days),
        policy.made_since(now - days * _DAY, f"it is younger than {days} days"),
    ]
    contents, always, remove = (_in_registry if in_registry else _in_engine)(workspace, refs)
    decisions = policy.decide(contents, [*always, *rules])
    going = [content for content, reason in decisions if not reason]
    failed = remove(going) if really else {}
    report = {
        "schema": 1,
        "where": "registry" if in_registry else "engine",
        "dry_run": not really,
        **_outcomes(decisions, failed, really=really),
        "not_loaded": [
            {"commit": each.commit.id, "name": each.commit.name, "why": each.why}
            for each in refs.unknown
        ],
    }
    workspace.state.set_lines(_REPORT, json.dumps(report, indent=2).splitlines())
    lines = [*_lines(report, now)]
    if really and in_registry and len(failed) < len(going):
        lines.append(
            "the registry frees the disk in its garbage collection, which is its operator's"
        )
    answer(call, lambda: report, lines)
    return int(bool(failed))


def rules_of(refs: References, days: float) -> list[Keep]:
    """The rules that keep what the working tree and the history need.

    A branch that cannot be loaded keeps all images made since some days before its commit: they may
    have been built from a working tree that was committed later.

    Args:
        days: How many days before that commit.
    """
    from buildlib.shipping.pruning import policy

    rules = [policy.keys(refs.keys)]
    for unknown in refs.unknown:
        commit = unknown.commit
        if not commit.is_release:  # the images of a release have its tag
            why = f"it may be of {commit.name} ({commit.id[:9]}), which cannot be loaded"
            rules.append(policy.made_since(commit.seconds - days * _DAY, why))
    return rules


_Found = tuple[
    Sequence["Content"], Sequence["Keep"], Callable[[Sequence["Content"]], dict["Content", str]]
]
"""Contents, what keeps any of them, and the function that removes some."""


def _in_engine(workspace: Workspace, _refs: References) -> _Found:
    """The engine's content tags."""
    from buildlib.shipping.pruning import local

    engine = workspace.engine
    return *local.look(engine, workspace.settings, workspace.records), partial(local.remove, engine)


def _in_registry(workspace: Workspace, refs: References) -> _Found:
    """The registry's content and records."""
    from buildlib.shipping.pruning import remote

    registry = workspace.registry
    assert registry is not None  # noqa: S101  # `remote.check` refuses that
    found = remote.look(registry, workspace.settings, refs.images)
    return *found, partial(remote.remove, registry)


def _outcomes(
    decisions: Sequence[Decision], failed: dict[Content, str], *, really: bool
) -> dict[str, list[dict[str, Any]]]:
    """What became of each content, for programs."""
    rows: dict[str, list[dict[str, Any]]] = {
        "deleted": [],
        "would_delete": [],
        "failed": [],
        "kept": [],
    }
    for content, reason in decisions:
        row = {name: getattr(content, name) for name in ("name", "key", "digest", "size", "made")}
        if reason:
            rows["kept"].append({**row, "reason": reason})
        elif content in failed:
            rows["failed"].append({**row, "why": failed[content]})
        else:
            rows["deleted" if really else "would_delete"].append(row)
    return rows


def _lines(report: dict[str, Any], now: float) -> Iterator[str]:
    """The report for people."""
    for each in report["not_loaded"]:
        yield f"warning: {each['name']} ({each['commit'][:9]}) cannot be loaded: {each['why']}"
    groups = [("keep   ", "kept"), ("FAILED ", "failed")]
    groups += [("remove ", "would_delete"), ("removed", "deleted")]
    for what, group in groups:
        for row in sorted(report[group], key=lambda row: str(row["name"])):
            age = "?" if row["made"] is None else f"{(now - row['made']) / _DAY:.0f} days"
            why = row.get("reason") or row.get("why", "")
            line = f"{what} {row['name']}  {size(row['size']):>9}  {age:>8}  {why}"
            yield line.rstrip()
    removed = report["deleted"] or report["would_delete"]
    stay = len(report["kept"]) + len(report["failed"])
    what = f"{len(removed)} {'to remove' if report['dry_run'] else 'removed'}, {stay} stay"
    if removed:
        total = sum({row["digest"]: row["size"] for row in removed}.values())
        what += f"; {size(total)} at most, with layers that others share"
    yield what
    if report["would_delete"]:
        yield "nothing was removed; add --yes to do it"


VERB = Verb(
    "prune",
    "remove images that nothing stands for any more (shows them first)",
    run,
    options=(
        Option("--remote", "in the registry instead of the engine"),
        Option(
            "--keep-commits", f"keep what the last N commits need; by default {KEEP_COMMITS}", "N"
        ),
        Option("--younger-than", f"keep what is younger; by default {YOUNG_DAYS} days", "DAYS"),
        Option("--yes", "do it, and not only show it"),
        JSON,
    ),
)
