"""The one message from launcher to gateway: where the kernel is, encrypted.

`seal` makes the wire form, `Report` brings it there inside the supervisor's loop. Neither logs what
it carries.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import secrets
import selectors
import socket
import sys
import time
from typing import Any

from kernel_launcher.messages import LauncherError

TRY_SECONDS = 3.0  # to connect and send
FIRST_PAUSE = 0.1  # between two tries, doubled each time
LONGEST_PAUSE = 2.0


def seal(info: dict[str, Any], public_key: str) -> bytes:
    """Encrypt the connection info for the gateway.

    AES in ECB mode and RSA with PKCS#1 v1.5 padding are nobody's choice today. They are what the
    gateway's listener decrypts, and it takes nothing else. The AES key is new for each kernel.

    Args:
        info: what the gateway shall know.
        public_key: base64 of the DER form of an RSA key, as in the body of a PEM file.

    Raises:
        LauncherError: when the key is no RSA key or pycryptodomex is not installed.
    """
    try:
        from Cryptodome.Cipher import AES, PKCS1_v1_5
        from Cryptodome.PublicKey import RSA
        from Cryptodome.Util.Padding import pad
    except ImportError as error:
        raise LauncherError(f"{sys.executable} has no pycryptodomex: {error}") from error
    aes_key = secrets.token_bytes(16)
    try:
        rsa_key = RSA.import_key(base64.b64decode(public_key, validate=True))
        sealed_key = PKCS1_v1_5.new(rsa_key).encrypt(aes_key)
    except (ValueError, IndexError, TypeError) as error:
        raise LauncherError(f"--public-key is not an RSA public key: {error}", code=2) from error
    sealed_info = AES.new(aes_key, AES.MODE_ECB).encrypt(pad(json.dumps(info).encode(), 16))
    message = {
        "version": 1,
        "key": base64.b64encode(sealed_key).decode(),
        "conn_info": base64.b64encode(sealed_info).decode(),
    }
    return base64.b64encode(json.dumps(message).encode())


class Report:
    """Sends the payload without blocking, again and again until the gateway has it.

    The gateway reads to the end and closes, without a word. So its orderly close is the receipt;
    a reset (it restarted, its queue was full, a proxy had nobody behind it) asks for another try.
    """

    def __init__(
        self, selector: selectors.BaseSelector, address: tuple[str, int], payload: bytes
    ) -> None:
        self.delivered = False
        self.problem = "no answer"
        self.wake_at = 0.0  # monotonic time at which `tick` has something to do
        self._selector = selector
        self._address = address
        self._payload = payload
        self._unsent = b""
        self._sock: socket.socket | None = None
        self._pause = FIRST_PAUSE

    def tick(self, now: float) -> None:
        """Begin the next try, or give up one that takes too long."""
        if now < self.wake_at:
            return
        if self._sock is None:
            self._connect(now)
        else:
            self._try_again("no answer")

    def close(self, *, last: bool = False) -> None:
        """Drop the try under way; with `last`, a payload that is on its way counts as delivered.

        (It was sent whole to somebody who has not refused it: the gateway, with a long queue.)
        """
        if self._sock is not None:
            self.delivered = self.delivered or (last and not self._unsent)
            self._selector.unregister(self._sock)
            self._sock.close()
            self._sock = None

    def _try_again(self, problem: str) -> None:
        self.close()
        self.problem = problem
        self.wake_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _connect(self, now: float) -> None:
        try:  # a name may be looked up, which blocks; but nobody knows the comm port yet
            family, kind, protocol, _, target = socket.getaddrinfo(
                *self._address, type=socket.SOCK_STREAM
            )[0]
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self._try_again(str(error))
            return
        sock.setblocking(False)
        code = sock.connect_ex(target)
        self._sock, self._unsent, self.wake_at = sock, self._payload, now + TRY_SECONDS
        self._selector.register(sock, selectors.EVENT_WRITE, self._proceed)
        if code not in (0, errno.EINPROGRESS):
            self._try_again(os.strerror(code))

    def _proceed(self) -> None:
        if self._sock is None:
            return
        try:
            if self._unsent:
                self._send(self._sock)
            elif not self._sock.recv(1024):
                self.close()
                self.delivered = True
        except BlockingIOError:
            return
        except OSError as error:
            self._try_again(error.strerror or str(error))

    def _send(self, sock: socket.socket) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self._unsent = self._unsent[sock.send(self._unsent) :]
        if not self._unsent:
            sock.shutdown(socket.SHUT_WR)
            self._selector.modify(sock, selectors.EVENT_READ, self._proceed)
            self.wake_at = float("inf")  # the gateway serves one at a time: wait for our turn
