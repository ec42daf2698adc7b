"""What images are called."""

from __future__ import annotations

from buildlib.model.settings import Settings
from buildlib.store import names


def test_a_content_tag_is_a_reference_docker_takes() -> None:
    tag = names.content_tag(Settings(), "kernel-py", "0123456789abcdef" * 4)
    assert tag == "elyra/kernel-py:key-0123456789abcdef0123456789abcdef"
    assert len(tag.rpartition(":")[2]) <= 128


def test_the_registry_stands_before_the_organisation() -> None:
    settings = Settings(organization="acme", registry="example.org:5000")
    assert names.repository(settings, "a") == "example.org:5000/acme/a"
    assert names.channel_tag(settings, "a") == "example.org:5000/acme/a:dev"
    assert names.channel_tag(Settings(), "a", "2.5.0") == "elyra/a:2.5.0"
