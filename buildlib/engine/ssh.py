"""A connection to an engine on another machine, through the `ssh` program.

docker itself connects in the same way (`ssh HOST docker system dial-stdio`), so the user's keys,
agent and ssh configuration count. The SDK would need paramiko for it.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildlib.engine.find import Endpoint


class SshSocket(socket.socket):
    """One run of ssh; closing it ends the run.

    A connection that ssh could not make, or that broke, is a `ConnectionError` with ssh's words.
    """

    def __init__(self, endpoint: Endpoint, timeout: float | None) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.settimeout(timeout)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        self._child: subprocess.Popen[bytes] | None = None
        with theirs:
            try:
                self._child = subprocess.Popen(
                    _command(endpoint),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._stderr,
                    start_new_session=True,  # a ^C is for us, who then close it
                )
            except OSError:
                self.close()
                raise

    # wire sends and reads with these; http.client, under the SDK, reads into buffers

    def sendall(self, data: Any, flags: int = 0) -> None:
        try:
            super().sendall(data, flags)
        except BrokenPipeError:
            raise ConnectionError(self._complaint()) from None

    def recv(self, size: int, flags: int = 0) -> bytes:
        try:
            data = super().recv(size, flags)
        except ConnectionResetError:  # ssh ended with our question unread
            data = b""
        if not data:
            self._raise_if_failed()
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        try:
            count = super().recv_into(buffer, size, flags)
        except ConnectionResetError:
            count = 0
        if not count:
            self._raise_if_failed()
        return count

    def close(self) -> None:
        super().close()
        if self.fileno() >= 0:  # a file object of http.client still reads from it
            return
        if self._child is not None and self._child.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(1)
            if self._child.returncode is None:
                self._child.kill()
                self._child.wait()
        self._stderr.close()

    def _raise_if_failed(self) -> None:
        """Raise an error at the end of the connection, if ssh failed."""
        if words := self._complaint():
            raise ConnectionError(words)

    def _complaint(self) -> str:
        """Return the error of ssh, or of docker over there; empty if it ended well."""
        assert self._child is not None  # noqa: S101  nothing is sent before it is started
        try:
            if self._child.wait(5) == 0:
                return ""
        except subprocess.TimeoutExpired:
            return ""
        self._stderr.seek(0)
        text = self._stderr.read().decode("utf-8", "replace").strip()
        return text or f"ssh ended with code {self._child.returncode}"


def _command(endpoint: Endpoint) -> list[str]:
    rest = endpoint.url.partition("://")[2].split("/", 1)[0]
    user, _, place = rest.rpartition("@")
    host, _, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    argv = ["ssh", "-o", "ConnectTimeout=30", "-T"]
    argv += ["-l", user] if user else []
    argv += ["-p", port] if host and port.isdigit() else []
    name = (host if host and port.isdigit() else place).strip("[]")
    return [*argv, "--", name, "docker", "system", "dial-stdio"]
