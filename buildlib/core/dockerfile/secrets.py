"""Checks of the secrets that a Dockerfile mounts against those that are declared."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from posixpath import basename
from typing import NamedTuple

from buildlib.core.dockerfile.model import Dockerfile
from buildlib.core.dockerfile.mounts import read_mount
from buildlib.core.model.secret import example
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest


class _Mounted(NamedTuple):
    id: str
    required: bool
    line: int


def check_secrets(
    dockerfile: Dockerfile, declared: Collection[str], where: Location, *, may_declare: bool
) -> None:
    """Require each declared secret to be mounted, and each that a step requires to be declared.

    Args:
        declared: Their ids.
        where: Where the target is declared.
        may_declare: Whether its rule takes secrets.
    """
    mounted = list(_mounted(dockerfile))
    ids = [secret.id for secret in mounted]
    for secret in mounted:
        if secret.required and secret.id not in declared:
            if not may_declare:
                raise InputError(
                    f"RUN requires the secret {secret.id}, and only a docker_image has secrets",
                    where=Location(dockerfile.file, secret.line),
                    declared=where,
                    fix="remove required, and the step that needs it",
                )
            meant = nearest(secret.id, declared)
            raise InputError(
                f"RUN requires the secret {secret.id}, which is not declared"
                f"{did_you_mean(secret.id, declared)}",
                where=Location(dockerfile.file, secret.line),
                declared=where,
                fix=f"--mount=type=secret,id={meant}"
                if meant
                else f'{example(secret.id)}  # or "file:~/…"',
            )
    for name in declared:
        if name not in ids and not any("$" in other for other in ids):
            raise InputError(
                f"no step of {dockerfile.file} mounts the secret {name}{did_you_mean(name, ids)}",
                where=where,
                fix=f"RUN --mount=type=secret,id={name} …, or remove it from secrets",
            )


def _mounted(dockerfile: Dockerfile) -> Iterator[_Mounted]:
    for stage in dockerfile.reached:
        for instruction in stage.instructions:
            for key, value in instruction.flags if instruction.name == "RUN" else ():
                mount = read_mount(value) if key == "mount" else {"type": ""}
                if mount["type"] == "secret":
                    name = mount.get("source") or mount.get("id") or basename(_target(mount))
                    required = mount.get("required", "false").lower() in ("", "1", "t", "true")
                    yield _Mounted(name, required, instruction.line)


def _target(mount: dict[str, str]) -> str:
    return next((mount[key] for key in ("target", "dst", "destination") if key in mount), "")
