"""A launched kernel that is a whole one: it is talked to as the gateway does it, over ZeroMQ."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from fake_gateway import PATIENCE, wait_for
from jupyter_client import BlockingKernelClient
from launched import LaunchedKernel


class Words(NamedTuple):
    """Code in the kernel's language; what it prints ends without a newline.

    Attributes:
        up: Prints `up`.
        remember: Keeps 42 under a name, and prints nothing.
        recall: Prints what is kept.
        pid: Prints the process id.
        variable: Prints the environment's variable NAME, or nothing.
        cells: Cells that never end and print first, by `sleep` and `spin`.
        short: Prints 300 numbers.
        windows: Prints 42; its lines end as on Windows.
        fails: One line that prints `before`, fails, and would print `after`.
        program: Prints, waits for `sleep 600`, and prints what is in `program_ended`.
        children: Starts programs in all ways that there are.
        hold_up: Makes an orderly end take for ever.
        die: Kills the process.
    """

    up: str
    remember: str
    recall: str
    pid: str
    variable: str
    cells: Mapping[str, str]
    short: str
    windows: str
    fails: str
    program: str
    program_ended: str
    children: str
    hold_up: str
    die: str


class ZmqKernel(LaunchedKernel):
    words: ClassVar[Words]
    interrupted: ClassVar[str] = ""
    """What an interrupted cell answers with, at least."""
    _client: BlockingKernelClient | None = None

    @property
    def client(self) -> BlockingKernelClient:
        if self._client is None:
            self._client = self.connect(self.info["key"])
            self._client.wait_for_ready(timeout=PATIENCE)
        return self._client

    def connect(self, key: str) -> BlockingKernelClient:
        client = BlockingKernelClient()
        client.load_connection_info({**self.info, "ip": "127.0.0.1", "key": key})
        client.start_channels(hb=False)
        return client

    def begin(self, code: str) -> str:
        """Have code executed without waiting; returns the message's id."""
        return self.client.execute(code)

    def run(self, code: str) -> str:
        """Execute code; returns what it printed, or `Error: text`."""
        return self.result_of(self.begin(code))

    def result_of(self, message_id: str, *, interrupting: bool = False) -> str:
        """Wait until that code has ended; with `interrupting`, ask for it while it is silent."""
        printed = ""
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end, f"it does not end, and has printed {printed!r}"
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                if interrupting:
                    self.request(signum=2)
                continue
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                printed += content["text"]
            elif message["msg_type"] == "execute_result":
                printed += content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                printed += f"{content['ename']}: {content['evalue']}"
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed

    def wait_for_output(self, message_id: str) -> None:
        """Wait until that code has printed something."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            ours = message["parent_header"].get("msg_id") == message_id
            if ours and message["msg_type"] == "stream":  # ipykernel may print at its start, too
                return

    def wait_until_up(self) -> None:
        assert self.run(self.words.up) == "up"

    def remember(self) -> None:
        assert self.run(self.words.remember) == ""

    def remembers(self) -> bool:
        return self.run(self.words.recall) == "42"

    def own_pid(self) -> int:
        return int(self.run(self.words.pid))

    def variable(self, name: str) -> str:
        return self.run(self.words.variable.replace("NAME", name))

    def begin_cell(self, what: str) -> str:
        return self.begin_endless(self.words.cells[what])

    def begin_endless(self, code: str) -> str:
        """Begin code that prints and then never ends; returns the message's id."""
        message_id = self.begin(code)
        self.wait_for_output(message_id)
        return message_id

    def assert_running(self, cell: str) -> None:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                continue
            ours = message["parent_header"].get("msg_id") == cell
            assert not (ours and message["msg_type"] in ("status", "error"))

    def assert_interrupted(self, cell: str) -> None:
        assert self.interrupted in self.result_of(cell)

    def begin_program(self) -> str:
        message_id = self.begin_endless(self.words.program)
        wait_for(lambda: any(b"sleep\x00600" in cmdline(pid) for pid in self.processes()))
        return message_id

    def assert_program_interrupted(self, cell: str) -> None:
        assert self.words.program_ended in self.result_of(cell)

    def start_children(self) -> None:
        self.run(self.words.children)
        assert len(self.processes()) >= 5

    def hold_up_its_end(self) -> None:
        assert self.run(self.words.hold_up) == ""

    def ask_to_end(self) -> None:
        self.client.shutdown()

    def die(self) -> None:
        self.begin(self.words.die)

    def clear_away(self) -> None:
        if self._client is not None:
            self._client.stop_channels()
        super().clear_away()


def cmdline(pid: int) -> bytes:
    """Command line of a process; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
