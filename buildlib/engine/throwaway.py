"""Run a script in a container that is gone afterwards, through whatever reaches the engine.

The steps and their undoing are here once; `api` and `sdk` each bring the six calls. Files are
copied in rather than mounted, so that a script also runs on an engine of another machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from buildlib.engine import process
from buildlib.engine.protocol import Mount
from buildlib.errors import ActionError

LABEL = "buildlib.throw-away"
"""Marks our containers, so that what a kill -9 left behind can be found."""

_TAIL = 20


class Containers(Protocol):
    """What a way of reaching the engine must be able to do with a container."""

    def create(self, name: str, config: dict[str, Any]) -> None:
        """Create a container of that name; `config` is the body of the engine's API."""

    def copy_in(self, name: str, archive: bytes) -> None:
        """Unpack a tar at the container's root."""

    def start(self, name: str) -> None:
        """Start it."""

    def wait(self, name: str) -> int:
        """Block until it ends; its exit code."""

    def output(self, name: str) -> tuple[bytes, bytes]:
        """All it wrote to stdout and to stderr."""

    def remove(self, name: str) -> None:
        """Remove it, running or not, with its volumes; say nothing if there is none."""


def run_script(
    containers: Containers,
    image: str,
    script: str,
    *,
    network: str,
    mounts: Sequence[Mount],
    files: Sequence[tuple[str, bytes]],
    environ: Sequence[tuple[str, str]],
    user: str,
) -> str:
    """See `protocol.Engine.run`."""
    # We choose the name, so the container can be removed even if the answer to its creation
    # never arrived.
    name = f"buildlib-{os.getpid()}-{os.urandom(4).hex()}"
    config = _config(image, script, network=network, mounts=mounts, environ=environ, user=user)
    with process.on_stop(lambda: containers.remove(name)):
        try:
            containers.create(name, config)
            if files:
                containers.copy_in(name, _archive(files))
            containers.start(name)
            code = containers.wait(name)
            out, err = containers.output(name)
        except ActionError:
            if process.stopping():  # the container was removed under our feet, by ourselves
                raise process.Stopped from None
            raise
        finally:
            containers.remove(name)
    if process.stopping():
        raise process.Stopped
    if code:
        lines = (err or out).decode("utf-8", "replace").rstrip().splitlines()
        raise ActionError(
            f"a script in a container of {image} ended with code {code}",
            detail="\n".join(lines[-_TAIL:]),
        )
    return out.decode("utf-8", "replace")


def _config(
    image: str,
    script: str,
    *,
    network: str,
    mounts: Sequence[Mount],
    environ: Sequence[tuple[str, str]],
    user: str,
) -> dict[str, Any]:
    binds = [
        {
            "Type": "bind",
            "Source": os.path.abspath(mount.source),
            "Target": mount.target,
            "ReadOnly": mount.read_only,
        }
        for mount in mounts
    ]
    return {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c", script],
        "Env": [f"{key}={value}" for key, value in environ],
        "User": user,
        "Labels": {LABEL: "1"},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none" if network == "none" else "bridge",
            "Mounts": binds,
            # The engine's default driver may be one whose output cannot be read back.
            "LogConfig": {"Type": "json-file", "Config": {}},
        },
    }


def _archive(files: Sequence[tuple[str, bytes]]) -> bytes:
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def split_streams(data: bytes) -> tuple[bytes, bytes]:
    """Take apart stdout and stderr as the engine sends them: frames with an 8-byte head.

    The head is the stream's number, three zeros and the length, big-endian (Docker Engine API,
    "Attach to a container").
    """
    out, err, at = bytearray(), bytearray(), 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        (err if data[at] == 2 else out).extend(data[at + 8 : at + 8 + length])  # noqa: PLR2004
        at += 8 + length
    return bytes(out), bytes(err)
