"""The gateway's side of the launcher protocol, and a launcher that runs under it."""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from pathlib import Path

from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.PublicKey import RSA
from Cryptodome.Util.Padding import unpad
from jupyter_client import BlockingKernelClient

SCRIPT = Path(__file__).parents[2] / "launchers" / "python" / "launch_ipykernel.py"
PATIENCE = 40.0  # seconds, for things that take one on an idle machine


def wait_for(what, timeout=PATIENCE):
    """Poll until `what()` is true; returns its value."""
    end = time.monotonic() + timeout
    while not (value := what()):
        assert time.monotonic() < end, f"not true after {timeout} s"
        time.sleep(0.01)
    return value


class FakeGateway:
    """Takes reports as the real one does: a 1024-bit key, one connection at a time, to its end."""

    def __init__(self, listener: socket.socket | None = None) -> None:
        self._key = RSA.generate(1024)
        self.public_key = base64.b64encode(self._key.public_key().export_key("DER")).decode()
        self._reports: dict[str, queue.Queue[dict]] = defaultdict(queue.Queue)
        self._socket = listener or socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        if listener is None:
            self.listen()

    def listen(self) -> None:
        self._socket.listen(128)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def report_of(self, kernel_id: str) -> dict:
        return self._reports[kernel_id].get(timeout=PATIENCE)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                received = b""
                while piece := connection.recv(1024):
                    received += piece
            info = self.decrypt(received)
            self._reports[info["kernel_id"]].put(info)

    def decrypt(self, received: bytes) -> dict:
        message = json.loads(base64.b64decode(received))
        assert message["version"] == 1
        aes_key = PKCS1_v1_5.new(self._key).decrypt(base64.b64decode(message["key"]), None)
        assert len(aes_key) == 16
        sealed = base64.b64decode(message["conn_info"])
        return json.loads(unpad(AES.new(aes_key, AES.MODE_ECB).decrypt(sealed), 16))


class LaunchedKernel:
    """A launcher process with its output, its kernel's client and its comm port."""

    def __init__(
        self,
        gateway: FakeGateway,
        folder: Path,
        *options: str,
        old_spelling: bool = False,
        env: dict[str, str] | None = None,
        **replaced: str | None,
    ) -> None:
        folder.mkdir()
        self.id = str(uuid.uuid4())
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self._gateway = gateway
        self._output = folder / "output"
        self._info: dict | None = None
        self._client: BlockingKernelClient | None = None
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
        with self._output.open("wb") as output:
            self.started = time.monotonic()
            command, env = self.command([*arguments, *options], env or {})
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line, and what is added to its environment."""
        marked = {
            "TMPDIR": str(self.tmp),
            "HOME": str(self.tmp.parent),
            "LAUNCHER_TEST": self.id,
            "JPY_PARENT_PID": "4242",
            **env,
        }
        return [sys.executable, str(SCRIPT), *arguments], marked

    @property
    def info(self) -> dict:
        """What was reported."""
        if self._info is None:
            self._info = self._gateway.report_of(self.id)
        return self._info

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

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def connection_files(self) -> list[Path]:
        return list(self.tmp.glob("kernel-*.json"))

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

    def begin_endless(self, code: str = "") -> str:
        """Have the kernel do something and then never end; returns the message's id.

        It naps: a signal that comes just before a sleep is seen by Python only after it.
        """
        message_id = self.begin(f"import time\n{code}\nprint('go')\nwhile True: time.sleep(0.02)")
        self.wait_for_output(message_id)
        return message_id

    def wait_for_output(self, message_id: str) -> None:
        """Wait until that code has printed something."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            ours = message["parent_header"].get("msg_id") == message_id
            if ours and message["msg_type"] == "stream":  # ipykernel may print at its start, too
                return

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

    def shutdown_by_zmq(self) -> None:
        self.client.shutdown()

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

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
        assert "Traceback" not in self.output, self.output
        assert self._gateway.public_key not in self.output
        if self._info is not None:
            assert self._info["key"] not in self.output

    def clear_away(self) -> None:
        if self._client is not None:
            self._client.stop_channels()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
