"""`verify`: prove that the built images run kernels, and print one table of the measurements.

Proofs are targets: those whose image and code did not change are taken from their records. Reports
name the columns of the table (docs/verify.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from buildlib.build.execution.session import Session
from buildlib.build.workspace import Workspace
from buildlib.cli import plans
from buildlib.cli.building import build, default_jobs
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import ALWAYS, CONTEXT, DRY_RUN, JOBS, JSON, VERBOSITY, Call, Verb
from buildlib.core.graph.graph import VERIFY
from buildlib.core.model.label import Label, Reference
from buildlib.core.rules.kernel_check import CLUSTER, REPORT
from buildlib.core.rules.kernel_check import CONTEXT as VARIABLE
from buildlib.core.store.state import report_path
from buildlib.errors import InputError

_JOBS = 2
"""Proofs at a time."""


def run(call: Call) -> int:
    workspace = open_workspace(call)
    checks = _checks(workspace, workspace.resolve(call.words, folder=call.folder, verb=VERIFY))
    _take_context(workspace, checks, call)
    if call.flag("dry-run"):
        plan = workspace.plan(checks, force=call.flag("always"), drafts=True)
        for line in plans.lines(workspace, plan, call):
            say(line)
        return 0
    quiet = call.flag("json")
    for label in checks:  # a report of an earlier, failed run must not count for this one
        with suppress(FileNotFoundError):
            os.unlink(report_path(workspace.state, label))
    verbose = call.is_verbose
    session = Session(workspace, say=warn if quiet else say, force=call.flag("always"))
    plan = session.plan_and_pull(
        checks
    )  # proofs of the registry count; what is proved needs no image
    stale = [label for label in checks if plan.step(label)]
    images = [dep.ref.label for label in stale for dep in workspace.graph[label].deps]
    if workspace.plan(images).steps:  # several at a time, before proofs need the machine
        code = build(workspace, images, verbose=verbose, quiet=quiet, raises=quiet)
        if code:
            return code
    code = build(
        workspace,
        checks,
        # What measures takes turns (verify/turns.py); more than two would only wait for each other.
        jobs=call.number("jobs", min(_JOBS, default_jobs())),
        verbose=verbose,
        force=call.flag("always"),
        quiet=quiet,
        keep_going=True,
    )
    reports = {label: _report(workspace, label) for label in checks}
    if quiet:
        print_json({str(label): report for label, report in reports.items()})
        return code
    names = workspace.graph.task_names
    named = {names[label]: report for label, report in reports.items()}
    for line in [*(details(named) if verbose else []), *table(named)]:
        say(line)
    return code


def _take_context(workspace: Workspace, checks: Iterable[Label], call: Call) -> None:
    """Hand on which cluster proofs may use: they make and remove namespaces, and never unasked."""
    context = str(call.options.get("context") or os.environ.get(VARIABLE, ""))
    on_cluster = [each for each in checks if CLUSTER in workspace.graph[each].attrs["arguments"]]
    if call.options.get("context") and not on_cluster:
        raise InputError(
            "--context names a cluster, and none of these proofs is made on one",
            fix=f"./doitw verify:kubernetes --context {context}",
        )
    if on_cluster and not context and not call.flag("dry-run"):
        raise InputError(
            f"{on_cluster[0]} makes and removes namespaces, and only on a cluster that it is told",
            fix=f"./{' '.join(call.typed)} --context NAME  # kubectl config get-contexts",
        )
    if on_cluster:
        os.environ[VARIABLE] = context


def _checks(workspace: Workspace, labels: list[Label]) -> list[Label]:
    """The proofs among some targets, and the proofs of the other targets."""
    graph = workspace.graph
    checks: dict[Label, None] = {}
    for label in labels:
        if graph[label].rule.verb == VERIFY:
            checks[label] = None
            continue
        own_checks = graph.checks.get(label)
        if not graph[label].rule.is_image:
            raise InputError(
                f"{label} is no image, but a {graph[label].rule.kind}, and images alone are proved",
                where=graph[label].where,
                fix="./doitw verify",
            )
        if not own_checks:
            workspace.view.refuse_broken()  # its proof may stand in any package
            raise InputError(
                f"nothing proves {label}",
                where=graph[label].where,
                fix=f'kernel_check(name="verify", image=":{label.name}")  # of buildlib.rules',
            )
        checks.update(dict.fromkeys(own_checks))
    return list(checks)


def _report(workspace: Workspace, label: Label) -> Any:
    """The report of a proof: the recorded one, or that of this run if a case failed."""
    record = workspace.records.get(workspace.keys.key(Reference(label)))
    path = report_path(workspace.state, label)
    if record is not None and not os.path.exists(path):
        output = record.files.get(REPORT)
        if output is None or not workspace.store.check(
            output.sha256, output.size, what=f"the report of {label}"
        ):
            return None
        path = workspace.store.path(output.sha256)
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def details(reports: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, report in reports.items():
        cases = report["cases"] if report else []
        width = max((len(case["name"]) for case in cases), default=0)
        for case in cases:
            well = "slow" if case.get("slow") else "ok"
            verdict = well if case["ok"] else "FAILED" if case["tried"] else "not tried"
            line = f"{name}  {case['name'].ljust(width)}  {verdict:9}  {case['seconds']:6.2f} s"
            lines.append(f"{line}  {case['message']}".rstrip())
            lines += [f"{name}    slow: {slow['what']}" for slow in case.get("slow", ())]
    return lines


def table(reports: Mapping[str, Any]) -> list[str]:
    """The measurements: a row for each row of each report.

    Args:
        reports: Name of a proof -> its report, or None.
    """
    rows: list[tuple[str, Mapping[str, float], str]] = []
    known_columns: dict[str, None] = {}
    for name, report in reports.items():
        if report is None:
            rows.append((name, {}, "not proved"))
            continue
        known_columns.update(dict.fromkeys(report["columns"]))
        for row in report["rows"]:
            failed = f"{row['failed']} of {row['cases']} FAILED"
            slow = f", {row['slow']} of them slow" if row.get("slow") else ""
            verdict = failed if row["failed"] else f"{row['cases']} well{slow}"
            title = f"{name} {row['name']}".rstrip()
            rows.append((title, {**row["times"], "all": row["seconds"]}, verdict))
    measured = {column for _, times, _ in rows for column in times}
    columns = [column for column in (*known_columns, "all") if column in measured]
    width = max(len(title) for title, *_ in [("seconds",), *rows])

    def line(title: str, cells: Iterable[str], verdict: str) -> str:
        fields = zip(columns, cells, strict=True)
        row = "".join(f"{cell:>{max(7, len(column) + 2)}}" for column, cell in fields)
        return f"{title.ljust(width)}{row}  {verdict}"

    body = [
        line(title, [_seconds(times.get(column)) for column in columns], verdict)
        for title, times, verdict in rows
    ]
    return [line("seconds", columns, "cases"), *body]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 1 else f"{value:.1f}"


VERB = Verb(
    "verify",
    "prove that built images run kernels",
    run,
    words="[TARGET…]",
    options=(
        JOBS._replace(help="run N proofs at a time; by default 2, and what is measured runs alone"),
        VERBOSITY._replace(help="2 shows each case as it ends, and all of them before the table"),
        ALWAYS._replace(help="prove again what is proved"),
        DRY_RUN._replace(help="show what would be proved"),
        CONTEXT._replace(help="verify:kubernetes: the cluster that it may use"),
        JSON._replace(help="print the reports"),
    ),
)
