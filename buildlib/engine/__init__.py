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
    """Return what makes images, which looks for a docker client when first used.

    Images that only add files and configuration take no client (see `direct`). The file `notes`
    keeps which client was found (see `client.find_client`).
    """
    import os

    from buildlib.engine.api import EngineClient
    from buildlib.engine.build import CliBuilder
    from buildlib.engine.direct import DirectBuilder
    from buildlib.engine.find import find_engine

    environ = os.environ if environ is None else environ
    endpoint = endpoint or find_engine(environ)
    engine = EngineClient(endpoint)
    buildkit = CliBuilder(endpoint, engine, environ, notes=notes)
    return DirectBuilder(engine, buildkit, environ, notes)
