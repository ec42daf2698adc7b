"""What was deployed from this workspace: one file of variables for each deployment.

They are the variables that the compose file or the stack was started with, so that a deployment
is updated with the settings it has, and can be removed when its files have changed. The token is
among them: nobody but the owner may read these files, and no tree shows their folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from buildlib.errors import InputError

REMEMBERED = ".deployed"
"""The folder in `deploy/`."""
BY_HAND = "enterprise-gateway"
"""The deployment whose variables docker compose finds when it is called by hand."""
TOKEN = "EG_AUTH_TOKEN"  # noqa: S105 - a name
_KIND = "DEPLOY_KIND"
_ON_A_CLUSTER = "kubernetes"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)")


class Deployment(NamedTuple):
    """Something that was started, or is about to be.

    Attributes:
        kind: The platform: `compose`, `swarm`, `kubernetes`.
        name: See `Platform`.
        variables: What its file is read with.
    """

    kind: str
    name: str
    variables: Mapping[str, str]


class State:
    """The deployments of one workspace.

    Args:
        folder: Its `deploy/`.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def file(self, name: str) -> str:
        """A file of the folder."""
        return f"{self.folder}/{name}"

    def path(self, name: str, kind: str = "") -> str:
        """The file of a deployment's variables.

        Args:
            kind: Names on a cluster and on an engine do not meet; those on an engine do.
        """
        return f"{self.folder}/{REMEMBERED}/{_stem(name, kind)}.env"

    def token_path(self, name: str, kind: str = "") -> str:
        """The file that holds a deployment's token and nothing else."""
        return f"{self.folder}/{REMEMBERED}/{_stem(name, kind)}.token"

    def get(self, name: str, kind: str = "") -> Deployment | None:
        """The deployment of a name, if one is remembered."""
        try:
            with open(self.path(name, kind), encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return None
        rows = (line.partition("=") for line in lines if "=" in line and line[0] != "#")
        variables = {key: value.strip("'") for key, _, value in rows}
        kind = variables.pop(_KIND, "compose")
        return Deployment(kind, name, variables)

    def all(self) -> list[Deployment]:
        """All that are remembered, by name."""
        try:
            names = sorted(os.listdir(f"{self.folder}/{REMEMBERED}"))
        except FileNotFoundError:
            return []
        stems = [name[: -len(".env")] for name in names if name.endswith(".env")]
        found = [self.get(*stem.split(".")) for stem in stems]
        return [deployment for deployment in found if deployment is not None]

    def put(self, deployment: Deployment) -> None:
        """Remember a deployment; that of compose's usual name is what `docker compose` reads.

        Raises:
            InputError: A value cannot be written into such a file.
        """
        os.makedirs(f"{self.folder}/{REMEMBERED}", mode=0o700, exist_ok=True)
        lines = [
            f"# Written by ./doitw deploy {deployment.kind}; removed by ./doitw undeploy.",
            f"{_KIND}={deployment.kind}",
        ]
        for key, value in sorted(deployment.variables.items()):
            if "'" in value or "\n" in value:
                raise InputError(
                    f"{key} holds a quote or a line break, and no file of variables can",
                    fix=f"unset {key}",
                )
            lines.append(f"{key}='{value}'")
        name, kind = deployment.name, deployment.kind
        _write(self.path(name, kind), "\n".join(lines) + "\n")
        _write(self.token_path(name, kind), deployment.variables.get(TOKEN, "") + "\n")
        if _stem(name, kind) == BY_HAND:
            with suppress(FileExistsError):  # a file of the user's own wins
                os.symlink(f"{REMEMBERED}/{deployment.name}.env", self._link)

    def forget(self, deployment: Deployment) -> None:
        """Forget a deployment that is gone."""
        name, kind = deployment.name, deployment.kind
        if _stem(name, kind) == BY_HAND and os.path.islink(self._link):
            os.unlink(self._link)
        for path in (self.path(name, kind), self.token_path(name, kind)):
            with suppress(FileNotFoundError):
                os.unlink(path)

    @property
    def _link(self) -> str:
        return f"{self.folder}/.env"


def check_name(name: str) -> str:
    """The name of a deployment, as compose projects, stacks and networks can have it.

    Raises:
        InputError: It is none.
    """
    if not _NAME.match(name):
        raise InputError(
            f"--name {name!r} cannot be the name of a deployment",
            fix="--name gateway-2  # lower-case letters, digits, - and _",
        )
    return name


def variables_of(text: str) -> list[str]:
    """The variables that a compose file or a stack asks for, `${NAME…}`."""
    return sorted(set(_VARIABLE.findall(text)))


def _stem(name: str, kind: str) -> str:
    return f"{name}.{kind}" if kind == _ON_A_CLUSTER else name


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all, for the owner only."""
    temporary = f"{path}.{os.getpid()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(temporary, path)
