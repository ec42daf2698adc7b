"""Where a registry is: the server behind its name, how it is spoken to, and whom we trust for it.

As Docker does: plain HTTP on loopback only; for others TLS, trusted by the host's authorities and
those in `/etc/docker/certs.d/HOST`. Nothing here asks the network.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from typing import NamedTuple

from buildlib.errors import InputError

HUB = "docker.io"
_HUB_SERVER = "registry-1.docker.io"
_HUB_NAMES = (HUB, "index.docker.io", _HUB_SERVER)
CERTIFICATES = "/etc/docker/certs.d"
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?\Z")


class Server(NamedTuple):
    """A registry by name, and what is asked for it.

    Attributes:
        host: As people write it in front of images.
        server: Host, with its port where it has one, that answers.
        loopback: Whether it is on this machine, so that it may speak plain HTTP.
    """

    host: str
    server: str
    loopback: bool

    def repository(self, name: str) -> str:
        """A repository as the server knows it: Docker Hub's own images have a `library`."""
        return f"library/{name}" if self.host == HUB and "/" not in name else name


def server_of(host: str) -> Server:
    """What to ask for a registry.

    Args:
        host: `registry.example.com:5000`, `docker.io`, `[::1]:5000`.

    Raises:
        InputError: It is no host with an optional port.
    """
    if not _HOST.match(host):
        raise InputError(
            f"{host!r} is not a registry: it takes a host name with an optional port",
            fix='registry = "registry.example.com:5000"  # in [tool.buildlib] of pyproject.toml',
        )
    if host.lower() in _HUB_NAMES:
        return Server(HUB, _HUB_SERVER, loopback=False)
    return Server(host, host, is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its very name."""
    name = re.sub(r":[0-9]+\Z", "", host) if host.count(":") == 1 or "]" in host else host
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def trust(host: str, *, folder: str = "") -> ssl.SSLContext:
    """How the certificate of a registry is judged.

    Args:
        host: The registry's name.
        folder: Where authorities lie, in a folder for each registry; Docker's if empty. As for
            Docker, NAME.crt is an authority, NAME.cert with NAME.key is what we show of ourselves.

    Raises:
        InputError: A file there cannot be used.
    """
    context = ssl.create_default_context()
    folder = os.path.join(folder or CERTIFICATES, host)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return context
    for name in names:
        path = os.path.join(folder, name)
        try:
            if name.endswith(".crt"):
                context.load_verify_locations(path)
            elif name.endswith(".cert"):
                context.load_cert_chain(path, path.removesuffix(".cert") + ".key")
        except OSError as error:  # ssl.SSLError is one
            raise InputError(
                f"{path} cannot be used: {error.strerror or 'it is not what its name says'}",
                fix=f"ls -l {folder}  # NAME.crt: an authority; NAME.cert and NAME.key: a pair",
            ) from None
    return context


def no_trust() -> ssl.SSLContext:
    """For loopback, where Docker takes any certificate: nobody is between us and ourselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
