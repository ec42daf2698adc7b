"""A connection to an engine on another machine, through the `ssh` program.

The same way docker itself goes (`ssh HOST docker system dial-stdio`), so the user's keys, agent
and ssh configuration count. The SDK would want paramiko for it. Behaves like a socket as far as
`wire` uses one.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from contextlib import suppress

from buildlib.engine.find import Endpoint


class SshSocket:
    """One run of ssh; closing it ends the run."""

    def __init__(self, endpoint: Endpoint, timeout: float | None) -> None:
        rest = endpoint.url.partition("://")[2].split("/", 1)[0]
        user, _, place = rest.rpartition("@")
        host, _, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
        argv = ["ssh", "-o", "ConnectTimeout=30", "-T"]
        argv += ["-l", user] if user else []
        argv += ["-p", port] if host and port.isdigit() else []
        name = (host if host and port.isdigit() else place).strip("[]")
        argv += ["--", name, "docker", "system", "dial-stdio"]
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(timeout)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        with theirs:
            try:
                self._child = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._said,
                    start_new_session=True,  # a ^C is for us, who then close it
                )
            except OSError:
                self._socket.close()
                self._said.close()
                raise

    def sendall(self, data: bytes) -> None:
        """As of a socket."""
        try:
            self._socket.sendall(data)
        except BrokenPipeError:
            raise ConnectionError(self._words()) from None

    def recv(self, size: int) -> bytes:
        """As of a socket, but the end of a connection that failed is an error with ssh's words."""
        try:
            data = self._socket.recv(size)
        except ConnectionResetError:  # ssh ended with our question unread
            data = b""
        if not data and (words := self._words()):
            raise ConnectionError(words)
        return data

    def close(self) -> None:
        """End the connection, and ssh."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(1)
        if self._child.returncode is None:
            self._child.kill()
            self._child.wait()
        self._said.close()

    def _words(self) -> str:
        """What ssh, or docker over there, complained of; empty if it ended well."""
        try:
            if self._child.wait(5) == 0:
                return ""
        except subprocess.TimeoutExpired:
            return ""
        self._said.seek(0)
        text = self._said.read().decode("utf-8", "replace").strip()
        return text or f"ssh ended with code {self._child.returncode}"
