"""A real image registry on this machine for the time of a test (Debian's `docker-registry`).

    with registry(auth=True) as there:  # or Registry(tmp_path), which keeps its files
        there.push(client, "elyra/minimal-notebook:dev", "jupyter/scipy-notebook:2025-12-31")
        there.host  # 127.0.0.1:40123, also its text

It listens on 127.0.0.1, which engines take for trustworthy: they pull from it over plain HTTP, and
over TLS without knowing the authority. The engine has to be on this machine. Its certificate is
for registry.test, too: a name that is not loopback's, and leads there in a test that says so.

`kill` ends it as a crash does; `start` brings it back with its port and its images. With `space`,
its images lie on a disk of that size, which is gone with the process: `space="8m"`.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import trustme

from tests.support.debian_program import debian_program
from tests.support.engine_names import forget

if TYPE_CHECKING:
    from typing_extensions import Self

USER, PASSWORD = "puller", "open sesame"
# What `htpasswd -B` makes of the two; the registry reads no weaker form.
_HTPASSWD = "puller:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"


@contextmanager
def registry(
    *, auth: bool = False, tls: bool = False, delete: bool = True, space: str = ""
) -> Iterator[Registry]:
    """A registry that is empty; with `auth`, for `USER` and `PASSWORD` only."""
    with (
        tempfile.TemporaryDirectory(prefix="registry-") as folder,
        Registry(Path(folder), auth=auth, tls=tls, delete=delete, space=space) as there,
    ):
        yield there


class Registry:
    """A registry, which `stop` and `start` leave its port and its images.

    Args:
        folder: Where the images lie.
        auth: Let only `USER` in, with `PASSWORD`.
        tls: Speak https; `ca` is the file of the authority.
        delete: Let images be deleted.
        space: Size of the disk for the images, as `mount` takes it; that of `folder` if empty.
    """

    def __init__(
        self,
        folder: Path,
        *,
        auth: bool = False,
        tls: bool = False,
        delete: bool = True,
        space: str = "",
    ) -> None:
        self.folder = folder
        self._space = space
        self._process: subprocess.Popen[bytes] | None = None
        self._program = debian_program("docker-registry", "usr/bin/docker-registry")
        self._clients: list[docker.DockerClient] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self.ca: str | None = None
        settings = [
            "version: 0.1",
            "log: {level: error, accesslog: {disabled: true}}",
            f"storage:\n  filesystem: {{rootdirectory: {folder}/data}}",
            f"  delete: {{enabled: {str(delete).lower()}}}",
            # The secret lets uploads go on after a restart, as with several registries in a row.
            f"http:\n  addr: {self.host}\n  secret: of these tests",
        ]
        if tls:
            settings.append(self._certificate())
        if auth:
            (folder / "htpasswd").write_text(_HTPASSWD)
            settings.append(f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}")
        (folder / "config.yml").write_text("\n".join(settings) + "\n")

    def __str__(self) -> str:
        return self.host

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            forget(client, f"{self.host}/")
        self.stop()

    def start(self) -> None:
        """Start it, and come back when it answers."""
        command = [self._program, "serve", str(self.folder / "config.yml")]
        if self._space:
            command = self._on_small_disk(command)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self._answers():
            said = (self.folder / "log").read_text()
            assert self._process.poll() is None, f"the registry ended: {said}"
            assert time.monotonic() < deadline, f"the registry does not answer: {said}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def empty(self) -> None:
        """Throw away all that it holds."""
        self.stop()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self.start()

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

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
        who = {"username": USER, "password": PASSWORD}
        for line in client.api.push(repository, tag, stream=True, decode=True, auth_config=who):
            assert "error" not in line, line["error"]
        found = client.api.inspect_distribution(reference, auth_config=who)
        return str(found["Descriptor"]["digest"])

    def _on_small_disk(self, command: list[str]) -> list[str]:
        """A command with a file system that only it sees, so that nothing has to be unmounted."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "-r"]
        script = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'
        return [*apart, "sh", "-c", script, "sh", self._space, str(data), *command]

    def _certificate(self) -> str:
        """Make one, and say so in the registry's settings."""
        authority = trustme.CA()
        self.ca = str(self.folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert("127.0.0.1", "localhost", "registry.test")
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        for part in issued.cert_chain_pems:
            part.write_to_path(str(self.folder / "cert.pem"), append=True)
        return f"  tls: {{certificate: {self.folder}/cert.pem, key: {self.folder}/key.pem}}"

    def _answers(self) -> bool:
        tls = ssl.create_default_context(cafile=self.ca) if self.ca else None
        try:
            urllib.request.urlopen(f"{self.url}/v2/", timeout=5, context=tls).close()
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True
