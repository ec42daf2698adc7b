"""`verify`: prove that the built images run kernels, and show the cases in a table.

Proofs are targets: those whose image and code did not change are taken from their records.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from buildlib.commands import plan as plan_verb
from buildlib.commands.build import DEFAULT_VERBOSITY, LOUD, build
from buildlib.commands.call import Call, Verb
from buildlib.commands.common import open_workspace, print_json, say
from buildlib.errors import InputError
from buildlib.graph.graph import VERIFY
from buildlib.model.label import Label, Reference
from buildlib.rules.kernel_check import REPORT
from buildlib.store.state import report_path
from buildlib.text import duration
from buildlib.workspace import Workspace


def run(call: Call) -> int:
    """See the module."""
    workspace = open_workspace(call)
    checks = _checks(workspace, workspace.resolve(call.words, folder=call.folder, verb=VERIFY))
    if call.flag("dry-run"):
        for line in plan_verb.lines(workspace, workspace.plan(checks, force=call.flag("always"))):
            say(line)
        return 0
    quiet = call.flag("json")
    for label in checks:  # what a failed run left says nothing of this one
        with suppress(FileNotFoundError):
            os.unlink(report_path(workspace.state, label))
    code = build(
        workspace,
        checks,
        jobs=call.number("jobs", 1),  # proofs measure times: one at a time, unless asked
        verbose=call.number("verbosity", DEFAULT_VERBOSITY, least=0) >= LOUD,
        force=call.flag("always"),
        quiet=quiet,
    )
    reports = {label: _report(workspace, label) for label in checks}
    if quiet:
        print_json({str(label): report for label, report in reports.items()})
    else:
        for line in _table(reports):
            say(line)
    return code


def _checks(workspace: Workspace, labels: list[Label]) -> list[Label]:
    """The proofs among some targets, and those of the images among them."""
    graph = workspace.graph
    found: dict[Label, None] = {}
    for label in labels:
        if graph[label].rule.verb == VERIFY:
            found[label] = None
            continue
        mine = [
            check
            for check in graph.of_verb(VERIFY)
            if not graph[check].manual
            and any(d.role == "image" and d.ref.label == label for d in graph[check].deps)
        ]
        if not mine:
            raise InputError(
                f"nothing proves {label}",
                where=graph[label].where,
                fix=f'kernel_check(name="verify", image=":{label.name}")',
            )
        found.update(dict.fromkeys(mine))
    return list(found)


def _report(workspace: Workspace, label: Label) -> Any:
    """The report of a proof: the one that is kept, or that of this run where a case failed."""
    record = workspace.records.get(workspace.keys.key(Reference(label)))
    path = report_path(workspace.state, label)
    if record is not None and not os.path.exists(path):
        path = workspace.store.path(record.files[REPORT].sha256)
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _table(reports: dict[Label, Any]) -> list[str]:
    """A line for each case of each proof."""
    lines: list[str] = []
    for label, report in reports.items():
        if report is None:
            lines.append(f"{label}: not proved")
            continue
        cases = report["cases"]
        width = max(len(case["name"]) for case in cases)
        total = duration(sum(case["seconds"] for case in cases))
        lines.append(f"{label}: {len(cases)} cases in {total}")
        for case in cases:
            verdict = "ok" if case["ok"] else "FAILED"
            lines.append(f"  {case['name'].ljust(width)}  {verdict:6}  {case['seconds']:6.2f} s")
    return lines


VERB = Verb(
    "verify",
    "prove that built images run kernels",
    "[TARGET…]",
    ("--jobs", "--verbosity", "--always", "--dry-run", "--json"),
    run,
)
