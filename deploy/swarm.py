"""The gateway on Docker Swarm, as a stack; removed by its labels, kernels' services included.

A task runs only when its container is healthy, so a running task of the wanted service is what
to wait for. `docker stack rm` alone leaves the kernels' services behind, and with them the
network they are in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from buildlib.errors import ActionError, InputError
from deploy.docker_api import NOT_FOUND, Docker
from deploy.kind import NETWORK, Kind, Reach, Request
from deploy.platform import GRACE, KERNEL_ID, KERNELS, Kernel, NotUp, Say
from deploy.state import Deployment, State
from deploy.waiting import until

UP_SECONDS = 180.0
DOWN_SECONDS = 60.0
STACK = "com.docker.stack.namespace"
"""The label that has the name of a stack."""
MADE_SWARM = "DEPLOY_MADE_SWARM"
"""The variable that remembers what `join` made."""
_TRIES = 2
"""Tasks of the new service that may fail before we give up, where Swarm tries again."""
_ACTIVE = "active"
_BRIDGE = "docker_gwbridge"
"""The engine makes it when it joins a swarm, and keeps it when it leaves."""
_ENDED = ("failed", "rejected", "complete", "shutdown", "orphaned", "remove")


class Swarm:
    """A `Platform`: a stack of one service, and a service for each kernel.

    Args:
        docker: An engine, which manages a swarm or is in none.
        name: Of the stack and of its network.
        start: Makes the service, or changes it; only `up` calls it. All that it makes has the label
            `STACK` with the name.
        may_make: Whether `up` may make a swarm of this engine alone.
        made: What an earlier `join` made: `down` leaves it again.
    """

    def __init__(
        self,
        docker: Docker,
        name: str,
        start: Callable[[Say], None] | None = None,
        *,
        may_make: bool = False,
        made: str = "",
    ) -> None:
        self.name = name
        self._docker = docker
        self._label = f"{STACK}={name}"
        self._start = start
        self._may_make = may_make
        self._made = made

    def check(self) -> None:
        """Refuse an engine that takes no stack; one that does not answer is told of later."""
        state, manages = self._docker.swarm()
        if state == _ACTIVE and not manages:
            raise InputError(
                "this engine is a worker of a swarm; stacks are deployed on a manager",
                fix="docker node promote NODE  # on a manager",
            )
        if state not in (_ACTIVE, "") and not self._may_make:
            raise InputError(
                "this engine is in no swarm",
                fix="docker swarm init  # or: ./doitw deploy swarm --init, which undeploy undoes",
            )

    def exists(self) -> bool:
        """Whether there is a stack or a network of that name, whoever made it."""
        network = bool(self._docker.find("networks", name=f"^{self.name}$"))
        return network or (self._docker.swarm()[0] == _ACTIVE and bool(self._services()))

    def up(self, say: Say) -> None:
        """Deploy the stack or bring it up to date, and wait until the gateway's task runs."""
        assert self._start is not None  # noqa: S101 - whoever calls it has said what to start
        self._made = join(self._docker, say) or self._made
        known = {task["ID"] for task in self._tasks()}
        self._start(say)
        late = until(lambda: self._waiting(known), UP_SECONDS, say)
        if late:
            raise self._not_up(f"still {late}")

    def waiting(self) -> str:
        """See `Platform`."""
        return self._waiting(set())

    def _waiting(self, known: set[str]) -> str:
        """What is waited for; tasks that were there before are no sign of failure."""
        services = [each["Spec"]["TaskTemplate"] for each in self._services()]
        wanted = [_container(each) for each in services]
        tasks = [task for task in self._tasks() if _container(task["Spec"]) in wanted]
        if any(_runs(task) for task in tasks):
            return ""
        states = [task["Status"] for task in tasks if task["ID"] not in known]
        failed = [each for each in states if each["State"] in _ENDED]
        again = [each for each in services if _restarts(each)]
        if len(failed) >= (_TRIES if again else 1):
            raise self._not_up(failed[0].get("Err") or "its task ends at once")
        why = next((f": {each['Err']}" for each in states if each.get("Err")), "")
        return f"waiting for the gateway's task to run{why}"

    def url(self) -> str:
        """The first port that is published, on this node."""
        for each in self._services():
            for port in each["Spec"].get("EndpointSpec", {}).get("Ports") or ():
                return f"http://127.0.0.1:{port['PublishedPort']}"
        return ""

    def log(self, lines: int = 0) -> str:
        """What its containers have printed; the log of a service itself comes late."""
        found = self._docker.containers(self._label)
        return "".join(self._docker.logs(each["Id"], lines) for each in found)

    def kernels(self, kernel_id: str = "") -> list[Kernel]:
        """Its kernels that run on this node; ended ones are the swarm's to remove."""
        label = f"{KERNEL_ID}={kernel_id}" if kernel_id else KERNEL_ID
        found = self._docker.containers(*KERNELS, label, network=self.name, running=True)
        return [Kernel(each["Name"].lstrip("/"), each["Image"]) for each in found]

    def down(self, say: Say, grace: int = GRACE) -> list[str]:
        """Remove the stack, the services of its kernels, its network, and the swarm if we made it.

        How long the gateway has to end its kernels is in its service.
        """
        del grace
        if self._docker.swarm()[0] != _ACTIVE:
            return []  # who leaves a swarm loses all of it
        networks = self._docker.find("networks", label=self._label)
        ids = {each["Id"] for each in networks}
        gone = self._remove_services(self._services())
        self._wait_gone([self._label], "", say, "waiting for the gateway to end")  # and its kernels
        kernels = [
            each
            for each in self._docker.find("services", label=KERNELS[0])
            if ids & {net["Target"] for net in each["Spec"]["TaskTemplate"].get("Networks") or ()}
        ]
        gone += self._remove_services(kernels)
        for each in networks:
            self._wait_gone(KERNELS, each["Name"], say, "waiting for the kernels to end")
            # What has ended stays as a container for a while, and keeps nothing from going.
            left = self._docker.containers(*KERNELS, network=each["Name"])
            gone += self._docker.remove(left)
        self._docker.remove(self._docker.containers(self._label))
        for each in networks:
            used = until(lambda each=each: _remove_network(self._docker, each), DOWN_SECONDS, say)  # type: ignore[misc]
            if used:
                raise ActionError(used, fix=f"docker network inspect {each['Name']}")
            gone.append(f"network {each['Name']}")
        return gone + self._leave(say)

    def _services(self) -> list[dict[str, Any]]:
        return self._docker.find("services", label=self._label)

    def _tasks(self) -> list[dict[str, Any]]:
        """Its tasks, ended ones included."""
        return self._docker.find("tasks", label=self._label)

    def _not_up(self, what: str) -> NotUp:
        return NotUp(f"{self.name} does not start: {what}", detail=self.log(30))

    def _remove_services(self, services: list[dict[str, Any]]) -> list[str]:
        for each in services:
            path = f"/services/{each['ID']}"
            self._docker.call("DELETE", path, what="remove a service", allow=(NOT_FOUND,))
        return [f"service {each['Spec']['Name']}" for each in services]

    def _wait_gone(self, labels: Sequence[str], network: str, say: Say, what: str) -> None:
        def waiting() -> str:
            found = self._docker.containers(*labels, network=network, running=True)
            return what if found else ""

        until(waiting, DOWN_SECONDS, say)

    def _leave(self, say: Say) -> list[str]:
        """Leave the swarm if it was made for this gateway and nothing else is in it."""
        docker = self._docker
        if not self._made or docker.swarm()[0] != _ACTIVE:
            return []
        others = any(docker.find(each) for each in ("services", "secrets", "configs"))
        if others or len(docker.find("nodes")) > 1:
            say("  the swarm stays: other things are in it (docker swarm leave --force)")
            return []
        docker.call("POST", "/swarm/leave?force=1", what="leave its swarm")
        if "bridge" in self._made:
            until(lambda: _remove_bridge(docker), DOWN_SECONDS, say)
        return ["the swarm"]


def join(docker: Docker, say: Say) -> str:
    """Make a swarm of this engine alone where it is in none.

    Returns:
        What was made, for `Swarm(made=)`: nothing, `swarm`, or `swarm and bridge`.
    """
    if docker.swarm()[0] == _ACTIVE:
        return ""
    had = docker.find("networks", name=f"^{_BRIDGE}$")
    say("making a swarm of this engine alone")
    body = {"AdvertiseAddr": "127.0.0.1", "ListenAddr": "127.0.0.1:2377"}
    docker.call("POST", "/swarm/init", body, what="make a swarm")
    time.sleep(0.5)  # networks are refused in the first moments
    return "swarm" if had else "swarm and bridge"


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    """What a service or a task asks of its container; a task lacks what is empty."""
    return {key: value for key, value in spec["ContainerSpec"].items() if value}


def _restarts(service: dict[str, Any]) -> bool:
    """Whether Swarm starts a task anew that has ended."""
    return bool((service.get("RestartPolicy") or {}).get("Condition") != "none")


def _runs(task: dict[str, Any]) -> bool:
    return bool(task["Status"]["State"] == "running" and task["DesiredState"] == "running")


def _remove_network(docker: Docker, network: dict[str, Any]) -> str:
    """Try to remove a network: its last endpoints go some time after their containers."""
    if docker.find("networks", id=network["Id"]):
        path = f"/networks/{network['Id']}"
        with suppress(ActionError):
            docker.call("DELETE", path, what="remove a network")
    if docker.find("networks", id=network["Id"]):
        return f"the network {network['Name']} is still in use"
    return ""


def _remove_bridge(docker: Docker) -> str:
    left = [_remove_network(docker, each) for each in docker.find("networks", name=f"^{_BRIDGE}$")]
    return "".join(left)


class _SwarmKind(Kind):
    """Deployments of `deploy/stack.yaml`: only the docker client reads such a file."""

    word = "swarm"
    usual = "enterprise-gateway-swarm"
    file = "stack.yaml"
    target = "//deploy:stack"
    takes = ("init",)

    def check(
        self, reach: Reach, request: Request, before: Deployment | None, state: State
    ) -> dict[str, Any]:
        del before, state
        Swarm(reach.docker, request.name, may_make="init" in request.options).check()
        return self.usual_plan()

    def settings(self, request: Request, before: Mapping[str, str]) -> dict[str, str]:
        del before
        port = {"EG_PORT": str(request.port)} if request.port else {}
        return {NETWORK: request.name, **port}

    def prepare(
        self, reach: Reach, variables: Mapping[str, str], image: str, say: Say
    ) -> dict[str, str]:
        found = reach.socket(variables, image)
        found[MADE_SWARM] = join(reach.docker, say) or variables.get(MADE_SWARM, "")
        if _nodes(reach.docker) > 1:  # the others know it by its name in the registry
            found["EG_IMAGE"] = ""
        return found

    def gateway(self, reach: Reach, deployment: Deployment, state: State) -> Swarm:
        def start(say: Say) -> None:
            # The registry knows no image that was only built here, and asking takes long.
            resolve = ("--resolve-image", "never") if _nodes(reach.docker) == 1 else ()
            file = ("--compose-file", state.file(self.file))
            words = ["stack", "deploy", *resolve, *file, deployment.name]
            reach.run(words, deployment.variables, say, fix="docker stack ls")

        made = deployment.variables.get(MADE_SWARM, "")
        return Swarm(reach.docker, deployment.name, start, made=made)

    def fix(self, name: str, error: ActionError) -> str:
        del error
        return f"docker stack ps --no-trunc {name}; ./doitw undeploy --name {name}"


def _nodes(docker: Docker) -> int:
    return len(docker.find("nodes"))


KIND = _SwarmKind()
