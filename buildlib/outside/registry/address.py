"""The server behind a registry's name, and whether it may speak plain HTTP.

As with Docker, plain HTTP is for loopback only. Sends no request.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from buildlib.core.model.settings import HUB, LAST_PORT, canonical_registry
from buildlib.errors import InputError

_HUB_SERVER = "registry-1.docker.io"
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?\Z")


class Server(NamedTuple):
    """A registry.

    Attributes:
        host: As people write it in front of images.
        server: Host, with its port if any, that requests go to.
        loopback: Whether it is on this machine, so that it may speak plain HTTP.
    """

    host: str
    server: str
    loopback: bool

    def repository(self, name: str) -> str:
        """The repository's name on the server: on Docker Hub, official images are in `library`."""
        return f"library/{name}" if self.host == HUB and "/" not in name else name


def server_of(host: str) -> Server:
    """The server of a registry: `registry.example.com:5000`, `docker.io`, `[::1]:5000`."""
    found = _HOST.match(host)
    if found is None or not 0 < int((found[2] or ":1")[1:]) <= LAST_PORT:
        raise InputError(
            f"{host!r} is not a registry: it takes a host name with an optional port",
            fix='registry = "registry.example.com:5000"  # in [tool.buildlib] of pyproject.toml',
        )
    if canonical_registry(host) == HUB:
        return Server(HUB, _HUB_SERVER, loopback=False)
    return Server(host, host, is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is localhost or a loopback address."""
    name = re.sub(r":[0-9]+\Z", "", host) if host.count(":") == 1 or "]" in host else host
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
