"""Names and tags of images in engine and registry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildlib.core.model import version
from buildlib.core.model.settings import Settings

DEV = version.DEV
RECORD = "record-"
_KEY_LENGTH = 32
"""Hex digits of a key in a content tag: 128 bits are enough to be unique."""


def repository(settings: Settings, name: str) -> str:
    """`registry/organisation/name`; without the registry if none is set."""
    path = f"{settings.organization}/{name}"
    return f"{settings.registry}/{path}" if settings.registry else path


def without_host(repository: str, host: str) -> str:
    """A name of `repository` as its registry knows it: without the host."""
    return repository.removeprefix(f"{host}/")


def key_digits(key: str) -> str:
    """The start of a key, as tags hold it."""
    return key[:_KEY_LENGTH]


def key_tag(key: str) -> str:
    """The content tag of an image that was built for a key."""
    return f"key-{key_digits(key)}"


def record_tag(key: str) -> str:
    """The tag of a key's record in a registry."""
    return f"{RECORD}{key_digits(key)}"


def content_tag(settings: Settings, name: str, key: str) -> str:
    """The reference of an image by its key: `elyra/kernel-py:key-0123…`."""
    return f"{repository(settings, name)}:{key_tag(key)}"


def channel_tag(settings: Settings, name: str, channel: str = DEV) -> str:
    """The reference that people use: `elyra/kernel-py:dev`."""
    return f"{repository(settings, name)}:{channel}"


def names_of(settings: Settings, name: str, tags: Iterable[str], channel: str) -> list[str]:
    """All references that people use for an image: the channel's, then its further tags."""
    return [channel_tag(settings, name, tag) for tag in (channel, *tags)]


def file_version(version: str) -> str:
    """A version in file names: upstream writes `.devN` as `.SNAPSHOT`."""
    return re.sub(r"\.dev\d+\Z", ".SNAPSHOT", version)
