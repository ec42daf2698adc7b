"""The comm port: the gateway's one-way requests, one JSON object a connection.

Anybody who reaches the port can write to it, so a connection may be empty, malformed, endless, one
of thousands: it is dropped, and the others are served. The gateway waits 5 ms for a connection; the
operating system accepts it in that time, whatever we are doing, as long as the backlog has room.
"""

from __future__ import annotations

import json
import selectors
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from kernel_launcher.messages import log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

BACKLOG = 1024
REQUEST_SECONDS = 2.0  # a request must be complete by then,
REQUEST_BYTES = 4096  # not be longer than this,
OPEN_REQUESTS = 200  # and have fewer than so many open ones behind it
ACCEPTS_PER_TURN = 64


class Request(NamedTuple):
    """What the gateway asks for: a signal (0: none, it only polls), the end of listening."""

    signum: int
    shutdown: bool


def parse_request(text: bytes | bytearray) -> Request:
    """Read one request.

    Raises:
        ValueError: when it is not an object with a valid `signum` or `shutdown`.
    """
    try:
        request = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(request, dict) or not request.keys() & {"signum", "shutdown"}:
        raise ValueError("neither signum nor shutdown")
    signum = request.get("signum", 0)
    if type(signum) is not int or (signum and signum not in signal.valid_signals()):
        raise ValueError("no such signal")
    return Request(signum, shutdown=request.get("shutdown") == 1)


class CommPort:
    """Serves a listening socket within somebody's selector loop; calls `obey` for each request."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listener: socket.socket,
        obey: Callable[[Request], None],
    ) -> None:
        self._selector = selector
        self._listener = listener
        self._obey = obey
        self._open: dict[socket.socket, tuple[bytearray, float]] = {}  # oldest first
        self._closed = False
        self._complained = False
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    @property
    def wake_at(self) -> float:
        """Monotonic time of the next `tick`."""
        return next((deadline for _, deadline in self._open.values()), float("inf"))

    def tick(self, now: float) -> None:
        """Drop the connections that take too long."""
        while self.wake_at <= now:
            self._refuse(next(iter(self._open)), "not complete in time")

    def close(self) -> None:
        """Refuse connections from now on: to the gateway, the kernel is gone."""
        if not self._closed:
            self._closed = True
            self._selector.unregister(self._listener)
            self._listener.close()
            for sock in list(self._open):
                self._drop(sock)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self._closed:  # by the request just served
                return
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # it is gone again, or there is no file descriptor left
                self._make_room()
                return
            if len(self._open) >= OPEN_REQUESTS:
                self._refuse(next(iter(self._open)), "too many at once")
            sock.setblocking(False)
            self._open[sock] = (bytearray(), time.monotonic() + REQUEST_SECONDS)
            self._selector.register(sock, selectors.EVENT_READ, lambda sock=sock: self._read(sock))
            self._read(sock)  # mostly all is there

    def _make_room(self) -> None:
        if self._open:
            self._refuse(next(iter(self._open)), "no file descriptor left")
        else:
            time.sleep(0.001)  # nothing of ours to close: don't spin until somebody else does

    def _read(self, sock: socket.socket) -> None:
        if sock not in self._open:  # dropped a moment ago, in the same turn of the loop
            return
        received, _ = self._open[sock]
        try:
            piece = sock.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(sock)
            return
        received += piece
        if len(received) > REQUEST_BYTES:
            self._refuse(sock, "too long")
        elif piece and not piece.rstrip().endswith(b"}"):
            return  # more to come
        elif received:
            self._finish(sock, received, ended=not piece)
        else:
            self._drop(sock)  # a port scan, a health check

    def _finish(self, sock: socket.socket, received: bytearray, *, ended: bool) -> None:
        try:
            request = parse_request(received)
        except ValueError:
            if ended:  # else that brace was perhaps not the last
                self._refuse(sock, "malformed")
            return
        self._drop(sock)
        self._obey(request)

    def _refuse(self, sock: socket.socket, reason: str) -> None:
        if not self._complained:  # once: a storm of garbage must not fill the log
            self._complained = True
            log(f"dropped a connection to the comm port: {reason} (further ones in silence)")
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        del self._open[sock]
        self._selector.unregister(sock)
        sock.close()
