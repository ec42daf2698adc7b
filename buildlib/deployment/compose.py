"""The gateway on plain Docker, as docker compose would start it; removed by its labels.

No compose is needed: which of them works depends on the engine. Containers and network have the
labels that all versions of compose give and look for, so that `docker compose ps`, `logs` and
`down` know the project, and what one of them has started is replaced here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import Any

from buildlib.deployment.client import Container, Docker, Say
from buildlib.deployment.composefile import Service, read
from buildlib.deployment.kept import TOKEN, Deployment
from buildlib.deployment.waiting import until
from buildlib.engine import process
from buildlib.errors import ActionError

KERNELS = ("app=enterprise-gateway", "component=kernel")
UP_SECONDS = 120.0
_LABEL = "com.docker.compose."
_PROJECT = f"{_LABEL}project"


def exists(docker: Docker, name: str) -> bool:
    """Whether there is a compose project or a network of that name, whoever made it."""
    return bool(_network(docker, name) or docker.containers(f"{_PROJECT}={name}"))


def up(docker: Docker, deployment: Deployment, file: str, kept_in: str, say: Say) -> None:
    """Start it or bring it up to date, and wait until it is healthy.

    A container is made anew where its configuration or its image has changed. If one does not
    start, what ran before runs again; where nothing did, the new ones stay to be looked at.

    Args:
        docker: The engine.
        deployment: What to start.
        file: The compose file.
        kept_in: The file of the deployment's variables: compose finds it by a label.
        say: Takes lines of progress.

    Raises:
        InputError: The file says something that is not understood here.
        ActionError: It does not start.
    """
    project = read(file, deployment.variables)
    network = str(project.network["Name"])
    if not _network(docker, network):
        labels = {_PROJECT: deployment.name, f"{_LABEL}network": project.key}
        body = {**project.network, "Labels": labels}
        docker.call("POST", "/networks/create", body, what=f"make the network {network}")
    origin = {
        _PROJECT: deployment.name,
        f"{_PROJECT}.config_files": file,
        f"{_PROJECT}.environment_file": kept_in,
        f"{_PROJECT}.working_dir": os.path.dirname(file),
        f"{_LABEL}container-number": "1",
        f"{_LABEL}oneoff": "False",
    }
    present = docker.containers(f"{_PROJECT}={deployment.name}", f"{_LABEL}oneoff=False")
    wanted = {
        f"{deployment.name}-{service.name}-1": _container(docker, service, origin, present)
        for service in project.services
    }
    _exchange(docker, deployment, wanted, present, say)


def _network(docker: Docker, name: str) -> list[dict[str, Any]]:
    return docker.find("networks", name=f"^{name}$")


def _container(
    docker: Docker, service: Service, origin: dict[str, str], present: Sequence[Container]
) -> Container:
    """A container that is what the file says of a service: one that is there, or a new one."""
    digest = service.digest(docker.image(service.image))
    labels = {f"{_LABEL}service": service.name, f"{_LABEL}config-hash": digest}
    for each in present:
        if labels.items() <= each["Config"]["Labels"].items():
            return each
    # Its name may be that of one which still runs; it gets it later.
    name = f"{origin[_PROJECT]}-{service.name}-{secrets.token_hex(4)}"
    body = {**service.body, "Image": service.image, "Labels": {**origin, **labels}}
    what = f"make a container of {service.image}"
    made = docker.call("POST", f"/containers/create?name={name}", body, what=what)
    return docker.container(made["Id"])


def _exchange(
    docker: Docker,
    deployment: Deployment,
    wanted: dict[str, Container],
    present: Sequence[Container],
    say: Say,
) -> None:
    """Run some containers, under these names, in place of all others of the deployment."""
    former = [each for each in present if each not in wanted.values()]
    stopped: list[str] = []
    again = f"./doitw deploy compose --name {deployment.name}"

    def back() -> None:
        if stopped:
            docker.remove([each for each in wanted.values() if each not in present])
        for each in stopped:
            docker.act(each, "restart?t=30")  # waits for one that is still being stopped

    with process.on_stop(back):
        try:
            for each in (each["Id"] for each in former if each["State"]["Running"]):
                stopped.append(each)
                docker.act(each, "stop?t=30")
            for name, container in wanted.items():
                docker.act(container["Id"], "start")
                _wait(docker, container["Id"], name, say, fix=f"EG_LOG_LEVEL=DEBUG {again}")
        except ActionError as error:
            back()
            fix = f"{again} --port 8889  # if the port is taken; else see above"
            what = f"{deployment.name} does not start: {error.what}"
            raise ActionError(
                f"{what}; the former one runs again" if stopped else what,
                detail=(error.detail or "").replace(deployment.variables[TOKEN], "…"),
                fix=error.fix or fix,
            ) from None
    docker.remove(former)
    for name, container in wanted.items():
        if container["Name"] != f"/{name}":
            docker.act(container["Id"], f"rename?name={name}")


def _wait(docker: Docker, container: str, name: str, say: Say, *, fix: str) -> None:
    """Wait until a container runs, and is healthy if it can tell.

    Raises:
        ActionError: It is not.
    """
    begun = docker.container(container)["RestartCount"]

    def failed(what: str) -> ActionError:
        return ActionError(f"{name} {what}", detail=docker.logs(container), fix=fix)

    def waiting() -> str:
        found = docker.container(container)
        state = found["State"]
        health = (state.get("Health") or {}).get("Status", "none")
        if state["Status"] != "running" or found["RestartCount"] != begun:
            raise failed(f"ends, code {state['ExitCode']}")
        if health == "unhealthy":
            raise failed("is unhealthy")
        return "" if health in ("none", "healthy") else f"waiting for {name} to be healthy"

    if until(waiting, UP_SECONDS, say):
        raise failed("is not healthy in time")


def down(docker: Docker, deployment: Deployment, say: Say) -> list[str]:
    """Remove the project, the kernels on its network, and the network.

    Returns:
        Names of what was removed.
    """
    label = f"{_PROJECT}={deployment.name}"
    mine = docker.containers(label)
    if mine:
        say("  stopping the gateway and its kernels")
    for each in mine:
        docker.act(each["Id"], "stop?t=30")
    gone = docker.remove(mine)
    gone += docker.remove(docker.containers(*KERNELS, network=deployment.name))
    for each in docker.find("networks", label=label):
        docker.call("DELETE", f"/networks/{each['Id']}", what=f"remove the network {each['Name']}")
        gone.append(f"network {each['Name']}")
    return gone
