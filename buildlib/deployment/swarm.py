"""The gateway on Docker Swarm, as a stack; removed by its labels, kernels' services included.

A task runs only when its container is healthy, so a running task of the wanted service is what
to wait for. `docker stack rm` alone leaves the kernels' services behind, and with them the
network they are in.
"""

from __future__ import annotations

from typing import Any

from buildlib.deployment import compose
from buildlib.deployment.client import Docker, Say
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
_ENDED = ("failed", "rejected", "complete", "shutdown", "orphaned", "remove")


def exists(docker: Docker, name: str) -> bool:
    """Whether there is a stack or a network of that name, whoever made it."""
    if docker.swarm()[0] != ACTIVE:
        return bool(docker.networks(f"name=^{name}$"))
    return bool(
        docker.services(f"label=com.docker.stack.namespace={name}")
        or docker.networks(f"name=^{name}$")
    )


def check(docker: Docker, *, may_make: bool) -> None:
    """Refuse an engine that takes no stack; one that does not answer is told of later.

    Args:
        docker: The client.
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
    had = docker.networks(f"name=^{BRIDGE}$")
    say("making a swarm of this engine alone")
    docker.ask("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
    return "swarm" if had else "swarm and bridge"


def nodes(docker: Docker) -> int:
    """How many nodes the swarm has."""
    return len(docker.ids("node", "ls", "--quiet"))


def up(docker: Docker, deployment: Deployment, file: str, say: Say) -> None:
    """Deploy the stack or bring it up to date, and wait until the gateway's task runs.

    Raises:
        ActionError: It does not start.
    """
    known = {task["ID"] for task in _tasks(docker, deployment)}
    # The registry knows no image that was only built here, and asking takes long.
    resolve = ("--resolve-image", "never") if nodes(docker) == 1 else ()
    docker.run(
        [docker.program, "stack", "deploy", *resolve, "--compose-file", file, deployment.name],
        deployment.variables,
        lambda line: None if "--detach=" in line else say(line),  # advice for those who type it
        fix="docker stack ls",
    )

    def waiting() -> str:
        services = docker.inspect("service", _services(docker, deployment))
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


def _services(docker: Docker, deployment: Deployment) -> list[str]:
    return docker.services(f"label=com.docker.stack.namespace={deployment.name}")


def _tasks(docker: Docker, deployment: Deployment) -> list[dict[str, Any]]:
    """The gateway's tasks, ended ones included; newest first."""
    services = _services(docker, deployment)
    if not services:
        return []
    found = docker.ids("service", "ps", "--quiet", "--no-trunc", *services, allow=True)
    return docker.inspect("task", found)


def _not_up(docker: Docker, deployment: Deployment, what: str) -> ActionError:
    containers = docker.containers(f"label=com.docker.stack.namespace={deployment.name}")
    log = docker.logs(containers[0]) if containers else ""
    token = deployment.variables.get(TOKEN)
    return ActionError(
        f"{deployment.name} does not start: {what}",
        detail=log.replace(token, "…") if token else log,
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
    label = f"label=com.docker.stack.namespace={deployment.name}"
    networks = docker.inspect("network", docker.networks(label))
    ids = {each["Id"] for each in networks}
    gone = _remove_services(docker, _services(docker, deployment))
    _wait_gone(docker, [label], say, "waiting for the gateway to end")  # it ends its kernels, too
    kernels = [
        each
        for each in docker.inspect("service", docker.services("label=app=enterprise-gateway"))
        if ids & {net["Target"] for net in each["Spec"]["TaskTemplate"].get("Networks", ())}
    ]
    gone += _remove_services(docker, [each["ID"] for each in kernels])
    for each in networks:
        mine = [*compose.KERNELS, f"network={each['Name']}"]
        _wait_gone(docker, mine, say, "waiting for the kernels to end")
        # What has ended stays as a container for a while, and keeps nothing from going.
        gone += compose.remove_containers(docker, docker.containers(*mine))
    compose.remove_containers(docker, docker.containers(label))
    for each in networks:
        left = until(lambda each=each: _still(docker, each), DOWN_SECONDS, say)  # type: ignore[misc]
        if left:
            raise ActionError(left, fix=f"docker network inspect {each['Name']}")
        gone.append(f"network {each['Name']}")
    return gone + _leave(docker, deployment, say)


def _remove_services(docker: Docker, services: list[str]) -> list[str]:
    names = [f"service {each['Spec']['Name']}" for each in docker.inspect("service", services)]
    for each in services:
        docker.ask("service", "rm", each, allow=True)
    return names


def _wait_gone(docker: Docker, filters: list[str], say: Say, what: str) -> None:
    until(lambda: what if docker.containers(*filters, running=True) else "", DOWN_SECONDS, say)


def _still(docker: Docker, network: dict[str, Any]) -> str:
    """Try to remove a network: its last endpoints go some time after their containers."""
    if docker.networks(f"id={network['Id']}"):
        docker.ask("network", "rm", network["Id"], allow=True)
    if docker.networks(f"id={network['Id']}"):
        return f"the network {network['Name']} is still in use"
    return ""


def _leave(docker: Docker, deployment: Deployment, say: Say) -> list[str]:
    """Leave the swarm if it was made for this deployment and nothing else is in it."""
    made = deployment.variables.get(MADE_SWARM, "")
    if not made or docker.swarm()[0] != ACTIVE:
        return []
    others = [*docker.services(), *docker.ids("secret", "ls", "-q")]
    others += docker.ids("config", "ls", "-q")
    if others or nodes(docker) > 1:
        say("  the swarm stays: other things are in it (docker swarm leave --force)")
        return []
    docker.ask("swarm", "leave", "--force")
    if "bridge" in made:
        until(lambda: _bridge(docker), DOWN_SECONDS, say)
    return ["the swarm"]


def _bridge(docker: Docker) -> str:
    for each in docker.networks(f"name=^{BRIDGE}$"):
        docker.ask("network", "rm", each, allow=True)
    return f"removing {BRIDGE}" if docker.networks(f"name=^{BRIDGE}$") else ""
