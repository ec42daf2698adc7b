"""A deployment, from the words to the gateway that answers, and its end."""

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
from deploy.reach import Engine
from deploy.state import TOKEN, Deployment, State, check_name, variables_of

KINDS: Mapping[str, Kind] = {kind.word: kind for kind in (compose.KIND, swarm.KIND)}
PORT = 8888
_LARGEST = 65535


class Wanted(NamedTuple):
    """What was asked for.

    Attributes:
        port: Of the host; 0 where none was given.
        may_make: Whether the platform itself may be made where it is missing.
    """

    kind: Kind
    name: str
    port: int
    may_make: bool


def wanted(words: Sequence[str], name: str, port: str, *, may_make: bool) -> Wanted:
    """What some words ask for."""
    kind = KINDS[kind_of(words)]
    if port and not (port.isascii() and port.isdigit() and int(port)):
        raise InputError(f"--port {port} is not a number from 1", fix=f"--port {PORT}")
    if int(port or 0) > _LARGEST:
        raise InputError(f"--port {port} is no port", fix=f"--port {PORT}")
    return Wanted(kind, check_name(name or kind.usual), int(port or 0), may_make)


def kind_of(words: Sequence[str]) -> str:
    """The kind of deployment that was asked for."""
    word = words[0] if len(words) == 1 else ""
    if word in KINDS:
        return word
    what = f"there is no deployment {word}{did_you_mean(word, KINDS)}"
    raise InputError(
        what if word else "deploy takes one word: compose, for plain Docker, or swarm",
        fix=f"./doitw deploy {nearest(word, KINDS) or 'compose'}",
    )


def check(asked: Wanted, reach: Engine) -> dict[str, Any]:
    """Refuse what cannot be deployed; say what has to be built for it."""
    asked.kind.check(reach, asked.name, may_make=asked.may_make)
    return {"target": asked.kind.target}


def up(asked: Wanted, image: str, reach: Engine, state: State, say: Say) -> dict[str, Any]:
    """Start a gateway, or bring it up to date, and wait until it serves.

    Args:
        image: The gateway's image, as the engine has it.
        state: What is deployed from here.
    """
    kind, name = asked.kind, asked.name
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
    variables = _variables(asked, before, state)
    variables |= kind.prepare(reach, variables, image, say)
    deployment = Deployment(kind.word, name, variables)
    if before is None or not kind.brings_back:  # undeploy finds what does not start
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


def _variables(asked: Wanted, before: Deployment | None, state: State) -> dict[str, str]:
    """What the file is read with: the environment's values, else those of the last time."""
    with open(state.file(asked.kind.file), encoding="utf-8") as opened:
        known = [*variables_of(opened.read()), *asked.kind.asked]
    found = dict(before.variables if before else {})
    found.update({key: os.environ[key] for key in known if key in os.environ})
    found["EG_NETWORK"] = asked.name
    found[TOKEN] = found.get(TOKEN) or secrets.token_hex(24)
    return found | asked.kind.settings(asked.name, asked.port)


def _tell(deployment: Deployment, url: str, token: str, reach: Engine, say: Say) -> None:
    kind, name = KINDS[deployment.kind], deployment.name
    where = "" if reach.endpoint.scheme == "unix" else "  (on the engine's host)"
    named = "" if name == kind.usual else f" --name {name}"
    say(f"{name} is up: {url}{where}")
    say(f"  token:    {token}")
    say(f"  notebook: JUPYTER_GATEWAY_AUTH_TOKEN=$(cat {token}) jupyter lab --gateway-url={url}")
    say(f"  remove:   ./doitw undeploy {kind.word}{named}")


def down(
    words: Sequence[str], name: str, reach: Callable[[], Engine], state: State, say: Say
) -> dict[str, Any]:
    """Remove a gateway that was started from here; there may be none.

    Args:
        words: Its kind, perhaps.
        name: Its name, if one was given.
        reach: Makes the way to the engine, where something is to be removed.
    """
    kind = kind_of(words) if words else ""
    found = [each for each in state.all() if kind in ("", each.kind) and name in ("", each.name)]
    if len(found) > 1:
        named = ", ".join(f"{each.name} ({each.kind})" for each in found)
        raise InputError(
            f"there are several deployments: {named}",
            fix=f"./doitw undeploy --name {found[0].name}",
        )
    if not found:
        say("nothing is deployed from this workspace" + (f" as {name}" if name else ""))
        return {"name": None, "removed": []}
    [deployment] = found
    say(f"removing {deployment.name}")
    gone = KINDS[deployment.kind].gateway(reach(), deployment, state).down(say)
    state.forget(deployment)
    for each in gone:
        say(f"  removed {each}")
    return {"name": deployment.name, "removed": gone}
