"""Which engine answers: its product, its version, and the API versions it speaks.

Asked before a build does anything, never where there is nothing to do. Other products answer the
same API: podman, which has no BuildKit, so it cannot build our images.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from buildlib.engine.find import INSTALL, Endpoint
from buildlib.errors import InputError

DOCKER = "Docker Engine"


class About(NamedTuple):
    """What an engine says of itself.

    Attributes:
        product: `Docker Engine`, or the name of another, such as `podman`.
        api: The newest version of the API that it speaks, such as `1.44`.
        least_api: The oldest that it takes from a client.
    """

    product: str
    version: str
    api: str
    least_api: str


@cache  # an engine runs programs to find its parts' versions: 6 ms
def about(endpoint: Endpoint) -> About:
    """Ask an engine what it is; a process asks once.

    Raises:
        EngineUnavailable: None answers.
    """
    from buildlib.engine.api import EngineClient

    return about_of(EngineClient(endpoint).version())


def about_of(version: dict[str, Any]) -> About:
    """Read an engine's answer to `/version`."""
    # A Docker Engine calls its own part "Engine"; engines before 18.06 name no parts.
    names = [part.get("Name", "") for part in version.get("Components") or ()]
    product = DOCKER
    if names and "Engine" not in names:
        product = "podman" if "Podman Engine" in names else names[0]
    return About(
        product,
        version.get("Version", ""),
        version.get("ApiVersion", ""),
        version.get("MinAPIVersion", ""),
    )


def refuse_foreign(endpoint: Endpoint, engine: About) -> None:
    """Refuse to build on an engine that is no Docker Engine, with an `InputError`.

    Docker clients would not say so: buildx starts a builder from Docker Hub, which has none of our
    parent images, and an older client's connection fails.
    """
    if engine.product == DOCKER:
        return
    fix = INSTALL
    if endpoint.origin == "DOCKER_HOST":
        fix = "unset DOCKER_HOST  # or name the socket of a Docker Engine"
    elif endpoint.context:
        fix = "unset DOCKER_CONTEXT; docker context use default  # or that of a Docker Engine"
    chosen = f" (from {endpoint.origin})" if endpoint.origin else ""
    raise InputError(
        f"{engine.product} {engine.version} answers at {endpoint.url}{chosen}, which is no "
        f"{DOCKER}: it has no BuildKit to build images with",
        fix=fix,
    )
