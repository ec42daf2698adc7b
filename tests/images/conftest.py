"""The built images under test, and ways to look into them.

The images are taken as they are in the engine; nothing is built here. `TEST_IMAGES` names other
ones than the last build's, for example `TEST_IMAGES=registry.example.com/elyra/{name}:2.5.0`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol

import docker
import docker.errors
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Run(Protocol):
    """Run a program in a fresh container without a network, and give what it printed."""

    def __call__(self, name: str, *command: str, user: str | None = None) -> str: ...


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine that holds the images."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Callable[[str], str]:
    """`image("kernel-py")` is the reference of that image; a missing image fails the test."""
    template = os.environ.get("TEST_IMAGES", "elyra/{name}:dev")

    def reference(name: str) -> str:
        wanted = template.format(name=name)
        try:
            engine.images.get(wanted)
        except docker.errors.ImageNotFound:
            pytest.fail(f"{wanted} is not in the engine; fix: ./doitw build:{name}")
        return wanted

    return reference


@pytest.fixture(scope="session")
def config(engine: docker.DockerClient, image: Callable[[str], str]) -> Callable[[str], Any]:
    """`config("kernel-py")` is the image's configuration as `docker inspect` shows it."""
    return lambda name: engine.images.get(image(name)).attrs["Config"]


@pytest.fixture(scope="session")
def run(engine: docker.DockerClient, image: Callable[[str], str]) -> Run:
    """See `Run`; a program that fails fails the test, with what it wrote to stderr."""

    def run(name: str, *command: str, user: str | None = None) -> str:
        try:
            output: bytes = engine.containers.run(
                image(name), list(command), user=user, network_mode="none", remove=True
            )
        except docker.errors.ContainerError as error:
            said: Any = error.stderr or b"nothing"  # bytes, whatever its stub says
            pytest.fail(f"exit {error.exit_status} in {name} as {user}; stderr:\n{said.decode()}")
        return output.decode()

    return run


@pytest.fixture(scope="session")
def python(run: Run) -> Callable[..., Any]:
    """Run a script in an image; its last line is JSON, and is the result."""

    def python(name: str, script: str, user: str | None = None) -> Any:
        return json.loads(run(name, "python", "-c", script, user=user).splitlines()[-1])

    return python
