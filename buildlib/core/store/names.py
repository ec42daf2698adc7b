"""What an image is called in engine and registry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildlib.core.model import version
from buildlib.core.model.settings import Settings

DEV = version.DEV
"""Channel of all builds but releases: the tag of their images."""
RECORD = "record-"
_KEY_LENGTH = 32
"""Hex digits of a key in a content tag: 128 bits, more than enough to be unique."""


def repository(settings: Settings, name: str) -> str:
    """`registry/organisation/name`, without the registry where none is set."""
    path = f"{settings.organization}/{name}"
    return f"{settings.registry}/{path}" if settings.registry else path


def without_host(repository: str, host: str) -> str:
    """A repository as its registry knows it.

    Args:
        host: The registry's, as its client has it.
    """
    return repository.removeprefix(f"{host}/")


def key_digits(key: str) -> str:
    """As much of a key as its tags hold."""
    return key[:_KEY_LENGTH]


def key_tag(key: str) -> str:
    """The tag of an image that was built for a key."""
    return f"key-{key_digits(key)}"


def record_tag(key: str) -> str:
    """The tag, in a registry, of the record of a key."""
    return f"{RECORD}{key_digits(key)}"


def content_tag(settings: Settings, name: str, key: str) -> str:
    """The reference that stands for one content: `elyra/kernel-py:key-0123…`."""
    return f"{repository(settings, name)}:{key_tag(key)}"


def channel_tag(settings: Settings, name: str, channel: str = DEV) -> str:
    """The reference people use: `elyra/kernel-py:dev`."""
    return f"{repository(settings, name)}:{channel}"


def names_of(settings: Settings, name: str, tags: Iterable[str], channel: str) -> list[str]:
    """All references people use for an image: that of the channel, then its further tags."""
    return [channel_tag(settings, name, tag) for tag in (channel, *tags)]


def file_version(version: str) -> str:
    """A version as it stands in names of files: upstream writes `.devN` as `.SNAPSHOT`."""
    return re.sub(r"\.dev\d+\Z", ".SNAPSHOT", version)
