"""An image registry for a test: Debian's `docker-registry`, unpacked and run, never installed.

    with Registry(tmp_path) as registry:
        registry.push(client, "elyra/minimal-notebook:dev", "jupyter/scipy-notebook:2025-12-31")
        registry.host                                # 127.0.0.1:40123, which engines trust

The package comes from the mirror of the project's settings, checked by our own reader of Debian's
signed lists. The engine has to be on this machine.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import docker
import docker.errors

from buildlib.debian.archive import read_archive
from buildlib.debian.deb import Deb
from buildlib.lock.web import get
from buildlib.workspace import Workspace

if TYPE_CHECKING:
    from typing_extensions import Self

_ROOT = Path(__file__).parents[2]
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "{host}"}}
"""


class Registry:
    """See the module.

    Args:
        folder: Where the program and the images lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[docker.DockerClient] = []
        self.host = ""

    def __enter__(self) -> Self:
        program = _program(self._folder / "program")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        config = self._folder / "config.yml"
        config.write_text(_CONFIG.format(folder=self._folder / "images", host=self.host))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "serve", config], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            said = (self._folder / "log").read_text()
            assert self._process.poll() is None, f"the registry ended: {said}"
            assert time.monotonic() < deadline, f"the registry does not answer: {said}"
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            self._forget(client)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5):
                return True
        except urllib.error.URLError:
            return False

    def _forget(self, client: docker.DockerClient) -> None:
        """Remove what refers to this registry from an engine; images with other names stay."""
        for image in client.images.list():
            for reference in [*image.tags, *image.attrs.get("RepoDigests", [])]:
                if reference.startswith(f"{self.host}/"):
                    # A digest may be gone with its tag.
                    with contextlib.suppress(docker.errors.NotFound):
                        client.images.remove(reference)

    def push(self, client: docker.DockerClient, image: str, name: str) -> str:
        """Push an image of the engine under another name.

        Args:
            client: The engine.
            image: A reference, or an ID.
            name: Repository and tag in this registry.

        Returns:
            The digest of its manifest.
        """
        repository, _, tag = f"{self.host}/{name}".rpartition(":")
        assert client.api.tag(image, repository, tag, force=True)
        reference = f"{repository}:{tag}"
        if client not in self._clients:
            self._clients.append(client)
        for line in client.api.push(repository, tag, stream=True, decode=True):
            assert "error" not in line, line["error"]
        return str(client.api.inspect_distribution(reference)["Descriptor"]["digest"])


def _program(folder: Path) -> Path:
    """The registry's program, out of Debian's package."""
    mirror = Workspace(str(_ROOT)).settings.network.apt
    package = (
        read_archive(lambda path: get(f"{mirror}/{path}")).candidates["docker-registry"].package
    )
    data = get(f"{mirror}/{package.path}")
    assert sha256(data).hexdigest() == package.sha256
    folder.mkdir(parents=True)
    (folder / "package.deb").write_bytes(data)
    program = folder / "docker-registry"
    members = Deb(folder / "package.deb").members()
    program.write_bytes(next(m.data for m in members if m.name == "usr/bin/docker-registry"))
    program.chmod(0o755)
    return program
