"""A launcher that runs under the fake gateway, and what the contract asks of each.

`test_launcher_contract.py`, `test_comm_port_contract.py` and `test_options_contract.py` know this
class alone. A language is one subclass: how its launcher is started, the words in which its kernel
is told to do something, the numbers that differ, and what it lacks of the contract, and why.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from fake_gateway import PATIENCE, FakeGateway

from tests.support.pace import promptly

_LAST_STATUS = "zmq.error.ZMQError: Socket operation on non-socket"
"""ipykernel 6.31 may publish its last status when the socket for it is closed already."""


class Capability(Enum):
    """What is asked in some cases of the contract, and not honoured by each launcher."""

    MESSAGES = "the kernel in the tests is a whole one, which answers on its ZeroMQ ports"
    OWN_PROCESS = "the kernel is a process beside the launcher, and can end without it"
    EXITS = "a cell can end the kernel at once, with an exit code"
    ANY_TIME = "an interrupt that comes between cells, or as one begins or ends, harms nothing"
    PROGRAMS = "a cell waits for a program that it has started"
    ENDS_BY_SIGINT = "SIGINT to the launcher ends it, as SIGTERM does"
    TIDIES_UP = "SIGTERM to the launcher leaves none of its files"
    HIDES_PARENT = "JPY_PARENT_PID, which names a process of the gateway, is kept from the kernel"
    ID_FROM_FILE = "the name of a given connection file is the kernel's id, where none is given"
    REFUSES_UNKNOWN = "an option that it does not know is an error"
    ONE_IS_A_NUMBER = '{"shutdown": true} is not taken for {"shutdown": 1}'


def needs(*capabilities: Capability) -> pytest.MarkDecorator:
    """Mark a case of the contract that not each launcher honours."""
    return pytest.mark.needs(*capabilities)


class Asked(NamedTuple):
    """Arguments and environment of a launcher whose options are to be read, and nothing more."""

    argv: Sequence[str]
    env: Mapping[str, str]


class LaunchedKernel(ABC):
    """A launcher process with its output, what it has reported, and its comm port.

    What a kernel does is told in the words of the contract: a *cell* is code that a user runs, and
    what `begin_cell` returns stands for the one that was begun.
    """

    log_name: ClassVar[str]
    """How lines of the launcher's own log begin."""
    kernel_name: ClassVar[str] = ""
    stop_seconds: ClassVar[float]
    """A stop takes less than two; a busy machine is given more to notice, and docker to tell."""
    shutdown_code: ClassVar[int]
    """Exit code after `{"shutdown": 1}`, where nobody else has told the kernel."""
    early_codes: ClassVar[AbstractSet[int]] = {143}
    """Exit codes after a signal to the launcher, maybe while the kernel loads."""
    held_up_code: ClassVar[int]
    """Exit code after `ask_to_end`, where something holds up the kernel's end."""
    refused: ClassVar[str]
    """What is said of a gateway's port at which nobody listens."""
    keeps_connection_file: ClassVar[bool] = False
    """Whether it stays while the kernel runs; else it is gone before the first cell."""
    slow: ClassVar[Mapping[str, str]] = {}
    """Environment that makes the start long enough for what is there meanwhile to be seen."""
    default_mode: ClassVar[str] = "none"
    """Of Spark's context."""
    storm: ClassVar[int]
    """How many requests come at once in a storm."""
    crowd: ClassVar[int]
    """How many senders never end their request in it."""
    lacks: ClassVar[Mapping[Capability, str]] = {}

    def __init__(
        self,
        gateway: FakeGateway,
        folder: Path,
        *options: str,
        old_spelling: bool = False,
        given_file: bool = False,
        env: Mapping[str, str] | None = None,
        **replaced: str | None,
    ) -> None:
        """Start it.

        Args:
            gateway: Takes its report.
            folder: Of its own; not there yet.
            options: Of the command line, after all others.
            old_spelling: Options are spelt `--RemoteProcessProxy.kernel-id`.
            given_file: It is told where the connection file shall be, at `self.given`.
            env: What is added to its environment.
            replaced: Values of options such as `kernel_id`; None leaves one out.
        """
        folder.mkdir()
        self.id = str(uuid.uuid4())
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.given = self.tmp / "given.json"
        self.gateway = gateway
        self._output = folder / "output"
        self._info: dict[str, Any] | None = None
        values = {
            "kernel-id": self.id,
            "response-address": gateway.address,
            "public-key": gateway.public_key,
            **{name.replace("_", "-"): value for name, value in replaced.items()},
        }
        dashes = "--RemoteProcessProxy." if old_spelling else "--"
        arguments = [
            text for name, value in values.items() if value is not None
            for text in (dashes + name, value)
        ]  # fmt: skip
        arguments += [*options, *(self.given_options() if given_file else ())]
        with self._output.open("wb") as output:
            self.started = time.monotonic()
            command, env = self.command(arguments, dict(env or {}))
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    # how a language's launcher is run

    @abstractmethod
    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line, and what is added to its environment."""

    @abstractmethod
    def given_options(self) -> Sequence[str]:
        """Options by which the connection file is at `self.given`."""

    @classmethod
    @abstractmethod
    def read_options(cls, cases: Sequence[Asked]) -> list[str]:
        """What a launcher's parser makes of command lines: all at once, since Java starts slowly.

        Returns:
            For each `kernel id|host port|lower upper|mode|seconds`, where what was not given is
            empty and seconds are the launch timeout; or `error` and the exit code.
        """

    # what its kernel can be told

    @abstractmethod
    def wait_until_up(self) -> None:
        """Wait until the gateway has the report, and the kernel runs cells."""

    @abstractmethod
    def remember(self) -> None:
        """Have the kernel keep something in its memory."""

    @abstractmethod
    def remembers(self) -> bool:
        """Whether it has that still."""

    @abstractmethod
    def own_pid(self) -> int:
        """The kernel's own idea of its process id."""

    @abstractmethod
    def variable(self, name: str) -> str:
        """A variable of the kernel's environment; empty if it is not set."""

    @abstractmethod
    def begin_cell(self, what: str) -> Any:
        """Begin a cell that never ends, and wait until it runs.

        Args:
            what: `sleep` (mostly) or `spin` (never).
        """

    @abstractmethod
    def assert_running(self, cell: Any) -> None:
        """It has not ended."""

    @abstractmethod
    def assert_interrupted(self, cell: Any) -> None:
        """It ends, and by an interrupt."""

    def begin_program(self) -> Any:
        """Begin a cell that waits for a program, which never ends."""
        raise NotImplementedError

    def assert_program_interrupted(self, cell: Any) -> None:
        """The cell ends, since the program was interrupted."""
        raise NotImplementedError

    @abstractmethod
    def start_children(self) -> None:
        """Have the kernel start programs in all ways that it has, and wait for none."""

    @abstractmethod
    def hold_up_its_end(self) -> None:
        """Have the kernel do what makes its orderly end take for ever."""

    @abstractmethod
    def ask_to_end(self) -> None:
        """Ask the kernel itself for its orderly end."""

    def exit(self, code: int) -> None:
        """Have a cell end the kernel at once."""
        raise NotImplementedError

    def die(self) -> None:
        """Have a cell kill the kernel."""
        raise NotImplementedError

    def shut_down_last(self) -> None:
        """Request the shutdown of a kernel that was told already."""
        self.request(shutdown=1)

    def signal(self, number: int) -> None:
        """Send a signal to the launcher, as the system does it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the launcher."""
        self.process.kill()
        self.process.wait()

    # its report, files and output

    @property
    def info(self) -> dict[str, Any]:
        """What was reported."""
        if self._info is None:
            self._info = self.gateway.report_of(self.id)
        return self._info

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def log(self) -> list[str]:
        """Lines of the output, but for those that a kernel is expected to write."""
        return self.output.splitlines()

    @property
    def connection_files(self) -> list[Path]:
        return list(self.tmp.glob("kernel-*.json"))

    # the comm port

    def send(self, data: bytes, *, timeout: float = PATIENCE) -> None:
        """Write to the comm port."""
        with socket.create_connection(("127.0.0.1", self.info["comm_port"]), timeout) as sock:
            sock.sendall(data)

    def request(self, **request: int) -> None:
        self.send(json.dumps(request).encode())

    def comm_port_is_open(self) -> bool:
        try:
            self.send(b'{"signum": 0}')
        except ConnectionRefusedError:
            return False
        return True

    # its end

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    @contextmanager
    def ends_in_time(self, *codes: int) -> Iterator[None]:
        """What is done within ends the launcher, with one of these exit codes, and in time."""
        with promptly(self.stop_seconds):
            yield
            assert self.wait() in codes

    def processes(self) -> list[int]:
        """All processes that have come from this launcher: they carry its mark."""
        mark = f"LAUNCHER_TEST={self.id}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def assert_nothing_left(self) -> None:
        """No process, no file, and no secret in what was printed."""
        assert self.processes() == []
        assert list(self.tmp.iterdir()) == []
        if _LAST_STATUS not in self.output:
            assert "Traceback" not in self.output, self.output
        assert self.gateway.public_key not in self.output
        if self._info is not None:
            assert self._info["key"] not in self.output

    def clear_away(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
