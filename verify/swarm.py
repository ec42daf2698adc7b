"""The real gateway as a service of a Docker Swarm of one node, on an overlay network.

An engine that is in no swarm is put into one for the run, and leaves it at the end.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.types import EndpointSpec, Mount, RestartPolicy

from buildlib.errors import ActionError
from verify.engine import LABEL
from verify.rules import Broken
from verify.server import PORT, SOCKET, Server
from verify.stopping import held
from verify.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verify.engine import Engine

LOOPBACK = "127.0.0.1"
BRIDGE = "docker_gwbridge"  # the engine makes it when it joins, and keeps it when it leaves
LEAVE_SECONDS = 30


class SwarmServer(Server):
    """A gateway whose kernels are services."""

    cull_seconds = 30  # all languages run in it, and a JVM starts slowly
    keeps_ended = True

    def __init__(
        self, engine: Engine, image: dict[str, Any], timeout: float, images: Sequence[str] = ()
    ) -> None:
        super().__init__(engine, image, timeout, images)
        self._service: Any = None
        self._joined = False
        self._had_bridge = True

    def close(self) -> None:
        """Remove the services, then leave the swarm if this run has made it."""
        client: Any = self.engine.client  # much of swarm has no types
        if self._service is not None:
            for service in client.services.list(filters={"name": self.engine.run}):
                with contextlib.suppress(docker.errors.APIError):
                    service.remove()
        try:
            self.engine.clear(seconds=LEAVE_SECONDS)
        finally:
            if self._joined:
                client.swarm.leave(force=True)
                if not self._had_bridge:
                    until(self._remove_bridge, LEAVE_SECONDS, pause=0.5)

    def log(self) -> str:
        """What it has printed; from its container, as the log of a service comes late."""
        found = self.engine.client.containers.list(
            all=True, filters={"label": f"{LABEL}={self.engine.run}"}, ignore_removed=True
        )
        with contextlib.suppress(docker.errors.APIError):
            return b"".join(container.logs() for container in found).decode(errors="replace")
        return ""

    def _launch(self) -> str:
        self._join()
        network = self.engine.make_network("overlay")
        services: Any = self.engine.client.services
        port = _free_port()
        # Every address: host mode knows no other. The token keeps others out.
        ports: Any = {port: (PORT, "tcp", "host")}
        try:
            with held():
                self._service = services.create(
                    self.image_id,
                    name=f"{self.engine.run}-gateway",
                    env=[f"{name}={value}" for name, value in self.env().items()],
                    labels={LABEL: self.engine.run},
                    container_labels={LABEL: self.engine.run},
                    user=self.user,
                    groups=[str(self.socket_group)],
                    mounts=[Mount(SOCKET, self.socket, type="bind")],
                    networks=[network.id],
                    endpoint_spec=EndpointSpec(mode="dnsrr", ports=ports),
                    restart_policy=RestartPolicy(condition="none"),
                )
        except docker.errors.APIError as error:
            message = f"the swarm takes no such service: {error.explanation}"
            raise Broken("gateway-start", message) from error
        return f"http://{LOOPBACK}:{port}"

    def _ended(self) -> str:
        for task in self._service.tasks() if self._service else ():
            status = task["Status"]
            if status["State"] in {"failed", "rejected", "complete", "shutdown"}:
                return f"the task is {status['State']}: {status.get('Err') or 'it has ended'}"
        return ""

    def _join(self) -> None:
        client = self.engine.client
        swarm = client.info()["Swarm"]
        if swarm["LocalNodeState"] == "active":
            if not swarm["ControlAvailable"]:
                raise ActionError(
                    "this engine is a worker of a swarm; the gateway needs a manager",
                    fix="docker node promote NODE  # on a manager",
                )
            return
        self._had_bridge = bool(client.networks.list(names=[BRIDGE]))
        try:
            with held():
                client.swarm.init(advertise_addr=LOOPBACK, listen_addr=f"{LOOPBACK}:2377")
                self._joined = True
        except docker.errors.APIError as error:
            raise ActionError(f"the engine makes no swarm: {error.explanation}") from error
        time.sleep(0.5)  # networks are refused in the first moments

    def _remove_bridge(self) -> bool:
        try:
            for network in self.engine.client.networks.list(names=[BRIDGE]):
                network.remove()
        except docker.errors.APIError:
            return False
        return True


def _free_port() -> int:
    with socket.create_server(("", 0)) as sock:
        return int(sock.getsockname()[1])
