"""`pull`: pull images at the present keys, or those of a release, from the registry.

It pulls only what this machine lacks, and builds nothing: it reports what the registry lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.build.execution import signals
from buildlib.cli.common import open_workspace, print_json, say, short_name, warn
from buildlib.cli.push_pull import is_image, registry_of, shareable_targets
from buildlib.cli.verb import JSON, VARIABLES, Call, Verb
from buildlib.core.model.label import Label
from buildlib.core.model.version import check_release
from buildlib.core.plan.plan import BUILD, UNKNOWN
from buildlib.errors import ActionError, InputError

if TYPE_CHECKING:
    from buildlib.build.sharing.entry import Entry
    from buildlib.build.workspace import Workspace


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    pull = _release if "VERSION" in call.variables else _current
    code = pull(workspace, call)
    workspace.save()
    return code


# -- the present keys --------------------------------------------------------------------------


def _current(workspace: Workspace, call: Call) -> int:
    from buildlib.build.execution.executor import Executor
    from buildlib.build.sharing import transfers

    registry, store = registry_of(workspace, "pull")
    labels = shareable_targets(workspace, call)
    plan = workspace.plan(labels)
    if any(step.action == UNKNOWN for step in plan.steps):
        workspace.engine.ping()  # raises, and says what is wrong
    stale = [label for label in labels if (step := plan.step(label)) and step.action == BUILD]
    entries = transfers.find(store, workspace.view, stale)
    adopt = Executor(workspace, say=warn).adopt
    transfers.pull(store, entries, workspace.engine, verb="pull", adopt=adopt)
    absent = [
        label
        for label in stale
        # Small files are not shared, so the registry need not have them.
        if label not in entries and (call.words or is_image(workspace, label))
    ]
    up_to_date = [label for label in labels if label not in stale]
    if call.flag("json"):
        print_json(
            {
                "schema": 1,
                "registry": registry.host,
                "pulled": [_plain(label, entry) for label, entry in entries.items()],
                "here": [str(label) for label in up_to_date],
                "absent": [str(label) for label in absent],
            }
        )
    else:
        for label, entry in entries.items():
            name = short_name(workspace, label)
            say(f"pulled  {name}  {entry.size / 1e6:.1f} MB  {entry.digest}")
        say(f"{len(entries)} pulled, {len(up_to_date)} are up to date here")
    if absent:
        shown = [short_name(workspace, label) for label in absent]
        raise ActionError(
            f"{registry.host} does not have, at the present keys: {', '.join(shown)}",
            fix=f"./doitw build {' '.join(shown)}",
        )
    return 0


def _plain(label: Label, entry: Entry) -> dict[str, Any]:
    return {
        "label": str(label),
        "key": entry.key,
        "repository": entry.repository,
        "digest": entry.digest,
        "image_id": entry.image_id,
        "size": entry.size,
    }


# -- a release -----------------------------------------------------------------------------------


def _release(workspace: Workspace, call: Call) -> int:
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
    registry, store = registry_of(workspace, "pull")
    images = images_of(registry, workspace.settings, version)
    pulled = pull(registry, store, workspace.engine, images, version)
    if call.flag("json"):
        rows = [{**image._asdict(), "pulled": image in pulled} for image in images]
        print_json({"schema": 1, "registry": registry.host, "version": version, "images": rows})
        return 0
    for image in images:
        what = "pulled" if image in pulled else "here  "
        say(f"{what}  {image.repository}:{image.tags[0]}  {image.digest}")
    say(f"{version}: {len(pulled)} pulled, {len(images) - len(pulled)} were here")
    return 0


VERB = Verb(
    "pull",
    "bring what the registry has: the present images, or a release",
    run,
    words="[TARGET…] [VERSION=2.5.0]",
    options=(JSON,),
    variables=VARIABLES,
)
