"""Everything that talks to the Docker Engine, and nothing else of the build system.

`find` says where the engine is, `wire` is the way there, `api` asks questions over it. What streams
(containers, pushes, pulls) goes through the docker SDK, over the same way: `sdk`, `throwaway`,
`transfer`. `client` and `build` run BuildKit through a docker client, `install` makes an engine
where none is. Callers see `protocol` only, and get what is behind it from the two functions below.

Knows nothing of targets, keys or records: it is given images, folders and references.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildlib.engine.find import Endpoint
    from buildlib.engine.protocol import Builder, Engine


def connect(endpoint: Endpoint | None = None, environ: Mapping[str, str] | None = None) -> Engine:
    """The engine of this machine; nothing is sent yet, so this costs no time and cannot hang.

    Args:
        endpoint: Where it is; found as the docker client finds it when None.
        environ: Environment to look in; that of the process when None.

    Raises:
        InputError: DOCKER_HOST or the docker context says something that cannot be.
    """
    from buildlib.engine.api import EngineClient
    from buildlib.engine.find import find_engine

    return EngineClient(endpoint or find_engine(environ))


def builder(
    endpoint: Endpoint | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    notes: str = "",
) -> Builder:
    """The builder that belongs to the engine; looks for a docker client when first used.

    Args:
        endpoint: Where the engine is; found as the docker client finds it when None.
        environ: Environment to look in; that of the process when None.
        notes: File that keeps which client was found (see `client.find_client`).
    """
    from buildlib.engine.build import CliBuilder
    from buildlib.engine.find import find_engine

    place = endpoint or find_engine(environ)
    return CliBuilder(place, connect(place), environ, notes=notes)
