"""Run a script in a container that is removed afterwards.

Files are copied in and not mounted, so that a script also runs on an engine of another machine.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from buildlib.engine import process
from buildlib.engine.sdk import client_of, explained
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.engine.api import EngineClient

LABEL = "buildlib.throw-away"
"""Marks our containers, to find those that a kill -9 left behind."""

_TAIL = 20
_SILENCE = 600
"""Timeout, in seconds, for making or starting a container: the engine may wait for its disk."""


def run_script(
    engine: EngineClient,
    image: str,
    script: str,
    *,
    network: str,
    files: Sequence[tuple[str, bytes]],
    user: str,
) -> str:
    """Run a script as `protocol.Engine.run` says."""
    # We choose the name, to remove the container even if the answer to its creation never arrives.
    name = new_name()

    def remove() -> None:
        # On a connection of its own: it is called in the middle of whatever the SDK does.
        engine.remove(name)

    config = {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c", script],
        "User": user,
        "Labels": {LABEL: "1"},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none" if network == "none" else "bridge",
            # The engine's default driver may be one whose output cannot be read back.
            "LogConfig": {"Type": "json-file", "Config": {}},
        },
    }
    endpoint = engine.endpoint
    with process.on_stop(remove), closing(client_of(endpoint, timeout=_SILENCE)) as client:
        try:
            with explained(endpoint, f"start a container of {image}"):
                client.create_container_from_config(config, name)
                if files:
                    client.put_archive(name, "/", _archive(files))
                client.start(name)
            if process.stopping():  # a container that is just starting may outlive its removal
                raise process.Stopped
            with explained(endpoint, "wait for a container"):
                code = int(client.wait(name, timeout=None)["StatusCode"])
            with explained(endpoint, "hand over a container's output"):
                out = client.logs(name, stdout=True, stderr=False)
                err = client.logs(name, stdout=False, stderr=True)
        except ActionError:
            if process.stopping():  # the container was removed under our feet, by ourselves
                raise process.Stopped from None
            raise
        finally:
            remove()
    if process.stopping():
        raise process.Stopped
    if code:
        lines = str(err or out, "utf-8", "replace").rstrip().splitlines()
        raise ActionError(
            f"a script in a container of {image} ended with code {code}",
            detail="\n".join(lines[-_TAIL:]),
        )
    return str(out, "utf-8", "replace")


def new_name() -> str:
    """Return a name for a container that nothing else has."""
    return f"buildlib-{os.getpid()}-{os.urandom(4).hex()}"


def _archive(files: Sequence[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
