"""Start a kernel in a container of its own: with plain Docker, or as a service of Docker Swarm.

It is the command of a kernelspec: the gateway runs it with its own Python, finds the container by
the label `kernel_id`, and waits for what the kernel reports. An exit code other than 0 ends that
waiting at once; the one line written then is what an administrator sees in the gateway's log.

kernel_request.py says what may be asked for, launch_errors.py what went wrong; both lie beside it,
and are copied with it. No value goes through a shell. It knows nothing of what runs in the
container.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernel_request import Request, read_request
from launch_errors import LATE, NO_IMAGE, REFUSED, LaunchError, explain, shown

WATCH = 3  # seconds: a kernel that ends that soon has not been started
GONE, IN_USE = 404, 409  # what the engine answers
KILLED = 137  # exit code of what the gateway removes: it does so by force
SWARM_FAILED = ("failed", "rejected", "complete", "shutdown", "orphaned", "remove")
SWARM_GPUS = "NVIDIA-GPU"  # the generic resource that Docker's documentation has nodes announce


def start(client: Any, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
    """Start the kernel's container or service, and see that it stays.

    Args:
        client: A `docker.DockerClient`.
        request: What to start.
        clock: Seconds that go by.

    Raises:
        LaunchError: It did not start, or ended at once.
    """
    end = clock() + request.timeout
    if request.swarm:
        settings = service_settings(request)
        if len(client.nodes.list()) == 1:
            # The gateway removes a rejected service, and this script with it, before it can say
            # why. With one node it is known beforehand; with more, another may have the image.
            pull_if_missing(client, request)
        service = create(client.services, request, settings)
        watch_service(service, request, end, clock)
        return
    pull_if_missing(client, request)
    if clock() >= end:  # or it would run for a gateway that expects it no more
        raise LaunchError(
            f"pulling {request.image} took longer than the {request.timeout:g} s that the gateway "
            "waits", LATE, "start the kernel again: the image is here now",
        )  # fmt: skip
    container = create(client.containers, request, container_settings(request))
    try:
        container.start()
        watch_container(container)
    except BaseException:
        remove(container, request)
        raise


def create(collection: Any, request: Request, settings: dict[str, Any]) -> Any:
    """Create it in place of what is left of the same kernel: a restart uses the name again."""
    from docker.errors import APIError

    labels = [f"kernel_id={request.labels['kernel_id']}", "component=kernel"]
    stopped = {} if request.swarm else {"all": True, "ignore_removed": True}
    for attempt in range(50):
        for old in collection.list(filters={"label": labels}, **stopped):
            remove(old, request)
        try:
            return collection.create(request.image, **settings)
        except APIError as error:  # while it is being removed, its name is in use
            if error.status_code != IN_USE or attempt == 49:  # noqa: PLR2004
                raise
            time.sleep(0.1)
    return None


def remove(made: Any, request: Request) -> None:
    """Remove a container or service, even if somebody else is about to do so."""
    from docker.errors import APIError

    try:
        made.remove(**({} if request.swarm else {"force": True}))
    except APIError as error:
        if error.status_code not in (GONE, IN_USE):
            raise


def pull_if_missing(client: Any, request: Request) -> None:
    """Fetch an image that the engine does not have, with the docker client's credentials."""
    from docker.errors import APIError, ImageNotFound
    from docker.utils import parse_repository_tag

    try:
        client.images.get(request.image)
    except ImageNotFound:
        repository, tag = parse_repository_tag(request.image)
        why = ""
        try:
            for line in client.api.pull(repository, tag or "latest", stream=True, decode=True):
                why = line.get("error") or why
        except APIError as error:
            why = str(error.explanation or error)
        if why:
            message = f"the engine has no image {request.image} and cannot pull it: {why}"
            fix = "correct KERNEL_IMAGE, or image_name in kernel.json"
            raise LaunchError(message, NO_IMAGE, fix) from None


def watch_container(container: Any) -> None:
    """See that a container lives for a while: the gateway would wait in vain for one that ended."""
    from docker.errors import NotFound
    from requests.exceptions import RequestException

    log = bytearray()

    def follow() -> None:  # while it runs: the engine removes it with its log
        try:
            for piece in container.logs(stream=True, follow=True, tail=5):
                log.extend(piece[-1000:])
        except Exception:  # noqa: BLE001 - not every log can be read; nothing depends on it
            return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        code = container.wait(timeout=WATCH)["StatusCode"]
    except NotFound:
        code = "unknown"
    except RequestException:  # no answer in that time: it lives
        return
    if code == KILLED:
        return
    thread.join(1)
    lines = log.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "none")
    raise LaunchError(
        f"the kernel's container ended at once, with exit code {code}; last words: {shown(last)}",
        REFUSED,
    )


def watch_service(service: Any, request: Request, end: float, clock: Callable[[], float]) -> None:
    """See that a service's only task gets to run, as long as the gateway waits."""
    begun = clock()
    while clock() < end:
        for task in service.tasks():
            state, why = task["Status"]["State"].lower(), task["Status"].get("Err", "")
            if state == "running":
                return
            if state in SWARM_FAILED or (why and clock() - begun > WATCH):
                remove(service, request)
                code = NO_IMAGE if "no such image" in why.lower() else REFUSED
                raise LaunchError(f"no node starts {request.image}: {why or state}", code)
        time.sleep(0.2)


def container_settings(request: Request) -> dict[str, Any]:
    """Arguments for plain Docker."""
    from docker.types import DeviceRequest

    devices = [DeviceRequest(count=request.gpus, capabilities=[["gpu"]])] if request.gpus else []
    found = {
        "name": request.name,
        "hostname": request.name,
        "auto_remove": request.remove,
        "environment": request.environment,
        "labels": request.labels,
        "user": request.user,
        "group_add": request.groups,
        "network": request.network,
        "mounts": docker_mounts(request),
        "working_dir": request.working_dir,
        # As Kubernetes does: what is set aside counts while there is not enough for all.
        "cpu_shares": request.cpus and max(2, min(1024 * request.cpus // 10**9, 262144)),
        "nano_cpus": request.cpus_limit,
        "mem_reservation": request.memory,
        "mem_limit": request.memory_limit,
        "device_requests": devices,
    }
    return {name: value for name, value in found.items() if value}


def service_settings(request: Request) -> dict[str, Any]:
    """Arguments for Docker Swarm."""
    from docker.types import EndpointSpec, Resources, RestartPolicy

    resources = Resources(
        cpu_limit=request.cpus_limit or None,
        mem_limit=request.memory_limit or None,
        cpu_reservation=request.cpus or None,
        mem_reservation=request.memory or None,
        generic_resources={SWARM_GPUS: request.gpus} if request.gpus else None,
    )
    found = {
        "name": request.name,
        "hostname": request.name,
        "env": [f"{name}={value}" for name, value in request.environment.items()],
        "labels": request.labels,
        "container_labels": request.labels,
        "user": request.user,
        "groups": request.groups,
        "networks": [request.network],
        "mounts": docker_mounts(request),
        "workdir": request.working_dir,
        "resources": resources,
        "endpoint_spec": EndpointSpec(mode="dnsrr"),
        "restart_policy": RestartPolicy(condition="none"),
    }
    return {name: value for name, value in found.items() if value}


def docker_mounts(request: Request) -> list[Any]:
    """The mounts, as the engine wants them."""
    from docker.types import Mount as Made

    return [
        Made(mount.target, mount.source or None, type=mount.kind, read_only=mount.read_only)
        for mount in request.mounts
    ]


def names_in_stanza() -> list[str]:
    """Names of the variables in the `env` of the kernelspec that this file lies in."""
    try:
        spec = json.loads((Path(__file__).parent.parent / "kernel.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(spec.get("env", {}))


def main() -> int:
    """Start a kernel; returns the exit code."""
    try:
        request = read_request(sys.argv[1:], os.environ, names_in_stanza())
        import docker

        start(docker.DockerClient.from_env(), request)
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        known = explain(error, os.environ)
        fix = f"; fix: {known.fix}" if known.fix else ""
        print(f"launch_docker: error: {' '.join(str(known).split())}{fix}", file=sys.stderr)
        return known.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
