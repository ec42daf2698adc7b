"""`deploy`: start the gateway with its kernels on this engine, or bring it up to date.

Builds the images that the deployment names, and starts what the rendered file says. What was
started is remembered, so that `undeploy` removes just that; the gateway's token is written to a
file, and never shown.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from buildlib.cli.building import build, is_loud
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import JSON, VERBOSITY, Call, Option, Verb
from buildlib.deployment import kept
from buildlib.errors import ActionError, InputError
from buildlib.execution import signals
from buildlib.model.label import Label, Reference
from buildlib.model.target import image_name
from buildlib.store import names
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.deployment.client import Docker
    from buildlib.workspace import Workspace

PORT = 8888
_LARGEST = 65535
_TARGETS = {kept.COMPOSE: "compose", kept.SWARM: "stack"}


def run(call: Call) -> int:
    """See the module."""
    kind = kind_of(call)
    default = kept.NAMES[kind]
    name = kept.check_name(str(call.options.get("name", default)))
    port = call.number("port", 0) if "port" in call.options else 0
    if port > _LARGEST:
        raise InputError(f"--port {port} is no port", fix=f"--port {PORT}")
    if call.flag("init") and kind != kept.SWARM:
        raise InputError("--init makes a swarm", fix="./doitw deploy swarm --init")
    workspace = open_workspace(call)
    signals.install(workspace.save)
    tell = warn if call.flag("json") else say
    label = Label(kept.FOLDER, _TARGETS[kind])
    gateway, images = named_images(workspace, label)

    from buildlib.deployment import compose, swarm
    from buildlib.deployment.client import Docker

    docker = Docker()
    if kind == kept.SWARM:  # what is missing is told before anything is built
        swarm.check(docker, may_make=call.flag("init"))
    roots = [label] if call.flag("no-build") else [label, *images]
    code = build(workspace, roots, verbose=is_loud(call), quiet=call.flag("json"))
    if code:
        return code
    keep = kept.Kept(workspace.root)
    before = keep.get(name)
    if before is None or before.kind != kind:
        platform = compose if kind == kept.COMPOSE else swarm
        _refuse_taken(name, before, taken=platform.exists(docker, name))
    image = _image(workspace, gateway, images)
    file = f"{workspace.root}/{kept.FOLDER}/{kept.FILES[kind]}"
    variables = _variables(file, before, name, port, kind)
    given = os.environ.get("DOCKER_SOCKET") or variables.get(kept.GIVEN_SOCKET, "")
    socket, group = docker.socket(workspace.engine, image, given)
    variables |= {kept.GIVEN_SOCKET: given, "DOCKER_SOCKET": socket, "DOCKER_GID": group}
    variables["EG_IMAGE"] = image  # by content: another workspace may move the tag people use
    deployment = kept.Deployment(kind, name, variables)
    if kind == kept.COMPOSE:
        if before is None:  # undeploy finds what does not start
            keep.put(deployment)
        compose.up(docker, deployment, file, keep.path(name), tell)
        keep.put(deployment)  # not sooner: until now the former one runs, with its own settings
    else:
        made = swarm.join(docker, tell)
        variables[kept.MADE_SWARM] = made or variables.get(kept.MADE_SWARM, "")
        if swarm.nodes(docker) > 1:  # the others know it by its name in the registry
            variables["EG_IMAGE"] = ""
        keep.put(deployment)
        swarm.up(docker, deployment, file, tell)
    workspace.save()
    _tell(workspace, docker, keep, deployment, tell, as_json=call.flag("json"))
    return 0


def kind_of(call: Call) -> str:
    """The kind of deployment that was asked for.

    Raises:
        InputError: None or several were, or one that there is not.
    """
    word = call.words[0] if len(call.words) == 1 else ""
    if word in kept.NAMES:
        return word
    what = f"there is no deployment {word}{did_you_mean(word, kept.NAMES)}"
    raise InputError(
        what if word else "deploy takes one word: compose, for plain Docker, or swarm",
        fix=f"./doitw deploy {nearest(word, kept.NAMES) or kept.COMPOSE}",
    )


def named_images(workspace: Workspace, label: Label) -> tuple[Label, list[Label]]:
    """The gateway's image and all images that a deployment names, through kernelspecs too.

    Raises:
        InputError: The workspace declares no such deployment.
    """
    workspace.resolve([str(label)])
    graph = workspace.graph
    found: dict[Label, None] = {}
    pending = [label]
    while pending:
        for dep in graph[pending.pop(0)].deps:
            if dep.by_name and graph[dep.ref.label].rule.is_image:
                found[dep.ref.label] = None
            elif dep.by_name:
                pending.append(dep.ref.label)
    images = list(found)
    return images[0], images


def _refuse_taken(name: str, before: kept.Deployment | None, *, taken: bool) -> None:
    """Refuse a name under which there is something that we did not start.

    Raises:
        InputError: There is.
    """
    if before is not None:
        raise InputError(
            f"{name} is a deployment on {before.kind} already",
            fix=f"./doitw undeploy --name {name}  # or another --name",
        )
    if taken:
        raise InputError(
            f"there is a {name} on this engine that was not started from this workspace",
            fix=f"--name {name}-2  # or remove that one where it was started",
        )


def _image(workspace: Workspace, gateway: Label, images: list[Label]) -> str:
    """The gateway's image as the engine has it; all others have to be there, too.

    Raises:
        ActionError: One is not.
    """
    tags = {}
    for label in images:
        key = workspace.keys.key(Reference(label))
        name = image_name(workspace.graph[label])
        content = names.content_tag(workspace.settings, name, key)
        tags[label] = (content, names.channel_tag(workspace.settings, name, workspace.channel))
    there = workspace.engine.inspect([tag for both in tags.values() for tag in both])
    for label, (_, channel) in tags.items():
        if there[channel] is None:
            fix = f"./doitw build {label}"
            if workspace.channel != names.DEV:  # no build puts the tags of a release
                fix = f"docker pull {channel}  # or ./doitw release VERSION={workspace.channel}"
            raise ActionError(f"{channel} is not in the engine", fix=fix)
    content, channel = tags[gateway]
    return content if there[content] is not None else channel


def _variables(
    file: str, before: kept.Deployment | None, name: str, port: int, kind: str
) -> dict[str, str]:
    """What the file is read with: the environment's values, else those of the last time."""
    with open(file, encoding="utf-8") as opened:
        asked = kept.variables_of(opened.read())
    last = before.variables if before else {}
    found = dict(last)
    asked += ["COMPOSE_PROFILES"] if kind == kept.COMPOSE else []
    found.update({key: os.environ[key] for key in asked if key in os.environ})
    found["EG_NETWORK"] = name
    found[kept.TOKEN] = found.get(kept.TOKEN) or secrets.token_hex(24)
    if kind == kept.COMPOSE:
        found["COMPOSE_PROJECT_NAME"] = name
        if port:
            found["EG_PUBLISH"] = f"127.0.0.1:{port}"
    elif port:
        found["EG_PORT"] = str(port)
    return found


def url_of(deployment: kept.Deployment) -> str:
    """Where a deployment's gateway is reached from the engine's host."""
    if deployment.kind == kept.SWARM:
        return f"http://127.0.0.1:{deployment.variables.get('EG_PORT') or PORT}"
    address = deployment.variables.get("EG_PUBLISH") or f"127.0.0.1:{PORT}"
    host, _, port = address.rpartition(":")
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0') else host}:{port}"  # noqa: S104


def _tell(
    workspace: Workspace,
    docker: Docker,
    keep: kept.Kept,
    deployment: kept.Deployment,
    tell: Callable[[str], None],
    *,
    as_json: bool,
) -> None:
    url = url_of(deployment)
    token = os.path.relpath(keep.token_path(deployment.name), workspace.root)
    if as_json:
        answer = {"kind": deployment.kind, "name": deployment.name, "url": url}
        print_json({**answer, "token_file": token})
        return
    where = "" if docker.endpoint.scheme == "unix" else "  (on the engine's host)"
    named = "" if deployment.name in kept.NAMES.values() else f" --name {deployment.name}"
    tell(f"{deployment.name} is up: {url}{where}")
    tell(f"  token:    {token}")
    tell(f"  notebook: JUPYTER_GATEWAY_AUTH_TOKEN=$(cat {token}) jupyter lab --gateway-url={url}")
    tell(f"  remove:   ./doitw undeploy {deployment.kind}{named}")


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
