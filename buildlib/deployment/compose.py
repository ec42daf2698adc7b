"""The gateway on plain Docker, through docker compose; removed by its labels.

Removing needs neither compose nor the file: the labels are those that all versions of compose
give (com.docker.compose.project, com.docker.compose.service).
"""

from __future__ import annotations

from typing import Any

from buildlib.deployment.client import Docker
from buildlib.deployment.kept import TOKEN, Deployment
from buildlib.deployment.waiting import Say, until
from buildlib.errors import ActionError

SERVICE = "enterprise-gateway"
KERNELS = ("label=app=enterprise-gateway", "label=component=kernel")
UP_SECONDS = 120.0
_STOP_SECONDS = "30"


def exists(docker: Docker, name: str) -> bool:
    """Whether there is a compose project or a network of that name, whoever made it."""
    return bool(
        docker.containers(f"label=com.docker.compose.project={name}")
        or docker.networks(f"name=^{name}$")
    )


def up(docker: Docker, deployment: Deployment, file: str, kept_in: str, say: Say) -> None:
    """Start it or bring it up to date, and wait until the gateway is healthy.

    Args:
        docker: The client.
        deployment: What to start.
        file: The compose file.
        kept_in: The file of the deployment's variables; else compose would read that of another.
        say: Takes lines of progress.

    Raises:
        ActionError: It does not start.
    """
    command = [*docker.compose(), "--project-name", deployment.name]
    command += ["--env-file", kept_in, "--file", file]
    docker.run(
        [*command, "up", "--detach", "--remove-orphans"],
        deployment.variables,
        say,
        fix="./doitw deploy compose --port 8889  # if the port is taken; else see above",
    )

    def waiting() -> str:
        container = _gateway(docker, deployment)
        if container is None:
            return "the gateway's container is not there yet"
        state = container["State"]
        health = state.get("Health", {}).get("Status", "")
        ended = state["Status"] not in ("created", "running") or container["RestartCount"]
        if ended or health == "unhealthy":
            how = f"is {health}" if health == "unhealthy" else f"ends, code {state['ExitCode']}"
            raise _not_up(docker, deployment, f"the gateway {how}", container["Id"])
        return "" if health == "healthy" else "waiting for the gateway to be healthy"

    late = until(waiting, UP_SECONDS, say)
    if late:
        container = _gateway(docker, deployment)
        raise _not_up(docker, deployment, f"still {late}", container["Id"] if container else "")


def _gateway(docker: Docker, deployment: Deployment) -> dict[str, Any] | None:
    found = docker.containers(
        f"label=com.docker.compose.project={deployment.name}",
        f"label=com.docker.compose.service={SERVICE}",
    )
    return next(iter(docker.inspect("container", found)), None)


def _not_up(docker: Docker, deployment: Deployment, what: str, container: str) -> ActionError:
    log = docker.logs(container) if container else ""
    token = deployment.variables.get(TOKEN)
    return ActionError(
        f"{deployment.name} does not start: {what}",
        detail=log.replace(token, "…") if token else log,
        fix=f"docker logs {container[:12]}; ./doitw undeploy --name {deployment.name}",
    )


def down(docker: Docker, deployment: Deployment, say: Say) -> list[str]:
    """Remove the project, the kernels on its network, and the network.

    Returns:
        Names of what was removed.
    """
    label = f"label=com.docker.compose.project={deployment.name}"
    network = f"network={deployment.name}"
    gone: list[str] = []
    mine = docker.containers(label)
    if mine:
        say("  stopping the gateway and its kernels")
        docker.ask("stop", "--time", _STOP_SECONDS, *docker.containers(label))
    for found in (docker.containers(label), docker.containers(*KERNELS, network)):
        gone += remove_containers(docker, found)
    for each in docker.inspect("network", docker.networks(label)):
        docker.ask("network", "rm", each["Id"])
        gone.append(f"network {each['Name']}")
    return gone


def remove_containers(docker: Docker, found: list[str]) -> list[str]:
    """Remove containers by ID; those that go by themselves meanwhile are no error."""
    names = [str(each["Name"]).lstrip("/") for each in docker.inspect("container", found)]
    for each in found:
        docker.ask("rm", "--force", "--volumes", each, allow=True)
    return [f"container {name}" for name in names]
