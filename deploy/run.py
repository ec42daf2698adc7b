"""Starting a gateway, from the command line to the gateway that answers, and removing it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildlib.errors import ActionError, InputError
from buildlib.suggest import did_you_mean, nearest
from deploy import compose, demo, kubernetes_kind, swarm
from deploy.kind import Kind, Request
from deploy.platform import Platform, Say
from deploy.reach import EngineReach
from deploy.state import TOKEN, Deployment, State, check_name, variables_of

KINDS: Mapping[str, Kind] = {
    kind.word: kind
    for kind in (compose.KIND, swarm.KIND, kubernetes_kind.KIND, demo.KIND, demo.CLUSTER)
}
PORT = 8888
_LARGEST = 65535
_WORDS = "compose, for plain Docker, swarm, kubernetes, demo or demo-cluster"
_EXAMPLES = {
    "init": "",
    "context": " NAME",
    "overlay": " puller",
    "release": " 2.5.0",
    "render": " out",
}


def parse_request(
    words: Sequence[str], name: str, port: str, options: Mapping[str, str]
) -> tuple[Kind, Request]:
    """Parse the words and options of `check` and what follows.

    Args:
        options: Those that were given: empty texts for flags.
    """
    kind = KINDS[kind_of(words)]
    if port and not (port.isascii() and port.isdigit() and int(port)):
        raise InputError(f"--port {port} is not a number from 1", fix=f"--port {PORT}")
    if int(port or 0) > _LARGEST:
        raise InputError(f"--port {port} is no port", fix=f"--port {PORT}")
    for option in options:
        if option not in kind.takes:
            word = next(each.word for each in KINDS.values() if option in each.takes)
            raise InputError(
                f"--{option} is for {word}, not for {kind.word}",
                fix=f"./doitw deploy {word} --{option}{_EXAMPLES[option]}",
            )
    return kind, Request(check_name(name or kind.usual), int(port or 0), options)


def kind_of(words: Sequence[str], verb: str = "deploy") -> str:
    """The kind of deployment that the words name; refuses none, several or unknown ones."""
    word = words[0] if len(words) == 1 else ""
    if word in KINDS:
        return word
    what = f"there is no deployment {word}{did_you_mean(word, KINDS)}"
    raise InputError(
        what if word else f"{verb} takes one word: {_WORDS}",
        fix=f"./doitw {verb} {nearest(word, KINDS) or 'compose'}",
    )


def check(kind: Kind, request: Request, reach: EngineReach, state: State) -> dict[str, Any]:
    """Refuse what cannot be deployed; returns what has to be done (`Kind.check`)."""
    return kind.check(reach, request, state.get(request.name, kind.word), state)


def show(
    kind: Kind, request: Request, image: str, reach: EngineReach, state: State, say: Say
) -> dict[str, Any]:
    """Tell what `up` would change, and what a person has to agree to."""
    deployment, gateway, _ = _wanted(kind, request, image, reach, state, say)
    return {"question": kind.show(gateway, deployment, say)}


def render(kind: Kind, request: Request, state: State, say: Say) -> dict[str, Any]:
    """Write what would be started, for others to apply."""
    variables = _variables(kind, request, None, state)
    deployment = Deployment(kind.word, request.name, variables)
    return {"files": kind.render(deployment, request.options["render"], state, say)}


def up(
    kind: Kind, request: Request, image: str, reach: EngineReach, state: State, say: Say
) -> dict[str, Any]:
    """Start a gateway, or bring it up to date, and wait until it serves.

    Args:
        image: The gateway's image, as the engine has it.
        state: Of the deployments from this workspace.
    """
    name = request.name
    deployment, gateway, before = _wanted(kind, request, image, reach, state, say)
    if before is None or not kind.brings_back:  # undeploy must find it, even if it does not start
        state.put(deployment)
    try:
        gateway.up(say)
    except ActionError as error:
        token = deployment.variables[TOKEN]
        error.detail = (error.detail or "").replace(token, "…") or None
        error.fix = error.fix or kind.fix(name, error)
        raise
    state.put(deployment)
    token = os.path.relpath(state.token_path(name, kind.word))
    url, first = kind.way(deployment, gateway.url(), request.port or PORT)
    _tell(deployment, url, first, token, reach, say)
    return {"kind": kind.word, "name": name, "url": url, "token_file": token}


def _wanted(
    kind: Kind, request: Request, image: str, reach: EngineReach, state: State, say: Say
) -> tuple[Deployment, Platform, Deployment | None]:
    """What is to be deployed, its gateway, and what was deployed under the name before."""
    name = request.name
    before = state.get(name, kind.word)
    if before is not None and before.kind != kind.word:
        raise InputError(
            f"{name} is a deployment on {before.kind} already",
            fix=f"./doitw undeploy --name {name}  # or another --name",
        )
    variables = _variables(kind, request, before, state)
    new = Deployment(kind.word, name, variables)
    if before is None and kind.gateway(reach, new, state).exists():
        raise InputError(
            f"there is a {name} on this {kind.place} that was not started from this workspace",
            fix=f"--name {name}-2  # or remove that one where it was started",
        )
    variables |= kind.prepare(reach, variables, image, say)
    return new, kind.gateway(reach, new, state), before


def _variables(
    kind: Kind, request: Request, before: Deployment | None, state: State
) -> dict[str, str]:
    """Variables of the file: values of the environment, else those of the last time."""
    with open(state.file(kind.file), encoding="utf-8") as opened:
        names = [*variables_of(opened.read()), *kind.asked]
    variables = dict(before.variables if before else {})
    variables.update({key: os.environ[key] for key in names if key in os.environ})
    variables[TOKEN] = os.environ.get(TOKEN) or variables.get(TOKEN) or secrets.token_hex(24)
    return variables | kind.settings(request, variables)


def _tell(
    deployment: Deployment,
    url: str,
    first: Sequence[str],
    token: str,
    reach: EngineReach,
    say: Say,
) -> None:
    kind, name = KINDS[deployment.kind], deployment.name
    remote = kind.place == "engine" and reach.endpoint.scheme != "unix"
    where = "  (on the engine's host)" if remote else ""
    named = "" if name == kind.usual else f" --name {name}"
    say(f"{name} is up: {url}{where}")
    for line in first:
        say(line)
    say(f"  token:    {token}")
    given = f"{kind.client}JUPYTER_GATEWAY_AUTH_TOKEN=$(cat {token})"
    say(f"  notebook: {given} jupyter lab --gateway-url={url}")
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
        first = deployments[0]
        raise InputError(
            f"there are several deployments: {named}",
            fix=f"./doitw undeploy {first.kind} --name {first.name}",
        )
    if not deployments:
        say("nothing is deployed from this workspace" + (f" as {name}" if name else ""))
        return {"name": None, "removed": []}
    [deployment] = deployments
    kind_of_it = KINDS[deployment.kind]
    say(f"removing {deployment.name}{kind_of_it.where(deployment)}")
    removed = kind_of_it.gateway(reach(), deployment, state).down(say)
    state.forget(deployment)
    for each in removed:
        say(f"  removed {each}")
    return {"name": deployment.name, "removed": removed}
