"""The docker SDK, for what streams (containers, pushes, pulls), and for what registries know.

It connects to the engine as our own requests do (`wire`), so ssh, TLS and timeouts are the same for
both. Its import takes a tenth of a second, so it is imported only where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool

from buildlib.engine.about import about
from buildlib.engine.api import refused
from buildlib.engine.find import Endpoint, unavailable
from buildlib.engine.wire import open_socket

_HOST = "http://docker:80"
"""A host that nothing connects to: the transport knows the engine."""


def client_of(endpoint: Endpoint, *, timeout: int) -> Any:
    """Return a `docker.APIClient` for an engine; `Any`, since its calls have no types.

    The engine may be silent for `timeout` seconds. If it does not answer, that is an
    `EngineUnavailable`.
    """
    client = docker.APIClient(base_url=_HOST, version=about(endpoint).api, timeout=timeout)
    client.mount(_HOST, _Transport(endpoint))
    client.trust_env = False  # proxies and CA bundles of a site are not for the engine
    return client


@contextmanager
def explained(endpoint: Endpoint, what: str) -> Iterator[None]:
    """Turn the SDK's errors into `EngineUnavailable`, or `ActionError` if the engine refused.

    `what` completes "the engine refused to …".
    """
    try:
        yield
    except docker.errors.APIError as error:
        raise refused(what, error.explanation or str(error)) from None
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise unavailable(endpoint, root_cause(error)) from None


def root_cause(error: BaseException) -> BaseException:
    """Return the system's error inside the layers of the SDK, requests and urllib3."""
    seen: list[BaseException] = [error]
    for layer in seen:
        if isinstance(layer, requests.Timeout):
            return TimeoutError()
        if isinstance(layer, OSError) and not isinstance(layer, requests.RequestException):
            return layer
        inner = [getattr(layer, "reason", None), *layer.args, layer.__cause__, layer.__context__]
        seen += [item for item in inner if isinstance(item, BaseException) and item not in seen]
    return error


class _Transport(requests.adapters.HTTPAdapter):
    """Sends all requests to one engine."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._pool = _Pool(endpoint)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("docker")
        self._endpoint = endpoint

    def _new_conn(self) -> Any:
        return _Connection(self._endpoint)


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("docker")
        self._endpoint = endpoint

    def connect(self) -> None:
        # urllib3 has set the timeout of the request that it connects for
        self.sock = open_socket(self._endpoint, self.timeout)
