"""The gateway on plain Docker, as docker compose would start it; removed by its labels.

No compose is needed: which of them works depends on the engine. Containers and network have the
labels that all versions of compose give and look for, so that `docker compose ps`, `logs` and
`down` know the project, and what one of them has started is replaced here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from buildlib.errors import ActionError
from deploy.composefile import Project, Service, read
from deploy.docker_api import Container, Docker
from deploy.kind import NETWORK, Kind, Reach, Request
from deploy.platform import GRACE, KERNEL_ID, KERNELS, Kernel, NotUp, Say
from deploy.state import BY_HAND, Deployment, State
from deploy.waiting import until

UP_SECONDS = 120.0
_LABEL = "com.docker.compose."
_PROJECT = f"{_LABEL}project"
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - addresses that engines tell, not ours to bind to
PORT = 8888
"""The gateway's port inside of its container."""


class Compose:
    """A `Platform`: a compose project, one container for each of its services.

    A container is made anew where its configuration or its image has changed. If one does not
    start, what ran before runs again; where nothing did, the new ones stay to be looked at.

    Args:
        docker: The engine.
        name: Of the project and of its network.
        describe: Says what to start; only `up` asks.
        labels: Further labels of all that is made.
    """

    def __init__(
        self,
        docker: Docker,
        name: str,
        describe: Callable[[], Project] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._docker = docker
        self._describe = describe
        self._labels = {**(labels or {}), _PROJECT: name}
        self._restarts: dict[str, int] = {}
        """How often each container had been restarted when we started it."""

    def check(self) -> None:
        """Nothing to refuse: wherever an engine answers, it takes containers."""

    def exists(self) -> bool:
        """Whether there is a compose project or a network of that name, whoever made it."""
        return bool(self._networks() or self._containers())

    def up(self, say: Say) -> None:
        """Start it or bring it up to date, and wait until it is healthy, if it can tell.

        Raises:
            NotUp: It ends, or is not healthy; the former one runs again.
            ActionError: The engine refuses; the same.
        """
        assert self._describe is not None  # noqa: S101 - whoever calls it says what to start
        project = self._describe()
        network = project.network
        if not self._networks():
            labels = {**self._labels, f"{_LABEL}network": project.key}
            body = {**network, "Labels": labels}
            what = f"make the network {network['Name']}"
            self._docker.call("POST", "/networks/create", body, what=what)
        self._make_volumes(project.volumes)
        present = self._docker.containers(f"{_PROJECT}={self.name}", f"{_LABEL}oneoff=False")
        wanted = {
            f"{self.name}-{service.name}-1": self._container(service, present)
            for service in project.services
        }
        self._exchange(wanted, present, say)

    def waiting(self) -> str:
        """See `Platform`: a container that has health has to be healthy, others to run."""
        return next(filter(None, map(self._waiting_for, self._containers())), "")

    def url(self) -> str:
        """The gateway's port, where it is published."""
        for each in self._containers():
            for published in (each["NetworkSettings"]["Ports"] or {}).get(f"{PORT}/tcp") or ():
                host, port = published["HostIp"], published["HostPort"]
                return f"http://{'127.0.0.1' if host in _EVERYWHERE else host}:{port}"
        return ""

    def log(self, lines: int = 0) -> str:
        """See `Platform`."""
        return "".join(self._docker.logs(each["Id"], lines) for each in self._containers())

    def kernels(self, kernel_id: str = "") -> list[Kernel]:
        """Its kernels, also those that have ended and were not removed."""
        found = self._kernels(f"{KERNEL_ID}={kernel_id}" if kernel_id else KERNEL_ID)
        return [Kernel(each["Name"].lstrip("/"), each["Image"]) for each in found]

    def down(self, say: Say, grace: int = GRACE) -> list[str]:
        """Remove the project, the kernels on its network, its volumes, and the network."""
        mine = self._containers()
        if mine:
            say("  stopping the gateway and its kernels")
        for each in mine:
            self._docker.act(each["Id"], f"stop?t={grace}")
        gone = self._docker.remove(mine)
        gone += self._docker.remove(self._kernels())
        for volume in self._docker.volumes(f"{_PROJECT}={self.name}"):
            self._docker.call("DELETE", f"/volumes/{volume}", what=f"remove the volume {volume}")
            gone.append(f"volume {volume}")
        for each in self._docker.find("networks", label=f"{_PROJECT}={self.name}"):
            what = f"remove the network {each['Name']}"
            self._docker.call("DELETE", f"/networks/{each['Id']}", what=what)
            gone.append(f"network {each['Name']}")
        return gone

    def _make_volumes(self, wanted: Mapping[str, str]) -> None:
        """Make the volumes that are not there; one that is there may be anybody's, and stays so.

        Args:
            wanted: What the file calls each -> its name.
        """
        there = self._docker.volumes() if wanted else []
        for key, name in wanted.items():
            if name not in there:
                body = {"Name": name, "Labels": {**self._labels, f"{_LABEL}volume": key}}
                self._docker.call("POST", "/volumes/create", body, what=f"make the volume {name}")

    def _networks(self) -> list[dict[str, Any]]:
        return self._docker.find("networks", name=f"^{self.name}$")

    def _containers(self) -> list[Container]:
        return self._docker.containers(f"{_PROJECT}={self.name}")

    def _kernels(self, *labels: str) -> list[Container]:
        return self._docker.containers(*KERNELS, *labels, network=self.name)

    def _container(self, service: Service, present: Sequence[Container]) -> Container:
        """A container that is what is wanted of a service: one that is there, or a new one."""
        digest = service.digest(self._docker.image(service.image))
        labels = {f"{_LABEL}service": service.name, f"{_LABEL}config-hash": digest}
        for each in present:
            if labels.items() <= each["Config"]["Labels"].items():
                return each
        usual = {f"{_LABEL}container-number": "1", f"{_LABEL}oneoff": "False"}
        labels = {**self._labels, **usual, **labels}
        # Its name may be that of one which still runs; it gets it later.
        name = f"{self.name}-{service.name}-{secrets.token_hex(4)}"
        body = {**service.body, "Image": service.image, "Labels": labels}
        return self._docker.create(name, body, f"make a container of {service.image}")

    def _exchange(
        self, wanted: dict[str, Container], present: Sequence[Container], say: Say
    ) -> None:
        """Run some containers, under these names, in place of all others of the project."""
        former = [each for each in present if each not in wanted.values()]
        stopped: list[str] = []
        try:
            for each in (each["Id"] for each in former if each["State"]["Running"]):
                stopped.append(each)
                self._docker.act(each, f"stop?t={GRACE}")
            for container in wanted.values():
                self._start(container["Id"], say)
        except BaseException as error:  # a signal, too
            if stopped:
                self._docker.remove([each for each in wanted.values() if each not in present])
            for each in stopped:
                self._docker.act(each, f"restart?t={GRACE}")  # waits for one that is being stopped
            if isinstance(error, ActionError):
                back = "; the former one runs again" if stopped else ""
                error.what = f"{self.name} does not start: {error.what}{back}"
            raise
        self._docker.remove(former)
        for name, container in wanted.items():
            if container["Name"] != f"/{name}":
                self._docker.act(container["Id"], f"rename?name={name}")

    def _start(self, container: str, say: Say) -> None:
        """Start a container, and wait until it runs, and is healthy if it can tell.

        Raises:
            NotUp: It is not.
        """
        self._docker.act(container, "start")
        self._restarts[container] = self._docker.container(container)["RestartCount"]
        late = until(lambda: self._waiting_for(self._docker.container(container)), UP_SECONDS, say)
        if late:
            raise self._not_up(self._docker.container(container), "is not healthy in time")

    def _waiting_for(self, container: Container) -> str:
        state, restarts = container["State"], container["RestartCount"]
        begun = self._restarts.get(container["Id"], restarts)
        if state["Status"] != "running" or restarts != begun:
            raise self._not_up(container, f"ends, code {state['ExitCode']}")
        health = (state.get("Health") or {}).get("Status", "none")
        if health == "unhealthy":
            raise self._not_up(container, "is unhealthy")
        name = self._called(container)
        return "" if health in ("none", "healthy") else f"waiting for {name} to be healthy"

    def _not_up(self, container: Container, what: str) -> NotUp:
        log = self._docker.logs(container["Id"], 30)
        return NotUp(f"{self._called(container)} {what}", detail=log)

    def _called(self, container: Container) -> str:
        """The name that a container has, or will have once it serves."""
        return f"{self.name}-{container['Config']['Labels'][f'{_LABEL}service']}-1"


class ComposeKind(Kind):
    """Deployments of a compose file; of `deploy/compose.yaml`, where a heir names no other."""

    platform = Compose
    word = "compose"
    usual = BY_HAND
    file = "compose.yaml"
    target = "//deploy:compose"
    asked: tuple[str, ...] = ("COMPOSE_PROFILES",)
    brings_back = True

    def check(
        self, reach: Reach, request: Request, before: Deployment | None, state: State
    ) -> dict[str, Any]:
        del reach, request, before, state
        return self.usual_plan()

    def settings(self, request: Request, before: Mapping[str, str]) -> dict[str, str]:
        del before
        published = {"EG_PUBLISH": f"127.0.0.1:{request.port}"} if request.port else {}
        return {NETWORK: request.name, "COMPOSE_PROJECT_NAME": request.name, **published}

    def prepare(
        self, reach: Reach, variables: Mapping[str, str], image: str, say: Say
    ) -> dict[str, str]:
        del say
        return reach.socket(variables, image)

    def gateway(self, reach: Reach, deployment: Deployment, state: State) -> Compose:
        file = state.file(self.file)
        labels = {
            f"{_PROJECT}.config_files": file,
            f"{_PROJECT}.environment_file": state.path(deployment.name),
            f"{_PROJECT}.working_dir": os.path.dirname(file),
        }
        # Not sooner: what was deployed can be removed when its file has changed.
        describe = partial(read, file, deployment.variables)
        return self.platform(reach.docker, deployment.name, describe, labels)

    def fix(self, name: str, error: ActionError) -> str:
        again = f"./doitw deploy {self.word} --name {name}"
        if isinstance(error, NotUp):
            return f"EG_LOG_LEVEL=DEBUG {again}"
        return f"{again} --port 8889  # if the port is taken; else see above"


KIND = ComposeKind()
