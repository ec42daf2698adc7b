"""Families of small targets to build, each in a folder, a store and an organisation of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e_engine import Images
from e2e_gate import Gate
from e2e_process import PATIENCE, Family

if TYPE_CHECKING:
    import docker

DEFAULT_ENGINE = "unix:///var/run/docker.sock"


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Family]:
    """A family on a machine without an engine."""
    family = Family.new(tmp_path / "family", "e2e-offline")
    yield family
    family.close()


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The engine, for looking into it."""
    import docker

    found = docker.from_env()
    yield found
    found.close()


def _own_images(client: docker.DockerClient) -> Iterator[Images]:
    found = Images(client, f"e2e-{secrets.token_hex(4)}")
    yield found
    found.remove()


@pytest.fixture
def images(client: docker.DockerClient) -> Iterator[Images]:
    """The images of an organisation that nobody else uses; gone when the test ends."""
    yield from _own_images(client)


@pytest.fixture(scope="module")
def module_images(client: docker.DockerClient) -> Iterator[Images]:
    """The same for the tests of a whole module."""
    yield from _own_images(client)


@pytest.fixture
def family(tmp_path: Path, images: Images) -> Iterator[Family]:
    """A family on a machine with an engine, not built yet."""
    family = Family.new(tmp_path / "family", images.organization, "")
    yield family
    family.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate before the engine; give its `url` to a family as DOCKER_HOST."""
    folder = Path(tempfile.mkdtemp(prefix="e2e-"))  # a socket's path must be short
    kind, _, socket = os.environ.get("DOCKER_HOST", DEFAULT_ENGINE).partition("://")
    assert kind == "unix", "these tests stand before the engine's own socket"
    gate = Gate(folder / "d.sock", socket, PATIENCE)
    yield gate
    gate.close()
    shutil.rmtree(folder)


@pytest.fixture
def gated(family: Family, gate: Gate) -> Family:
    """A family whose builds pass the gate."""
    family.env["DOCKER_HOST"] = gate.url
    return family


@pytest.fixture
def clone(family: Family) -> Iterator[Callable[[str], Family]]:
    """`clone("name")` is a clone of the family; what runs in it ends with the test."""
    made: list[Family] = []

    def make(name: str) -> Family:
        made.append(family.clone(name))
        return made[-1]

    yield make
    for one in made:
        one.close()
