"""`deploy`: build what a deployment needs, and have `deploy/` start it.

That program knows what to start and how (docs/deploy.md). It names the targets that describe a
deployment; this verb builds the images that these name, and passes the first by content tag. What
the program asks, this verb has a person answer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from buildlib.build.execution import signals
from buildlib.cli.building import build
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.program import run_program
from buildlib.cli.verb import CONTEXT, JSON, VERBOSITY, Call, Option, Verb
from buildlib.core.model.label import Label, Reference, parse_label
from buildlib.core.model.target import image_name
from buildlib.core.store import names
from buildlib.errors import ActionError, InputError

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace

_HANDED_ON = ("name", "port", "context", "overlay", "release", "render")


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    tell = warn if call.flag("json") else say
    words = [*call.words]
    for name in _HANDED_ON:
        if name in call.options:
            words += [f"--{name}", str(call.options[name])]
    words += ["--init"] if call.flag("init") else []
    # Refuses before anything is built.
    plan = run_program(workspace, "deploy", ["check", *words], tell)
    if plan["asks"] and not sys.stdin.isatty():
        raise InputError(
            f"deploy changes the cluster of context {plan['asks']} only if it is told to",
            fix=f"./{' '.join(call.typed)} --context {plan['asks']}",
        )
    targets = workspace.resolve(plan["targets"])
    images = named_images(workspace, *targets) if plan["images"] else []
    targets += [
        label for label in map(parse_label, plan["also"]) if label not in workspace.left_out
    ]
    roots = targets if call.flag("no-build") else [*targets, *images]
    as_json = call.flag("json")
    code = build(workspace, roots, verbose=call.is_verbose, quiet=as_json, raises=as_json)
    if code:
        return code
    image = ["--image", in_engine(workspace, images)] if images else []
    workspace.save()
    answer: Any = None
    for act in plan["acts"]:
        answer = run_program(workspace, "deploy", [act, *words, *image], tell)
        if act == "show" and plan["asks"]:
            if answer["question"] and not agreed(answer["question"]):
                warn("nothing was changed")
                return 1
            words += ["--context", plan["asks"]]  # another may be the current one by now
    if call.flag("json"):
        print_json(answer)
    return 0


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes, and nothing else."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def named_images(workspace: Workspace, *labels: Label) -> list[Label]:
    """All images that targets name, directly or through other targets; the nearest first."""
    workspace.resolve([str(label) for label in labels])
    graph = workspace.graph
    images: dict[Label, None] = {}
    pending = [*labels]
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
    "start the gateway with its kernels on Docker (compose), Swarm, Kubernetes or YARN (demo)",
    run,
    words="compose|swarm|kubernetes|demo|demo-cluster",
    options=(
        Option("--name", "name of the deployment, of its network or its namespaces", "NAME"),
        Option("--port", "port of the host that the gateway answers on", "N"),
        Option("--no-build", "take the images that are there"),
        Option("--init", "swarm: make one of this engine alone where it is in none"),
        CONTEXT._replace(help="kubernetes: deploy to this cluster, unasked"),
        Option("--overlay", "kubernetes: overlays of ours, or a folder of yours", "NAMES"),
        Option("--release", "kubernetes: the images of a release, by digest", "VERSION"),
        Option("--render", "kubernetes: write YAML there, and ask no cluster", "DIR"),
        VERBOSITY._replace(help="2 shows what the build prints"),
        JSON,
    ),
)
