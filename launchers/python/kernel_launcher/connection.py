"""Ports and the connection file. Knows nothing of processes and of the gateway.

No port is chosen, freed and bound again: `listen_on` keeps what it has found, and the kernel's
process inherits the listening sockets. So nobody can take a port in between, and a client may
connect before the kernel has finished loading; the operating system lets it wait.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import socket
import tempfile
from typing import TYPE_CHECKING, Any

from kernel_launcher.messages import LauncherError

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT_NAMES = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - the gateway connects from outside
ZMQ_BACKLOG = 128


def candidate_ports(port_range: tuple[int, int] | None) -> Iterator[int]:
    """Yield each port of the range once, in random order; without a range 0 (any), for ever."""
    if port_range is not None:
        lower, upper = port_range
        yield from random.sample(range(lower, upper + 1), upper - lower + 1)
        return
    while True:
        yield 0


def listen_on(candidates: Iterator[int], backlog: int) -> socket.socket:
    """Listen on the first candidate port that is free, on all interfaces.

    Raises:
        LauncherError: when no candidate is left.
    """
    problem = "all ports of the range are taken"
    for port in candidates:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ALL_INTERFACES, port))
            sock.listen(backlog)  # two may bind a port in this mode, but only one may listen
            sock.setblocking(False)  # a connection that is gone again must not block accept()
        except OSError as error:
            sock.close()
            if port == 0:  # the system has none to give: asking again won't help
                problem = str(error)
                break
        else:
            return sock
    raise LauncherError(f"no port to listen on: {problem}")


def read_connection_file(path: str | None) -> dict[str, Any]:
    """Read a connection file that was made for us (deprecated use); empty if there is none.

    Raises:
        LauncherError: when it is there and cannot be read.
    """
    if not path or not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError) as error:
        raise LauncherError(f"cannot read {path}: {type(error).__name__}", code=2) from error


def make_connection(
    candidates: Iterator[int], given: dict[str, Any]
) -> tuple[dict[str, Any], list[socket.socket]]:
    """Open the kernel's five ports; returns the connection info and the listening sockets.

    Args:
        candidates: ports to choose from.
        given: ports and key that are fixed already (`read_connection_file`), mostly nothing.

    Raises:
        LauncherError: when a port cannot be had.
    """
    sockets = [
        listen_on(iter([int(given[name])]) if given.get(name) else candidates, ZMQ_BACKLOG)
        for name in PORT_NAMES
    ]
    info = {
        **{name: sock.getsockname()[1] for name, sock in zip(PORT_NAMES, sockets, strict=True)},
        "ip": ALL_INTERFACES,  # the gateway puts in the address it knows us under
        "transport": "tcp",
        "signature_scheme": "hmac-sha256",
        "key": given.get("key") or secrets.token_hex(32),
        "kernel_name": given.get("kernel_name", ""),
    }
    return info, sockets


def write_connection_file(info: dict[str, Any], kernel_id: str, path: str | None) -> str:
    """Write the connection file for this user's eyes only; returns its path.

    It lies at `path` if that is given and its folder exists, else in the temporary folder.

    Raises:
        LauncherError: when it cannot be written.
    """
    try:
        if path and os.path.isdir(os.path.dirname(os.path.abspath(path))):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        else:
            safe_id = re.sub(r"[^A-Za-z0-9.-]", "_", kernel_id)[:100]
            fd, path = tempfile.mkstemp(prefix=f"kernel-{safe_id}_", suffix=".json")
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(info, file, indent=2)
    except OSError as error:
        raise LauncherError(f"cannot write the connection file: {error}") from error
    return path
