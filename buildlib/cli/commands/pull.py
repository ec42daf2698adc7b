"""`pull`: pull images at the present keys, or those of a release, from the registry.

It pulls only what this machine lacks, and builds nothing: it reports what the registry lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.build.execution import signals
from buildlib.cli import push_pull
from buildlib.cli.common import answer, warn, with_workspace
from buildlib.cli.verb import JSON, VARIABLES, Call, Verb
from buildlib.core.model.version import check_release
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace


@with_workspace
def run(workspace: Workspace, call: Call) -> None:
    signals.install(workspace.save)
    if "VERSION" in call.variables:
        _pull_release(workspace, call)
    else:
        _pull_present(workspace, call)


def _pull_present(workspace: Workspace, call: Call) -> None:
    """Pull targets at their present keys."""
    from buildlib.build.execution.executor import Executor
    from buildlib.build.sharing import transfers

    registry, store = push_pull.registry_of(workspace, "pull")
    labels = push_pull.shareable_targets(workspace, call)
    stale = push_pull.stale_targets(workspace, labels)
    entries = transfers.find(store, workspace.view, stale)
    adopt = Executor(workspace, say=warn).adopt
    transfers.pull(store, entries, workspace.engine, verb="pull", adopt=adopt)
    absent = [
        label
        for label in stale
        # Small files are not shared, so the registry need not have them.
        if label not in entries and (call.words or push_pull.is_image(workspace, label))
    ]
    up_to_date = [label for label in labels if label not in stale]
    plain = {
        "schema": 1,
        "registry": registry.host,
        "pulled": [push_pull.plain_entry(label, entry) for label, entry in entries.items()],
        "here": list(map(str, up_to_date)),
        "absent": list(map(str, absent)),
    }
    lines = [
        push_pull.line_of(workspace, "pulled", label, entry) for label, entry in entries.items()
    ]
    lines.append(f"{len(entries)} pulled, {len(up_to_date)} are up to date here")
    answer(call, lambda: plain, lines)
    missing = f"{registry.host} does not have, at the present keys"
    push_pull.refuse_missing(workspace, absent, missing, "./doitw build {}")


def _pull_release(workspace: Workspace, call: Call) -> None:
    """Pull the images of a release by digest, and give them its tags."""
    from buildlib.build.sharing.released import images_of, pull

    try:
        version = check_release(call.variables["VERSION"])
    except InputError as error:
        error.fix = error.fix and error.fix.replace("./doitw release", "./doitw pull")
        raise
    if call.words:
        raise InputError(
            f"a release is pulled whole, and {call.words[0]} was given",
            fix=f"./doitw pull VERSION={version}",
        )
    registry, store = push_pull.registry_of(workspace, "pull")
    images = images_of(registry, workspace.settings, version)
    pulled = pull(registry, store, workspace.engine, images, version)
    rows = [{**image._asdict(), "pulled": image in pulled} for image in images]
    plain = {"schema": 1, "registry": registry.host, "version": version, "images": rows}
    lines = [
        f"{'pulled' if image in pulled else 'here  '}  {image.repository}:{image.tags[0]}"
        f"  {image.digest}"
        for image in images
    ]
    lines.append(f"{version}: {len(pulled)} pulled, {len(images) - len(pulled)} were here")
    answer(call, lambda: plain, lines)


VERB = Verb(
    "pull",
    "bring what the registry has: the present images, or a release",
    run,
    words="[TARGET…] [VERSION=2.5.0]",
    options=(JSON,),
    variables=VARIABLES,
)
