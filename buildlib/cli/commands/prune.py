"""`prune`: remove content that nothing needs any more, from the engine or the registry.

Without `--yes` it only shows what it would remove. It writes what it did to `.buildlib/reports`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.cli.common import open_workspace, say, warn
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.text import size

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.shipping.pruning.policy import Content, Decision, Keep
    from buildlib.shipping.pruning.references import BrokenCommit, References

KEEP_COMMITS = 10
YOUNG_DAYS = 7
_DAY = 86400.0
_REPORT = "reports/prune.json"


def run(call: Call) -> int:
    count = call.number("keep-commits", KEEP_COMMITS, least=0)
    days = call.number("younger-than", YOUNG_DAYS, least=0)
    as_json, really = call.flag("json"), call.flag("yes")
    workspace = open_workspace(call)
    tell = warn if as_json else say
    if call.flag("remote"):
        from buildlib.shipping.pruning import remote

        remote.check(workspace)

    from buildlib.shipping.pruning import policy, references

    now = time.time()
    refs = references.references(workspace, count, tell)
    rules = [
        *rules_of(refs, days),
        policy.made_since(now - days * _DAY, f"it is younger than {days} days"),
    ]
    decisions, remove = (_remote if call.flag("remote") else _local)(workspace, refs, rules)
    going = [content for content, reason in decisions if not reason]
    failed = remove(going) if really else {}
    report = as_plain(decisions, failed, refs.unknown, really=really, remote=call.flag("remote"))
    _write(workspace, report)
    if as_json:
        say(json.dumps(report, indent=2))
    else:
        for line in lines(decisions, failed, refs.unknown, now, really=really):
            say(line)
        if really and call.flag("remote") and len(failed) < len(going):
            say("the registry frees the disk in its garbage collection, which is its operator's")
    workspace.save()
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


_Decided = tuple[Sequence["Decision"], Callable[[Sequence["Content"]], dict["Content", str]]]


def _local(workspace: Workspace, refs: References, rules: Sequence[Keep]) -> _Decided:
    """Decisions about the engine's content tags, and the function that removes them."""
    from buildlib.shipping.pruning import local, policy

    del refs
    engine = workspace.engine
    contents, always = local.look(engine, workspace.settings, workspace.records)
    decisions = policy.decide(contents, [*always, *rules])
    return decisions, lambda going: local.remove(engine, going)


def _remote(workspace: Workspace, refs: References, rules: Sequence[Keep]) -> _Decided:
    """Decisions about the registry's content and records, and the function that removes them."""
    from buildlib.shipping.pruning import policy, remote

    registry = workspace.registry
    assert registry is not None  # noqa: S101  # `remote.check` refuses that
    contents, always = remote.look(registry, workspace.settings, refs.images)
    decisions = policy.decide(contents, [*always, *rules])
    return decisions, lambda going: remote.remove(registry, going)


def as_plain(
    decisions: Iterable[Decision],
    failed: dict[Content, str],
    unknown: Iterable[BrokenCommit],
    *,
    really: bool,
    remote: bool,
) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "schema": 1,
        "where": "registry" if remote else "engine",
        "dry_run": not really,
        "deleted": [],
        "would_delete": [],
        "failed": [],
        "kept": [],
        "not_loaded": [
            {"commit": each.commit.id, "name": each.commit.name, "why": each.why}
            for each in unknown
        ],
    }
    for content, reason in decisions:
        row = {
            "name": content.name,
            "key": content.key,
            "digest": content.digest,
            "size": content.size,
            "made": content.made,
        }
        if reason:
            plain["kept"].append({**row, "reason": reason})
        elif content in failed:
            plain["failed"].append({**row, "why": failed[content]})
        else:
            plain["deleted" if really else "would_delete"].append(row)
    return plain


def lines(
    decisions: Sequence[Decision],
    failed: dict[Content, str],
    unknown: Iterable[BrokenCommit],
    now: float,
    *,
    really: bool,
) -> list[str]:
    output = [
        f"warning: {each.commit.name} ({each.commit.id[:9]}) cannot be loaded: {each.why}"
        for each in unknown
    ]
    removed = [content for content, reason in decisions if not reason and content not in failed]
    for content, reason in sorted(decisions, key=lambda each: (not each[1], each[0].name)):
        if reason:
            output.append(f"keep    {_row(content, now)}  {reason}")
        elif content in failed:
            output.append(f"FAILED  {_row(content, now)}  {failed[content]}")
        else:
            output.append(f"{'removed' if really else 'remove '} {_row(content, now)}")
    total = sum({each.digest: each.size for each in removed}.values())
    kept = len(decisions) - len(removed)
    what = f"{len(removed)} {'removed' if really else 'to remove'}, {kept} stay"
    if removed:
        what += f"; {size(total)} at most, with layers that others share"
    output.append(what)
    if removed and not really:
        output.append("nothing was removed; add --yes to do it")
    return output


def _row(content: Content, now: float) -> str:
    age = f"{(now - content.made) / _DAY:.0f} days" if content.made is not None else "?"
    return f"{content.name}  {size(content.size):>9}  {age:>8}"


def _write(workspace: Workspace, report: dict[str, Any]) -> None:
    path = workspace.state.path(_REPORT)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
    os.replace(f"{path}.{os.getpid()}", path)


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
