"""All that talks to the Docker Engine, and nothing else of the build system.

`find` says where the engine is, `wire` connects to it, `api` asks questions over that connection.
Whatever streams (containers, pushes, pulls) goes through the docker SDK over the same connection:
`sdk`, `throwaway`, `transfer`. `client` and `build` run BuildKit through a docker client; `install`
makes an engine where there is none. Callers see `protocol` only, and use the two functions below.

Knows nothing of targets, keys or records: it is given images, folders and references.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildlib.engine.find import Endpoint
    from buildlib.engine.protocol import Builder, Engine


def connect(endpoint: Endpoint | None = None, environ: Mapping[str, str] | None = None) -> Engine:
    """Return this machine's engine; nothing is sent yet, so this costs no time and cannot hang.

    By default the endpoint is found as the docker client finds it, in the process's environment.

    Raises:
        InputError: DOCKER_HOST or the docker context is no usable address.
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
    """Return the engine's builder, which looks for a docker client when first used.

    The file `notes` keeps which client was found (see `client.find_client`).
    """
    from buildlib.engine.build import CliBuilder
    from buildlib.engine.find import find_engine

    endpoint = endpoint or find_engine(environ)
    return CliBuilder(endpoint, connect(endpoint), environ, notes=notes)
