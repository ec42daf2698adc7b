"""A real image registry on this machine for the time of a test (Debian's `docker-registry`).

    with registry(auth=True) as there:
        reference = f"{there}/elyra/kernel-py:dev"

It listens on 127.0.0.1, which engines take for trustworthy: they pull from it over plain HTTP, and
over TLS without knowing the authority.
"""

from __future__ import annotations

import contextlib
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

import docker
import docker.errors
import pytest
import trustme

from tests.support.debian_program import debian_program

USER, PASSWORD = "puller", "open sesame"
# What `htpasswd -B` makes of the two; the registry reads no weaker form.
_HTPASSWD = "puller:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"


class Registry:
    """A registry: its text is its address. `stop` and `start` keep port and images."""

    def __init__(self, folder: Path, *, auth: bool, tls: bool) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self.ca: str | None = None
        self._clients: list[docker.DockerClient] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._program = debian_program("docker-registry", "usr/bin/docker-registry")
        settings = [
            "version: 0.1",
            "log: {accesslog: {disabled: true}, level: warn}",
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}",
            f"http:\n  addr: {self.address}",
        ]
        if tls:
            authority = trustme.CA()
            self.ca = str(folder / "ca.pem")
            authority.cert_pem.write_to_path(self.ca)
            issued = authority.issue_cert("127.0.0.1", "localhost")
            issued.private_key_pem.write_to_path(str(folder / "key.pem"))
            for part in issued.cert_chain_pems:
                part.write_to_path(str(folder / "cert.pem"), append=True)
            settings.append(f"  tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}")
        if auth:
            (folder / "htpasswd").write_text(_HTPASSWD)
            settings.append(f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}")
        (folder / "config.yml").write_text("\n".join(settings) + "\n")

    def __str__(self) -> str:
        return self.address

    def start(self) -> None:
        """Start it, and come back when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", str(self.folder / "config.yml")], stdout=log, stderr=log
            )
        end = time.monotonic() + 20
        while not self._answers():
            said = (self.folder / "log").read_text()
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the registry does not start:\n{said}")
            time.sleep(0.05)

    def push(self, client: docker.DockerClient, image: str, name: str) -> str:
        """Push an image of the engine under another name; the engine forgets that name at the end.

        Args:
            client: The engine.
            image: A reference, or an ID.
            name: Repository and tag in this registry.

        Returns:
            The digest of its manifest.
        """
        repository, _, tag = f"{self.address}/{name}".rpartition(":")
        assert client.api.tag(image, repository, tag, force=True)
        reference = f"{repository}:{tag}"
        if client not in self._clients:
            self._clients.append(client)
        for line in client.api.push(repository, tag, stream=True, decode=True):
            assert "error" not in line, line["error"]
        return str(client.api.inspect_distribution(reference)["Descriptor"]["digest"])

    def forget(self) -> None:
        """Take this registry's names off the images of the engines that were given them."""
        for client in self._clients:
            for image in client.images.list():
                for reference in (*image.tags, *(image.attrs["RepoDigests"] or ())):
                    if reference.startswith(f"{self.address}/"):
                        with contextlib.suppress(docker.errors.ImageNotFound):
                            client.images.remove(reference)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        tls = ssl.create_default_context(cafile=self.ca) if self.ca else None
        try:
            urllib.request.urlopen(f"{self.url}/v2/", timeout=5, context=tls).close()
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True


@contextmanager
def registry(*, auth: bool = False, tls: bool = False) -> Iterator[Registry]:
    """A registry that is empty; with `auth`, for `USER` and `PASSWORD` only."""
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        there = Registry(Path(folder), auth=auth, tls=tls)
        there.start()
        try:
            yield there
        finally:
            there.forget()
            there.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
