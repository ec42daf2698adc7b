"""A containerd of a test's own, with Kubernetes' CRI, beside whatever else runs on this machine.

    with containerd() as there:
        there.socket, there.images()

It keeps all it has in a temporary folder and runs no containers: the image service of CRI needs
neither a network plug-in nor runc. It needs root, as it unpacks layers with their owners.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.debian_program import debian_program

_CONFIG = """\
version = 2
disabled_plugins = {disabled}
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/cni"
    conf_dir = "{folder}/cni"
"""


class Containerd:
    """A running containerd."""

    def __init__(self, folder: Path, *, cri: bool) -> None:
        disabled = [] if cri else ["io.containerd.grpc.v1.cri"]
        self.folder = folder
        self.socket = folder / "containerd.sock"
        (folder / "config.toml").write_text(_CONFIG.format(folder=folder, disabled=disabled))
        with (folder / "log").open("wb") as log:
            program = debian_program("containerd", "usr/bin/containerd")
            command = [program, "--config", str(folder / "config.toml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while "containerd successfully booted" not in self.log():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                pytest.fail(f"containerd does not start:\n{self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def images(self) -> list[str]:
        """Names of the images that Kubernetes would find."""
        return self._ctr("images", "list", "--quiet").split()

    def remove(self, name: str) -> None:
        """Remove an image, as a kubelet that needs space does."""
        self._ctr("images", "remove", "--sync", name)

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(timeout=20)

    def _ctr(self, *arguments: str) -> str:
        program = debian_program("containerd", "usr/bin/ctr")
        return subprocess.run(
            [program, "--address", str(self.socket), "--namespace", "k8s.io", *arguments],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip


@contextmanager
def containerd(*, cri: bool = True) -> Iterator[Containerd]:
    """A containerd without any images; without `cri`, as Docker brings its own along."""
    with tempfile.TemporaryDirectory(prefix="containerd-") as folder:
        there = Containerd(Path(folder), cri=cri)
        try:
            yield there
        finally:
            there.stop()
