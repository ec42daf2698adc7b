"""A user's own secret for the steps of a Dockerfile: its id, and where its value is.

Nothing here reads the value. The id is in the key of a target; value and origin never are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from buildlib.errors import InputError

_ID = re.compile(r"[A-Za-z0-9_.-]+\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OURS = "buildlib-"
"""How the ids begin that a build with a network is lent."""


class Secret(NamedTuple):
    """A secret, in a variable of the environment or in a file.

    Attributes:
        id: What a step mounts it by: `--mount=type=secret,id=ID`.
        file: Absolute, or below the user's home: `~/.netrc`.
    """

    id: str
    variable: str = ""
    file: str = ""

    @property
    def origin(self) -> str:
        return f"env:{self.variable}" if self.variable else f"file:{self.file}"


def parse_secrets(given: Mapping[str, str]) -> tuple[Secret, ...]:
    """The secrets of a declaration: id -> `env:NAME` or `file:PATH`."""
    return tuple(_parse(key, given[key]) for key in sorted(given))


def example(key: str) -> str:
    """How a secret of an id may be declared."""
    variable = re.sub("[^A-Z0-9]+", "_", key.upper()).strip("_")
    return f'secrets = {{"{key}": "env:{variable or "TOKEN"}"}}'


def _parse(key: str, origin: str) -> Secret:
    if not _ID.match(key) or key.startswith(_OURS):
        raise InputError(
            f"{key!r} cannot be the id of a secret",
            fix=f"letters, digits and _ . -, not beginning with {_OURS}",
        )
    kind, _, place = origin.partition(":")
    if kind == "env" and _VARIABLE.match(place):
        return Secret(key, variable=place)
    if kind == "file" and place.startswith(("/", "~/")):
        return Secret(key, file=place)
    if kind == "file":
        raise InputError(
            f"the secret {key} is in the file {place!r}: a file of the workspace is no secret",
            fix=f'secrets = {{"{key}": "file:~/{place.rpartition("/")[2] or ".netrc"}"}}',
        )
    # What was written may be the secret itself, so it is not shown.
    raise InputError(f"secrets does not say where the value of {key} is", fix=example(key))
