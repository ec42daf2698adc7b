"""What images are called."""

from __future__ import annotations

import pytest

from buildlib.core.model.settings import Settings
from buildlib.core.store import names
from buildlib.outside.registry.client import connect
from tests.support.settings import parse_settings


def test_a_content_tag_is_a_reference_docker_takes() -> None:
    tag = names.content_tag(Settings(), "kernel-py", "0123456789abcdef" * 4)
    assert tag == "elyra/kernel-py:key-0123456789abcdef0123456789abcdef"
    assert len(tag.rpartition(":")[2]) <= 128


def test_the_registry_stands_before_the_organisation() -> None:
    settings = Settings(organization="acme", registry="example.org:5000")
    assert names.repository(settings, "a") == "example.org:5000/acme/a"
    assert names.channel_tag(settings, "a") == "example.org:5000/acme/a:dev"
    assert names.channel_tag(Settings(), "a", "2.5.0") == "elyra/a:2.5.0"


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_name(host: str) -> None:
    settings = parse_settings(f'[tool.buildlib]\nregistry = "{host}"\n')
    repository = names.repository(settings, "kernel-py")
    assert repository == "docker.io/elyra/kernel-py"
    assert names.without_host(repository, connect(host).host) == "elyra/kernel-py"


def test_a_registry_knows_a_repository_without_its_own_host() -> None:
    settings = Settings(registry="example.org:5000/team")
    assert names.without_host(names.repository(settings, "a"), "example.org:5000") == "team/elyra/a"
