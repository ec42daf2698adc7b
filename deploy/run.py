"""Starting a gateway, from the command line to the gateway that answers, and removing it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from buildlib.errors import ActionError, InputError
from buildlib.suggest import did_you_mean, nearest
from deploy import compose, swarm
from deploy.kind import Kind
from deploy.platform import Say
from deploy.reach import EngineReach
from deploy.state import TOKEN, Deployment, State, check_name, variables_of

KINDS: Mapping[str, Kind] = {kind.word: kind for kind in (compose.KIND, swarm.KIND)}
PORT = 8888
_LARGEST = 65535


class Request(NamedTuple):
    """A parsed command line.

    Attributes:
        port: Of the host; 0 if not given.
        may_make: Whether the platform itself may be made if it is missing.
    """

    kind: Kind
    name: str
    port: int
    may_make: bool


def parse_request(words: Sequence[str], name: str, port: str, *, may_make: bool) -> Request:
    """Parse the words and options of `check` and `up`."""
    kind = KINDS[kind_of(words)]
    if port and not (port.isascii() and port.isdigit() and int(port)):
        raise InputError(f"--port {port} is not a number from 1", fix=f"--port {PORT}")
    if int(port or 0) > _LARGEST:
        raise InputError(f"--port {port} is no port", fix=f"--port {PORT}")
    return Request(kind, check_name(name or kind.usual), int(port or 0), may_make)


def kind_of(words: Sequence[str], verb: str = "deploy") -> str:
    """The kind of deployment that the words name; refuses none, several or unknown ones."""
    word = words[0] if len(words) == 1 else ""
    if word in KINDS:
        return word
    what = f"there is no deployment {word}{did_you_mean(word, KINDS)}"
    raise InputError(
        what if word else f"{verb} takes one word: compose, for plain Docker, or swarm",
        fix=f"./doitw {verb} {nearest(word, KINDS) or 'compose'}",
    )


def check(request: Request, reach: EngineReach) -> dict[str, Any]:
    """Refuse what cannot be deployed; returns the target that describes the deployment."""
    request.kind.check(reach, request.name, may_make=request.may_make)
    return {"target": request.kind.target}


def up(request: Request, image: str, reach: EngineReach, state: State, say: Say) -> dict[str, Any]:
    """Start a gateway, or bring it up to date, and wait until it serves.

    Args:
        image: The gateway's image, as the engine has it.
        state: Of the deployments from this workspace.
    """
    kind, name = request.kind, request.name
    before = state.get(name)
    if before is not None and before.kind != kind.word:
        raise InputError(
            f"{name} is a deployment on {before.kind} already",
            fix=f"./doitw undeploy --name {name}  # or another --name",
        )
    nothing = Deployment(kind.word, name, {})
    if before is None and kind.gateway(reach, nothing, state).exists():
        raise InputError(
            f"there is a {name} on this engine that was not started from this workspace",
            fix=f"--name {name}-2  # or remove that one where it was started",
        )
    variables = _variables(request, before, state)
    variables |= kind.prepare(reach, variables, image, say)
    deployment = Deployment(kind.word, name, variables)
    if before is None or not kind.brings_back:  # undeploy must find it, even if it does not start
        state.put(deployment)
    gateway = kind.gateway(reach, deployment, state)
    try:
        gateway.up(say)
    except ActionError as error:
        error.detail = (error.detail or "").replace(variables[TOKEN], "…") or None
        error.fix = error.fix or kind.fix(name, error)
        raise
    state.put(deployment)
    url, token = gateway.url(), os.path.relpath(state.token_path(name))
    _tell(deployment, url, token, reach, say)
    return {"kind": kind.word, "name": name, "url": url, "token_file": token}


def _variables(request: Request, before: Deployment | None, state: State) -> dict[str, str]:
    """Variables of the file: values of the environment, else those of the last time."""
    with open(state.file(request.kind.file), encoding="utf-8") as opened:
        names = [*variables_of(opened.read()), *request.kind.asked]
    variables = dict(before.variables if before else {})
    variables.update({key: os.environ[key] for key in names if key in os.environ})
    variables["EG_NETWORK"] = request.name
    variables[TOKEN] = variables.get(TOKEN) or secrets.token_hex(24)
    return variables | request.kind.settings(request.name, request.port)


def _tell(deployment: Deployment, url: str, token: str, reach: EngineReach, say: Say) -> None:
    kind, name = KINDS[deployment.kind], deployment.name
    where = "" if reach.endpoint.scheme == "unix" else "  (on the engine's host)"
    named = "" if name == kind.usual else f" --name {name}"
    say(f"{name} is up: {url}{where}")
    say(f"  token:    {token}")
    say(f"  notebook: JUPYTER_GATEWAY_AUTH_TOKEN=$(cat {token}) jupyter lab --gateway-url={url}")
    say(f"  remove:   ./doitw undeploy {kind.word}{named}")


def down(
    words: Sequence[str], name: str, reach: Callable[[], EngineReach], state: State, say: Say
) -> dict[str, Any]:
    """Remove a gateway that was started from this workspace, if there is one.

    Args:
        words: Its kind, or empty.
        name: Its name, or empty.
        reach: Called only if there is something to remove.
    """
    kind = kind_of(words, "undeploy") if words else ""
    deployments = [
        each for each in state.all() if kind in ("", each.kind) and name in ("", each.name)
    ]
    if len(deployments) > 1:
        named = ", ".join(f"{each.name} ({each.kind})" for each in deployments)
        raise InputError(
            f"there are several deployments: {named}",
            fix=f"./doitw undeploy --name {deployments[0].name}",
        )
    if not deployments:
        say("nothing is deployed from this workspace" + (f" as {name}" if name else ""))
        return {"name": None, "removed": []}
    [deployment] = deployments
    say(f"removing {deployment.name}")
    removed = KINDS[deployment.kind].gateway(reach(), deployment, state).down(say)
    state.forget(deployment)
    for each in removed:
        say(f"  removed {each}")
    return {"name": deployment.name, "removed": removed}
