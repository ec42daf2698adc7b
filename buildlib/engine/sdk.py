"""The engine through the docker SDK, for what a plain socket does not reach: TLS.

Does what `api` does, call by call. Its import takes a tenth of a second, so it is imported only
for such an endpoint.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import docker.tls
import requests

from buildlib.engine.api import info_of, refused, tagged, used_by
from buildlib.engine.find import Endpoint, why_not
from buildlib.engine.protocol import ImageInfo, Mount, platform_of, split_ref
from buildlib.engine.throwaway import run_script

_TIMEOUT = 60


class _Client(docker.APIClient):
    """The SDK's low-level client, deaf to REQUESTS_CA_BUNDLE.

    requests prefers that variable to the authority the connection was given, so the engine's own
    certificate would be refused wherever a site sets it.
    """

    trust_env = property(lambda _: False, lambda _, __: None)


def client_of(endpoint: Endpoint, *, timeout: int) -> docker.APIClient:
    """A low-level client of the SDK for an engine; it asks the engine for its version at once.

    Args:
        endpoint: Where the engine is.
        timeout: Seconds that it may be silent.
    """
    tls: Any = False
    if endpoint.tls:
        files = endpoint.tls
        certificate, key = files.file("cert.pem"), files.file("key.pem")
        tls = docker.tls.TLSConfig(
            client_cert=(certificate, key) if certificate and key else None,
            ca_cert=files.file("ca.pem"),
            verify=files.verify,
        )
    return _Client(
        base_url=endpoint.url,
        version="auto",
        timeout=timeout,
        tls=tls,
        use_ssh_client=True,  # as docker itself does; the SDK's own way knows no ssh_config
    )


class SdkEngine:
    """An `Engine` reached through the docker SDK. May be used by several threads at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._local = threading.local()  # a requests session is not made for several threads
        self._containers = _SdkContainers(self)

    @contextmanager
    def client(self, what: str) -> Iterator[Any]:
        """The SDK's low-level client of this thread; its errors become ours."""
        try:
            if not hasattr(self._local, "client"):
                self._local.client = client_of(self.endpoint, timeout=_TIMEOUT)
            yield self._local.client
        except docker.errors.APIError as error:
            raise refused(what, error.explanation or str(error)) from None
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise why_not(self.endpoint, cause(error)) from None

    # questions

    def ping(self) -> None:
        """See `Engine.ping`."""
        with self.client("answer") as client:
            client.ping()

    def start_inspect(self, refs: Sequence[str]) -> Callable[[], dict[str, ImageInfo | None]]:
        """See `Engine.start_inspect`; the SDK cannot ask ahead, so this asks when collected."""
        self.ping()
        return lambda: self.inspect(refs)

    def inspect(self, refs: Sequence[str]) -> dict[str, ImageInfo | None]:
        """See `Engine.inspect`."""
        found: dict[str, ImageInfo | None] = {}
        for ref in refs:
            with self.client(f"look up {ref}") as client:
                try:
                    found[ref] = info_of(client.inspect_image(ref))
                except docker.errors.NotFound:
                    found[ref] = None
        return found

    def tags(self, pattern: str) -> dict[str, str]:
        """See `Engine.tags`."""
        with self.client(f"list {pattern}") as client:
            return tagged(client.images(filters={"reference": [pattern]}), pattern)

    def in_use(self) -> dict[str, str]:
        """See `Engine.in_use`."""
        with self.client("list containers") as client:
            return used_by(client.containers(all=True))

    def platform(self) -> str:
        """See `Engine.platform`."""
        with self.client("tell its version") as client:
            version = client.version()
            return platform_of(version["Os"], version["Arch"])

    # changes

    def tag(self, image: str, ref: str) -> None:
        """See `Engine.tag`."""
        name, tag = split_ref(ref)
        with self.client(f"tag {image} as {ref}") as client:
            client.tag(image, name, tag)

    def untag(self, ref: str) -> bool:
        """See `Engine.untag`."""
        with self.client(f"remove the tag {ref}") as client:
            try:
                client.remove_image(":".join(split_ref(ref)), noprune=True)
            except docker.errors.NotFound:
                return False
        return True

    def run(
        self,
        image: str,
        script: str,
        *,
        network: str = "none",
        mounts: Sequence[Mount] = (),
        files: Sequence[tuple[str, bytes]] = (),
        environ: Sequence[tuple[str, str]] = (),
        user: str = "",
    ) -> str:
        """See `Engine.run`."""
        return run_script(
            self._containers,
            image,
            script,
            network=network,
            mounts=mounts,
            files=files,
            environ=environ,
            user=user,
        )


class _SdkContainers:
    """The six calls of `throwaway.Containers`."""

    def __init__(self, engine: SdkEngine) -> None:
        self._client = engine.client

    def create(self, name: str, config: dict[str, Any]) -> None:
        with self._client(f"start a container of {config['Image']}") as client:
            client.create_container_from_config(config, name)

    def copy_in(self, name: str, archive: bytes) -> None:
        with self._client("copy files into a container") as client:
            client.put_archive(name, "/", archive)

    def start(self, name: str) -> None:
        with self._client("start a container") as client:
            client.start(name)

    def wait(self, name: str) -> int:
        with self._client("wait for a container") as client:
            return int(client.wait(name, timeout=None)["StatusCode"])  # None: as long as it takes

    def output(self, name: str) -> tuple[bytes, bytes]:
        with self._client("hand over a container's output") as client:
            out = client.logs(name, stdout=True, stderr=False)
            err = client.logs(name, stdout=False, stderr=True)
        return out, err

    def remove(self, name: str) -> None:
        with self._client(f"remove the container {name}") as client:
            try:
                client.remove_container(name, v=True, force=True)
            except docker.errors.APIError as error:
                if error.response is None or error.response.status_code not in {404, 409}:
                    raise


def cause(error: BaseException) -> BaseException:
    """The system's error inside the layers of the SDK, requests and urllib3."""
    seen: list[BaseException] = [error]
    for layer in seen:
        if isinstance(layer, OSError) and layer.errno:
            return layer
        inner = [getattr(layer, "reason", None), *layer.args, layer.__cause__, layer.__context__]
        seen += [item for item in inner if isinstance(item, BaseException) and item not in seen]
    return error
