"""The gateway as `verify` starts it on each platform: the least that runs, whatever image it is.

What happens then (what is waited for, which kernels are there, what is removed) is the platform's
own: `deploy/platform.py` says what all of them do, and `./doitw deploy` uses the same.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.compose import Compose
from deploy.composefile import Project, Service
from deploy.docker_api import Docker
from deploy.platform import Platform, Say
from deploy.swarm import STACK, Swarm
from verify.engine import Engine

if TYPE_CHECKING:
    from verify.cluster import Cluster

PORT = 8888
SOCKET = "/var/run/docker.sock"
_NO_HEALTH = {"Test": ["NONE"]}  # we ask the gateway ourselves, and sooner


class Gateway(NamedTuple):
    """What is started.

    Attributes:
        image: ID of its image.
        reference: How its image was named: what a cluster pulls.
        env: The variables it is started with.
        user: `uid:gid`, or a name.
        socket: The engine's socket.
        group: Number of the socket's group.
    """

    image: str
    reference: str
    env: Mapping[str, str]
    user: str
    socket: str
    group: int


class Place(NamedTuple):
    """A platform.

    Attributes:
        start: Makes the platform of a gateway, which is not up yet.
        cull_seconds: The limit for idle kernels; one that starts slower would be culled as idle.
        gone_seconds: Within which the container of a deleted kernel is gone.
        launch_seconds: That a kernel has to report, at least.
        spark: How the master of Spark's kernels begins.
        on_engine: Whether the gateway needs the engine's socket.
        cluster: What is tried on it beside what a gateway does everywhere; None where nothing is.
        user: Whose kernels they are; empty for the run's own name.
        yarn: Whether it is the demo, whose Spark runs on YARN.
        python: The gateway's own Python in its image.
    """

    start: Callable[[Engine, Gateway], Platform]
    cull_seconds: int
    gone_seconds: float = 2.0
    launch_seconds: float = 0.0
    spark: str = "local["
    on_engine: bool = True
    cluster: Cluster | None = None
    user: str = ""
    yarn: bool = False
    python: str = "python"


def _on_docker(engine: Engine, gateway: Gateway) -> Platform:
    """As a container, on a free port of 127.0.0.1."""
    inner = f"{PORT}/tcp"
    body = {
        "Hostname": f"{engine.run}-gateway",
        "User": gateway.user,
        "Env": _env(gateway),
        "ExposedPorts": {inner: {}},
        "Healthcheck": _NO_HEALTH,
        "HostConfig": {
            "GroupAdd": [str(gateway.group)],
            "Mounts": [_mount(gateway)],
            "NetworkMode": engine.network.name,
            "PortBindings": {inner: [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        },
    }
    service = Service("gateway", body, gateway.image)
    project = Project({"Name": engine.run}, "kernels", [service])
    return Compose(_docker(engine), engine.run, lambda: project, engine.labels)


def _on_swarm(engine: Engine, gateway: Gateway) -> Platform:
    """As a service, on a free port of every address, since Swarm knows no other.

    The gateway's token keeps others out. An engine that is in no swarm is put into one for the run,
    and leaves it at the end.
    """
    docker = _docker(engine)
    labels = {**engine.labels, STACK: engine.run}

    def start(say: Say) -> None:
        del say
        network = engine.make_network("overlay", labels)
        port = {"PublishedPort": _free_port(), "TargetPort": PORT, "PublishMode": "host"}
        container = {
            "Image": gateway.image,
            "Labels": labels,
            "User": gateway.user,
            "Groups": [str(gateway.group)],
            "Env": _env(gateway),
            "Mounts": [_mount(gateway)],
            "Healthcheck": _NO_HEALTH,
        }
        body = {
            "Name": f"{engine.run}-gateway",
            "Labels": labels,
            "TaskTemplate": {
                "ContainerSpec": container,
                "Networks": [{"Target": network.id}],
                "RestartPolicy": {"Condition": "none"},
            },
            "EndpointSpec": {"Mode": "dnsrr", "Ports": [port]},
        }
        docker.call("POST", "/services/create", body, what="make the gateway's service")

    return Swarm(docker, engine.run, start, may_make=True)


DOCKER = Place(_on_docker, cull_seconds=6)
SWARM = Place(_on_swarm, cull_seconds=30)  # all languages run in it, and a JVM starts slowly


def _docker(engine: Engine) -> Docker:
    return Docker(lambda: engine.client.api)


def _env(gateway: Gateway) -> list[str]:
    return [f"{name}={value}" for name, value in gateway.env.items()]


def _mount(gateway: Gateway) -> dict[str, Any]:
    return {"Type": "bind", "Source": gateway.socket, "Target": SOCKET}


def _free_port() -> int:
    with socket.create_server(("", 0)) as sock:
        return int(sock.getsockname()[1])
