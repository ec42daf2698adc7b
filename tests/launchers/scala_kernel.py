"""The working tree's Scala launcher with a stub for Toree, compiled and run in the JDK's image."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from fake_gateway import LaunchedKernel, wait_for

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "launchers" / "scala" / "src"
IMAGE = os.environ.get("TEST_IMAGES", "elyra/{name}:dev").format(name="jdk")


class Jdk:
    """A container with a JDK on this machine's network, in which launchers are started."""

    def __init__(self, folder: Path) -> None:
        """Start it, and compile launcher and stub.

        Args:
            folder: seen inside under the same path.
        """
        self.name = f"scala-launchers-{os.getpid()}"
        self.classes = folder / "classes"
        self.classes.mkdir()
        mounts = (f"{SOURCES}:/src:ro", f"{HERE}/toree_stub:/stub:ro", f"{folder}:{folder}")
        volumes = [f"--volume={mount}" for mount in mounts]
        options = ("--rm", "--init", "--network=host", "--user=0", "--name", self.name, *volumes)
        _docker("run", "--detach", *options, IMAGE, "sleep", "3600")
        script = f"javac -nowarn -d {self.classes} $(find /src /stub -name '*.java')"
        _docker("exec", self.name, "sh", "-c", script)

    def remove(self) -> None:
        """End it with all that runs in it."""
        _docker("rm", "-f", self.name)


class LaunchedScalaKernel(LaunchedKernel):
    """A launcher in that container; its processes are seen from here."""

    jdk: Jdk

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line; the container gets its own environment."""
        marked = {"TMPDIR": str(self.tmp), "LAUNCHER_TEST": self.id, **env}
        settings = [f"--env={name}={value}" for name, value in marked.items()]
        command = [
            *("docker", "exec", *settings, self.jdk.name),
            *("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(self.jdk.classes)),
            "launcher.ToreeLauncher",
        ]
        return [*command, *arguments], {}

    def tell(self, line: str) -> None:
        """Have the stub do something."""
        with socket.create_connection(("127.0.0.1", self.info["shell_port"]), 10) as sock:
            sock.sendall(f"{line}\n".encode())

    def begin_cell(self, line: str) -> None:
        """Have the stub run a cell."""
        self.tell(line)
        self.wait_for_line(f"begun: {line}")

    def wait_for_line(self, line: str) -> None:
        """Wait until it has been printed."""
        wait_for(lambda: line in self.output.splitlines())

    def signal(self, number: int) -> None:
        """Send a signal to the launcher, as the system does it."""
        os.kill(min(self.processes()), number)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)
