"""Choose the wheels of an image from a pylock.toml (PEP 751). Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from packaging.markers import default_environment
from packaging.pylock import PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.tags import Tag, compatible_tags, cpython_tags

from buildlib.core.model.lock import Item
from buildlib.errors import ActionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GLIBC_MINOR = 35
"""glibc 2.35, of Ubuntu 22.04: the oldest that images stand on (Debian 12 has 2.36)."""
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""Platforms with wheels -> what Python calls their machines."""


class Interpreter(NamedTuple):
    """The Python of an image.

    Attributes:
        version: Such as `3.11`.
        machine: One of the values of `MACHINES`.
    """

    version: str
    machine: str

    @property
    def tags(self) -> Iterator[Tag]:
        """The wheel tags that it takes, best first (PEP 425, 600)."""
        machine = self.machine
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 4, -1)]
        platforms += [f"manylinux2014_{machine}"]
        if machine == "x86_64":
            platforms += [f"manylinux2010_{machine}", f"manylinux1_{machine}"]
        platforms += [f"linux_{machine}"]
        major, minor = map(int, self.version.split("."))
        yield from cpython_tags((major, minor), platforms=platforms)
        yield from compatible_tags((major, minor), f"cp{major}{minor}", platforms)


def best_wheels(pylock: str, python: Interpreter) -> dict[str, Item]:
    """Return the best wheel of each package, as a pin, by file name.

    The text of the pylock.toml is for one platform.

    Raises:
        ActionError: A package has no wheel that fits, or none with a sha256.
    """
    environment = default_environment()
    environment["python_version"] = python.version
    environment["python_full_version"] = f"{python.version}.0"
    wheels = {}
    try:
        lock = Pylock.from_dict(tomllib.loads(pylock))
        for package, file in lock.select(environment=environment, tags=list(python.tags)):
            if isinstance(file, PackageWheel):
                sha256 = file.hashes["sha256"]
                wheels[file.filename] = Item(
                    str(package.version), sha256, file.size or 0, package.name
                )
    except (PylockSelectError, PylockValidationError, KeyError) as error:
        raise ActionError(
            "the index has no wheel of a requirement for this platform", detail=str(error)
        ) from None
    return wheels
