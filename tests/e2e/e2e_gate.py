"""A socket before the engine's own, with a gate that builds wait at until it is opened.

That is how a test stands in the middle of a build without sleeping: a builder has said
what it wants, and the engine has not heard of it yet. All else passes. Builds are counted, so a
test can say that nothing was built twice.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e2e_process import Running

_BUILD = re.compile(rb"POST (?:/v[0-9.]+)?/(?:build|images/load)\?")
"""What a docker client asks for, and what is asked for an image that needs no builder."""
_CHUNK = 1 << 16


class Gate:
    """Listens on a socket of its own; open until `shut` is called.

    Args:
        path: The socket to make; short, as socket paths must be.
        engine: The engine's socket.
        patience: Seconds a build waits at a shut gate.
    """

    def __init__(self, path: Path, engine: str, patience: float) -> None:
        self.url = f"unix://{path}"
        self.builds = 0
        self._engine = engine
        self._patience = patience
        self._open = threading.Event()
        self._open.set()
        self._news = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Let no more builds pass."""
        self._open.clear()

    def open(self) -> None:
        """Let builds pass, those that wait included."""
        self._open.set()

    def wait_for_builds(self, count: int, *builders: Running) -> None:
        """Return when so many builds came to the gate since it was made; not if builders end."""
        deadline = time.monotonic() + self._patience
        with self._news:
            while self.builds < count:
                said = "\n".join(one.text for one in builders)
                assert any(one.process.poll() is None for one in builders), said
                assert time.monotonic() < deadline, f"{self.builds} builds came:\n{said}"
                self._news.wait(0.2)

    def close(self) -> None:
        """Listen no more."""
        self._open.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            try:
                engine.connect(self._engine)
            except OSError:
                client.close()
                continue
            for source, sink, asks in ((client, engine, True), (engine, client, False)):
                threading.Thread(target=self._pass, args=(source, sink, asks), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        """Hand bytes on until one side ends; then end that direction of the other."""
        try:
            while data := source.recv(_CHUNK):
                if asks and _BUILD.match(data):
                    with self._news:
                        self.builds += 1
                        self._news.notify_all()
                    self._open.wait(self._patience)
                    if _is_gone(source):
                        break  # the engine never hears of it
                sink.sendall(data)
        except OSError:
            pass
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _is_gone(peer: socket.socket) -> bool:
    """Whether the other side closed its end."""
    try:
        return peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
