"""The working tree's Scala launcher with a stub for Toree, compiled and run in the JDK's image."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from fake_gateway import wait_for
from launched import Asked, Capability, LaunchedKernel

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "launchers" / "scala" / "src"
IMAGE = os.environ.get("TEST_IMAGES", "elyra/{name}:dev").format(name="jdk")
ERRORS = {"sleep": "InterruptedException", "spin": "ThreadDeath"}
RECORD, UNIT = "\x1e", "\x1f"
"""What `OptionsProbe` reads between arguments and environment, and between words."""


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

    def java(self, main: str, *options: str) -> list[str]:
        """The command that runs a class in it.

        Args:
            main: The class.
            options: Of `docker exec`.
        """
        flags = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(self.classes))
        return ["docker", "exec", *options, self.name, "java", *flags, main]

    def remove(self) -> None:
        """End it with all that runs in it."""
        _docker("rm", "-f", self.name)


class ScalaKernel(LaunchedKernel):
    """A launcher in that container; its processes are seen from here."""

    jdk: ClassVar[Jdk]
    log_name = "toree-launcher: "
    kernel_name = "Apache Toree Scala"
    stop_seconds = 4.0
    shutdown_code = held_up_code = 0
    refused = "Connection refused"
    slow: ClassVar = {"STUB_DELAY": "3000"}
    default_mode = "lazy"
    storm = 1000
    crowd = 300
    lacks: ClassVar = {
        Capability.MESSAGES: "Scala: what stands for Toree in tests speaks no ZeroMQ",
        Capability.OWN_PROCESS: "Scala: launcher and kernel are one JVM",
        Capability.PROGRAMS: "Scala: what stands for Toree in tests waits for no program",
        Capability.ENDS_BY_SIGINT: "Scala: SIGINT interrupts the cell, as it does in Toree alone",
        Capability.HIDES_PARENT: "Scala: Toree makes nothing of JPY_PARENT_PID",
        Capability.ID_FROM_FILE: "Scala: --profile is a file for Toree, and no kernel's name",
        Capability.REFUSES_UNKNOWN: "Scala: options that are not the launcher's are Toree's",
    }

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line; the container gets its own environment."""
        marked = {"TMPDIR": str(self.tmp), "LAUNCHER_TEST": self.id, **env}
        settings = [f"--env={name}={value}" for name, value in marked.items()]
        return [*self.jdk.java("launcher.ToreeLauncher", *settings), *arguments], {}

    def given_options(self) -> Sequence[str]:
        return ["--profile", str(self.given)]

    @classmethod
    def read_options(cls, cases: Sequence[Asked]) -> list[str]:
        words = [
            [*case.argv, RECORD, *(f"{name}={value}" for name, value in case.env.items())]
            for case in cases
        ]
        answer = subprocess.run(
            cls.jdk.java("launcher.OptionsProbe", "--interactive"),
            input="".join(f"{UNIT.join(line)}\n" for line in words),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return answer.stdout.splitlines()

    # the stub's own words

    def tell(self, line: str) -> None:
        """Have the stub do something."""
        with socket.create_connection(("127.0.0.1", self.info["shell_port"]), 10) as sock:
            sock.sendall(f"{line}\n".encode())

    def count(self, line: str) -> int:
        """How many times it was printed; it may stand within one of Java's warnings."""
        return self.output.count(f"{line}\n")

    def wait_for_line(self, line: str, count: int = 1) -> None:
        """Wait until it has been printed so many times."""
        wait_for(lambda: self.count(line) >= count)

    def answer(self, line: str) -> str:
        """Have the stub tell something."""
        self.tell(line)
        said = wait_for(lambda: re.search(f"{re.escape(line)}: (.*)\n", self.output))
        return said[1]

    # the contract's

    def wait_until_up(self) -> None:
        _ = self.info
        self.wait_for_line("toree-launcher: the gateway has the connection info")
        self.wait_for_line("stub profile: rw-------")

    def remember(self) -> None:
        self.wait_until_up()
        self.tell("keep 42")

    def remembers(self) -> bool:
        before = self.count("kept: 42")
        self.tell("kept")
        self.wait_for_line("kept: 42", before + 1)
        return True

    def own_pid(self) -> int:
        return int(self.answer("pid"))

    def variable(self, name: str) -> str:
        return self.answer(f"variable {name}")

    def begin_cell(self, what: str) -> tuple[str, int]:
        count = self.count(f"begun: {what}") + 1
        self.tell(what)
        self.wait_for_line(f"begun: {what}", count)
        return what, count

    def assert_running(self, cell: tuple[str, int]) -> None:
        what, count = cell
        assert self.output.count(f"ended: {what}") < count

    def assert_interrupted(self, cell: tuple[str, int]) -> None:
        what, count = cell
        self.wait_for_line(f"ended: {what} by {ERRORS[what]}", count)

    def start_children(self) -> None:
        for _ in range(2):
            self.tell("child")
        wait_for(lambda: len(self.processes()) >= 3)

    def hold_up_its_end(self) -> None:
        self.tell("hang")

    def ask_to_end(self) -> None:
        self.tell("exit 0")

    def exit(self, code: int) -> None:
        self.tell(f"exit {code}")

    def signal(self, number: int) -> None:
        os.kill(min(self.processes()), number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> list[str]:  # neither the stub's lines nor Java's warnings of it
        return [line for line in self.output.splitlines() if line.startswith(self.log_name)]


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)
