"""`fetch`: fill the content store ahead of time, so that builds need no network."""

from __future__ import annotations

from typing import Any

from buildlib.build.execution import signals
from buildlib.build.execution.session import downloads_of
from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, say, warn, with_workspace
from buildlib.cli.verb import JSON, OFFLINE, Call, Option, Verb


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    signals.install(workspace.save)
    labels = workspace.resolve(call.words, folder=call.folder, verb="build")
    entries = downloads_of(workspace, workspace.graph.closure(labels))
    files = list({entry.sha256: entry for entry in entries}.values())
    missing = workspace.missing(files)
    workspace.fetch(files, warn if call.flag("json") else say)
    size = sum(entry.size or 0 for entry in files)
    told = f"{len(files)} files, {size / 1e6:.1f} MB, are in the store"
    lines = [f"{told}; {len(missing)} were fetched"]
    folder = call.options.get("to")
    if folder:
        from buildlib.outside.fetch.air_gap import export_to

        export_to(workspace.store, files, str(folder))
        lines.append(f"they are in {folder}, too: carry it, and set BUILDLIB_STORE to it there")

    def plain() -> dict[str, Any]:
        fetched = {entry.sha256 for entry in missing}
        rows = [
            {
                "name": entry.filename,
                "sha256": entry.sha256,
                "size": entry.size,
                "fetched": entry.sha256 in fetched,
            }
            for entry in files
        ]
        return {"schema": 1, "files": rows, "folder": folder}

    answer(call, plain, lines)


VERB = Verb(
    "fetch",
    "fetch ahead all that builds will read",
    run,
    words="[TARGET…]",
    options=(
        OFFLINE._replace(help="ask no network: list what is missing, and fail if anything is"),
        Option("--to", "also lay the files into a folder to carry elsewhere", "FOLDER"),
        JSON,
    ),
)
