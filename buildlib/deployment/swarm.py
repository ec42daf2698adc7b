"""The gateway on Docker Swarm, as a stack; removed by its labels, kernels' services included.

A task runs only when its container is healthy, so a running task of the wanted service is what
to wait for. `docker stack rm` alone leaves the kernels' services behind, and with them the
network they are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from buildlib.deployment import compose
from buildlib.deployment.client import NOT_FOUND, Docker, Say
from buildlib.deployment.kept import MADE_SWARM, TOKEN, Deployment
from buildlib.deployment.waiting import until
from buildlib.errors import ActionError, InputError

ACTIVE = "active"
UP_SECONDS = 180.0
DOWN_SECONDS = 60.0
TRIES = 2
"""Tasks of the new service that may fail before we give up."""
BRIDGE = "docker_gwbridge"
"""The engine makes it when it joins a swarm, and keeps it when it leaves."""
_STACK = "com.docker.stack.namespace"
_ENDED = ("failed", "rejected", "complete", "shutdown", "orphaned", "remove")


def exists(docker: Docker, name: str) -> bool:
    """Whether there is a stack or a network of that name, whoever made it."""
    if docker.swarm()[0] != ACTIVE:
        return bool(docker.find("networks", name=f"^{name}$"))
    return bool(_services(docker, name) or docker.find("networks", name=f"^{name}$"))


def check(docker: Docker, *, may_make: bool) -> None:
    """Refuse an engine that takes no stack; one that does not answer is told of later.

    Args:
        docker: The engine.
        may_make: It may be put into a swarm of its own.

    Raises:
        InputError: The engine is in no swarm, or no manager.
    """
    state, manages = docker.swarm()
    if state == ACTIVE and not manages:
        raise InputError(
            "this engine is a worker of a swarm; stacks are deployed on a manager",
            fix="docker node promote NODE  # on a manager",
        )
    if state not in (ACTIVE, "") and not may_make:
        raise InputError(
            "this engine is in no swarm",
            fix="docker swarm init  # or: ./doitw deploy swarm --init, which undeploy undoes",
        )


def join(docker: Docker, say: Say) -> str:
    """Make a swarm of this engine alone where it is in none.

    Returns:
        What was made, for `_leave`: nothing, `swarm`, or `swarm and bridge`.
    """
    if docker.swarm()[0] == ACTIVE:
        return ""
    had = docker.find("networks", name=f"^{BRIDGE}$")
    say("making a swarm of this engine alone")
    body = {"AdvertiseAddr": "127.0.0.1", "ListenAddr": "127.0.0.1:2377"}
    docker.call("POST", "/swarm/init", body, what="make a swarm")
    return "swarm" if had else "swarm and bridge"


def nodes(docker: Docker) -> int:
    """How many nodes the swarm has."""
    return len(docker.find("nodes"))


def up(docker: Docker, deployment: Deployment, file: str, say: Say) -> None:
    """Deploy the stack or bring it up to date, and wait until the gateway's task runs.

    Raises:
        ActionError: It does not start.
    """
    known = {task["ID"] for task in _tasks(docker, deployment)}
    # The registry knows no image that was only built here, and asking takes long.
    resolve = ("--resolve-image", "never") if nodes(docker) == 1 else ()
    docker.run(
        ["stack", "deploy", *resolve, "--compose-file", file, deployment.name],
        deployment.variables,
        lambda line: None if "--detach=" in line else say(line),  # advice for those who type it
        fix="docker stack ls",
    )

    def waiting() -> str:
        services = _services(docker, deployment.name)
        wanted = [_container(each["Spec"]["TaskTemplate"]) for each in services]
        tasks = [t for t in _tasks(docker, deployment) if _container(t["Spec"]) in wanted]
        if any(_runs(task) for task in tasks):
            return ""
        states = [task["Status"] for task in tasks if task["ID"] not in known]
        failed = [each for each in states if each["State"] in _ENDED]
        if len(failed) >= TRIES:
            raise _not_up(docker, deployment, failed[0].get("Err") or "its task ends at once")
        why = next((f": {each['Err']}" for each in states if each.get("Err")), "")
        return f"waiting for the gateway's task to run{why}"

    late = until(waiting, UP_SECONDS, say)
    if late:
        raise _not_up(docker, deployment, f"still {late}")


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    """What a service or a task asks of its container; a task lacks what is empty."""
    return {key: value for key, value in spec["ContainerSpec"].items() if value}


def _runs(task: dict[str, Any]) -> bool:
    return bool(task["Status"]["State"] == "running" and task["DesiredState"] == "running")


def _services(docker: Docker, name: str) -> list[dict[str, Any]]:
    return docker.find("services", label=f"{_STACK}={name}")


def _tasks(docker: Docker, deployment: Deployment) -> list[dict[str, Any]]:
    """The tasks of the deployment, ended ones included."""
    return docker.find("tasks", label=f"{_STACK}={deployment.name}")


def _not_up(docker: Docker, deployment: Deployment, what: str) -> ActionError:
    containers = docker.containers(f"{_STACK}={deployment.name}")
    log = docker.logs(containers[0]["Id"]) if containers else ""
    return ActionError(
        f"{deployment.name} does not start: {what}",
        detail=log.replace(deployment.variables[TOKEN], "…"),
        fix=f"docker stack ps --no-trunc {deployment.name}; "
        f"./doitw undeploy --name {deployment.name}",
    )


def down(docker: Docker, deployment: Deployment, say: Say) -> list[str]:
    """Remove the stack, the services of its kernels, its network, and the swarm if we made it.

    Returns:
        Names of what was removed.

    Raises:
        ActionError: Something does not go.
    """
    if docker.swarm()[0] != ACTIVE:
        return []  # who leaves a swarm loses all of it
    label = f"{_STACK}={deployment.name}"
    networks = docker.find("networks", label=label)
    ids = {each["Id"] for each in networks}
    gone = _remove_services(docker, _services(docker, deployment.name))
    _wait_gone(docker, [label], "", say, "waiting for the gateway to end")  # it ends its kernels
    kernels = [
        each
        for each in docker.find("services", label=compose.KERNELS[0])
        if ids & {net["Target"] for net in each["Spec"]["TaskTemplate"].get("Networks") or ()}
    ]
    gone += _remove_services(docker, kernels)
    for each in networks:
        _wait_gone(docker, compose.KERNELS, each["Name"], say, "waiting for the kernels to end")
        # What has ended stays as a container for a while, and keeps nothing from going.
        gone += docker.remove(docker.containers(*compose.KERNELS, network=each["Name"]))
    docker.remove(docker.containers(label))
    for each in networks:
        left = until(lambda each=each: _remove_network(docker, each), DOWN_SECONDS, say)  # type: ignore[misc]
        if left:
            raise ActionError(left, fix=f"docker network inspect {each['Name']}")
        gone.append(f"network {each['Name']}")
    return gone + _leave(docker, deployment, say)


def _remove_services(docker: Docker, services: list[dict[str, Any]]) -> list[str]:
    for each in services:
        path = f"/services/{each['ID']}"
        docker.call("DELETE", path, what="remove a service", allow=(NOT_FOUND,))
    return [f"service {each['Spec']['Name']}" for each in services]


def _wait_gone(docker: Docker, labels: Sequence[str], network: str, say: Say, what: str) -> None:
    def waiting() -> str:
        return what if docker.containers(*labels, network=network, running=True) else ""

    until(waiting, DOWN_SECONDS, say)


def _remove_network(docker: Docker, network: dict[str, Any]) -> str:
    """Try to remove a network: its last endpoints go some time after their containers."""
    if docker.find("networks", id=network["Id"]):
        path = f"/networks/{network['Id']}"
        with suppress(ActionError):
            docker.call("DELETE", path, what="remove a network")
    if docker.find("networks", id=network["Id"]):
        return f"the network {network['Name']} is still in use"
    return ""


def _leave(docker: Docker, deployment: Deployment, say: Say) -> list[str]:
    """Leave the swarm if it was made for this deployment and nothing else is in it."""
    made = deployment.variables.get(MADE_SWARM, "")
    if not made or docker.swarm()[0] != ACTIVE:
        return []
    if nodes(docker) > 1 or any(docker.find(each) for each in ("services", "secrets", "configs")):
        say("  the swarm stays: other things are in it (docker swarm leave --force)")
        return []
    docker.call("POST", "/swarm/leave?force=1", what="leave its swarm")
    if "bridge" in made:
        until(lambda: _remove_bridge(docker), DOWN_SECONDS, say)
    return ["the swarm"]


def _remove_bridge(docker: Docker) -> str:
    left = [_remove_network(docker, each) for each in docker.find("networks", name=f"^{BRIDGE}$")]
    return "".join(left)
