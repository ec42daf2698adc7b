"""The gateway's side of the report: a key pair, and a socket that takes messages to their end.

As the real one does, it serves one connection at a time and answers nothing. Unlike it, it tells
containers apart by their address, so that a message it cannot read has a sender.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import NamedTuple

from Cryptodome.PublicKey import RSA

_KEY_BITS = 1024  # the real gateway's
_PIECE = 1024
_BACKLOG = 128
_READ_SECONDS = 10.0  # for a message to end; the real gateway would wait for ever


class Message(NamedTuple):
    """What came over one connection; `ended` tells whether the sender has closed it."""

    data: bytes
    ended: bool


class KeyPair:
    """The gateway's RSA key."""

    def __init__(self) -> None:
        self.private = RSA.generate(_KEY_BITS)
        self.public = base64.b64encode(self.private.public_key().export_key("DER")).decode()


class Listener:
    """A response address. With `later`, connections are refused until `listen` is called."""

    def __init__(self, host: str, *, later: bool = False) -> None:
        self._socket = socket.socket()
        self._socket.bind((host, 0))
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._messages: dict[str, list[Message]] = {}
        self._came = threading.Condition()
        if not later:
            self.listen()

    def listen(self) -> None:
        """Take messages from now on."""
        self._socket.listen(_BACKLOG)
        threading.Thread(target=self._serve, name="verify-listener", daemon=True).start()

    def close(self) -> None:
        """Take no more messages."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes up accept
        self._socket.close()

    def take(self, address: str, seconds: float = 0.0) -> Message | None:
        """The oldest message from a container's address, once; waits for it for some seconds."""
        with self._came:
            self._came.wait_for(lambda: self._messages.get(address), seconds)
            messages = self._messages.get(address)
            return messages.pop(0) if messages else None

    def forget(self, address: str) -> None:
        """Drop what has come from an address, which another container may get."""
        with self._came:
            self._messages.pop(address, None)

    def _serve(self) -> None:
        while True:
            try:
                connection, (address, _) = self._socket.accept()
            except OSError:
                return
            with connection:
                message = self._read(connection)
            if message.data:  # else somebody has looked whether the port is open
                with self._came:
                    self._messages.setdefault(address, []).append(message)
                    self._came.notify_all()

    def _read(self, connection: socket.socket) -> Message:
        connection.settimeout(_READ_SECONDS)
        data = b""
        try:
            while piece := connection.recv(_PIECE):
                data += piece
        except OSError:
            return Message(data, ended=False)
        return Message(data, ended=True)
