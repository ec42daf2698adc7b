"""Who pulls: the node's container runtime, by the Docker API or by Kubernetes' CRI."""

from __future__ import annotations

import grp
import os
import stat
from typing import Protocol

from kernel_image_puller.credentials import Credentials
from kernel_image_puller.references import Reference

ASK_SECONDS = 60  # for answers that the runtime has at hand
PULL_SECONDS = 3600  # for an image; what has been fetched until then is not fetched again


class Runtime(Protocol):
    """A container runtime, used by several threads at a time."""

    def has(self, reference: Reference) -> bool:
        """Whether the image is there under this name.

        Raises:
            RuntimeUnreachable: Nobody answers.
            PullFailed: The runtime refuses to say.
        """
        ...

    def pull(self, reference: Reference, credentials: Credentials | None) -> None:
        """Fetch the image, or see that the registry has nothing newer.

        Raises:
            RuntimeUnreachable: Nobody answers.
            PullFailed: It did not come.
        """
        ...


def make_runtime(endpoint: str) -> Runtime:
    """The runtime at an address; the import of its library is what start-up takes longest for."""
    if speaks_docker(endpoint):
        from kernel_image_puller.docker_runtime import DockerRuntime

        return DockerRuntime(endpoint)
    from kernel_image_puller.cri_runtime import CriRuntime

    return CriRuntime(endpoint)


def speaks_docker(endpoint: str) -> bool:
    """Whether an endpoint is the Docker API's, by its name.

    The socket of cri-dockerd has the engine's name in its own, and speaks CRI.
    """
    return endpoint.startswith("tcp:") or ("docker" in endpoint and "cri-docker" not in endpoint)


def explain(endpoint: str) -> str:
    """Why nobody answers at an endpoint, as far as it can be seen from here."""
    if not endpoint.startswith("unix://"):
        return f"nobody answers at {endpoint}"
    path = endpoint.removeprefix("unix://")
    try:
        found = os.stat(path)
    except OSError as error:
        return f"{path}: {error.strerror}; mount the socket into the container (KIP_CRI_ENDPOINT)"
    if not stat.S_ISSOCK(found.st_mode):
        return f"{path} is no socket; mount the runtime's socket there (KIP_CRI_ENDPOINT)"
    if not os.access(path, os.R_OK | os.W_OK):
        return (
            f"{path} is not for user {os.getuid()}; give the puller its group,"
            f" {_group(found.st_gid)}: --group-add {found.st_gid},"
            f" on Kubernetes supplementalGroups: [{found.st_gid}]"
        )
    return f"nobody answers at {path}; if the runtime was started anew, start the puller anew, too"


def _group(gid: int) -> str:
    try:
        return f"{gid} ({grp.getgrgid(gid).gr_name})"
    except KeyError:
        return str(gid)
