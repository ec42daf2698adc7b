"""The gateway's side of the launcher protocol."""

from __future__ import annotations

import base64
import json
import queue
import socket
import threading
import time
from collections import defaultdict

from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.PublicKey import RSA
from Cryptodome.Util.Padding import unpad

PATIENCE = 120.0  # seconds, for things that take one on an idle machine


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


def bound_but_deaf() -> socket.socket:
    """A port where connections are refused, and that nobody else can take."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock
