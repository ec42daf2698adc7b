"""The R launcher of the working tree, run in the image that has R."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from fake_gateway import LaunchedKernel

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = Path(__file__).parents[2] / "launchers" / "R"
IMAGE = os.environ.get("TEST_IMAGES", "elyra/{name}:dev").format(name="kernel-r-environment")


class LaunchedRKernel(LaunchedKernel):
    """A launcher in a container on this machine's network, whose processes are seen from here."""

    image = IMAGE

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line, and what is added to the environment."""
        self.tmp.chmod(0o1777)
        self.container = f"r-launcher-{self.id}"
        marked = {"TMPDIR": "/kernel-tmp", "LAUNCHER_TEST": self.id, "JPY_PARENT_PID": "4242"}
        settings = [f"--env={name}={value}" for name, value in {**marked, **env}.items()]
        command = [
            *("docker", "run", "--rm", "--name", self.container, "--network=host"),
            *(f"--volume={SOURCES}:/launcher:ro", f"--volume={self.tmp}:/kernel-tmp"),
            *(*settings, self.image, "Rscript", "/launcher/launch_IRkernel.R"),
        ]
        return [*command, *arguments], {}

    def assert_nothing_left(self) -> None:
        """As for Python, but for R's own folder, which is left where R is killed as it starts."""
        for folder in self.tmp.glob("Rtmp*"):
            folder.rmdir()  # fails if anything is in it
        super().assert_nothing_left()

    def clear_away(self) -> None:
        """End the container, whatever state it is in."""
        subprocess.run(["docker", "rm", "-f", self.container], capture_output=True, check=False)
        super().clear_away()


def run_r(script: str, *modules: str, options: Sequence[str] = ()) -> str:
    """Run a script with some of the launcher's modules loaded; returns what it printed."""
    loading = "".join(f"source('/launcher/kernel_launcher/{name}.R');" for name in modules)
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--name", f"r-launcher-{uuid.uuid4()}", *options),
            *(f"--volume={SOURCES}:/launcher:ro", IMAGE, "Rscript", "-e", loading + script),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
