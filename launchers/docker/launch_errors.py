"""Why a kernel cannot be started: in one line, with an exit code and what to do about it.

An administrator reads that line in the gateway's log; docs/kernelspecs.md lists the codes. It does
not know what can be asked for, nor how a kernel is started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

# Exit codes, as in sysexits.h
USAGE, DATA, NO_IMAGE, NO_NETWORK, NO_ENGINE, REFUSED, LATE, DENIED = 64, 65, 66, 68, 69, 70, 75, 77


class LaunchError(Exception):
    """The kernel cannot be started: why in one line, the exit code, and what to do about it."""

    def __init__(self, message: str, code: int, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


def shown(value: object) -> str:
    """A value as it may stand in a line of a log: short, and without line ends."""
    text = ascii(value if isinstance(value, str) else json.dumps(value))
    return text if len(text) < 100 else f"{text[:97]}..."  # noqa: PLR2004


def causes(error: object) -> Iterator[BaseException]:
    """An error with all that led to it; the HTTP libraries hide some of it in arguments."""
    if isinstance(error, BaseException):
        yield error
        for hidden in (error.__cause__, error.__context__, *error.args):
            yield from causes(hidden)


ANSWERS = (
    (
        r"network .*not found",
        NO_NETWORK,
        "correct EG_DOCKER_NETWORK, or: docker network create NAME",
    ),
    (r"no such image", NO_IMAGE, "correct KERNEL_IMAGE, or image_name in kernel.json"),
    (r"swarm manager", REFUSED, "docker swarm init, or take a kernelspec for plain Docker"),
    (r"device driver", REFUSED, "install the NVIDIA container toolkit on the engine's host"),
)


def explain(error: Exception, env: Mapping[str, str]) -> LaunchError:
    """What an error of the engine, or on the way to it, means."""
    from docker.errors import APIError, DockerException

    if isinstance(error, LaunchError):
        return error
    if isinstance(error, APIError):
        why = str(error.explanation or error)
        found = (row for row in ANSWERS if re.search(row[0], why, re.IGNORECASE))
        _, code, fix = next(found, ("", REFUSED, ""))
        return LaunchError(f"the engine refuses: {why}", code, fix)
    engine = env.get("DOCKER_HOST") or "/var/run/docker.sock"
    led_to_it = list(causes(error))
    if any(isinstance(one, PermissionError) for one in led_to_it):
        fix = f"docker run --group-add $(stat -c %g {engine}) … for the gateway"
        return LaunchError(f"no permission to use the engine at {engine}", DENIED, fix)
    if any(isinstance(one, (OSError, DockerException)) for one in led_to_it):
        fix = f"docker run -v {engine}:{engine} … for the gateway, or correct its DOCKER_HOST"
        return LaunchError(f"no engine answers at {engine}", NO_ENGINE, fix)
    return LaunchError(f"{type(error).__name__}: {error}", REFUSED)
