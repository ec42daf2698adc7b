"""`deploy`: build what a deployment needs, and have `deploy/` start it.

That program knows what to start and how (docs/deploy.md). It names the target that describes a
deployment; this verb builds the images that the target names, and passes the first by content tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildlib.build.execution import signals
from buildlib.cli.building import build
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.program import run_program
from buildlib.cli.verb import JSON, VERBOSITY, Call, Option, Verb
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    tell = warn if call.flag("json") else say
    words = [*call.words]
    for name in ("name", "port"):
        if name in call.options:
            words += [f"--{name}", str(call.options[name])]
    words += ["--init"] if call.flag("init") else []
    # Refuses before anything is built.
    target = parse_label(run_program(workspace, "deploy", ["check", *words], tell)["target"])
    images = named_images(workspace, target)
    roots = [target] if call.flag("no-build") else [target, *images]
    as_json = call.flag("json")
    code = build(workspace, roots, verbose=call.is_verbose, quiet=as_json, raises=as_json)
    if code:
        return code
    image = in_engine(workspace, images)
    workspace.save()
    answer = run_program(workspace, "deploy", ["up", *words, "--image", image], tell)
    if call.flag("json"):
        print_json(answer)
    return 0


def named_images(workspace: Workspace, label: Label) -> list[Label]:
    """All images that a target names, directly or through other targets; the nearest first."""
    workspace.resolve([str(label)])
    graph = workspace.graph
    images: dict[Label, None] = {}
    pending = [label]
    while pending:
        for dep in graph[pending.pop(0)].deps:
            if dep.by_name and graph[dep.ref.label].rule.is_image:
                images[dep.ref.label] = None
            elif dep.by_name:
                pending.append(dep.ref.label)
    return list(images)


def in_engine(workspace: Workspace, images: list[Label]) -> str:
    """The tag of the first image in the engine; refuses if the engine lacks any of them."""
    tags = {}
    for label in images:
        key = workspace.keys.key(Reference(label))
        name = image_name(workspace.graph[label])
        content = names.content_tag(workspace.settings, name, key)
        tags[label] = (content, names.channel_tag(workspace.settings, name, workspace.channel))
    infos = workspace.engine.inspect([tag for both in tags.values() for tag in both])
    for label, (_, channel) in tags.items():
        if infos[channel] is None:
            fix = f"./doitw build {label}"
            if workspace.channel != names.DEV:  # no build puts the tags of a release
                fix = f"docker pull {channel}  # or ./doitw release VERSION={workspace.channel}"
            raise ActionError(f"{channel} is not in the engine", fix=fix)
    content, channel = tags[images[0]]
    return content if infos[content] is not None else channel


VERB = Verb(
    "deploy",
    "start the gateway with its kernels on Docker (compose) or Docker Swarm",
    run,
    words="compose|swarm",
    options=(
        Option("--name", "name of the deployment and of its network", "NAME"),
        Option("--port", "port of the host that the gateway answers on", "N"),
        Option("--no-build", "take the images that are there"),
        Option("--init", "make a swarm of this engine alone where it is in none"),
        VERBOSITY._replace(help="2 shows what the build prints"),
        JSON,
    ),
)
