"""A way to a registry on which things go wrong: a small proxy on loopback, plain HTTP.

    with troubled(there.host) as way:             # what listens on 127.0.0.1:40123
        way.answer(429, times=2, method="PUT", path="/manifests/", retry_after=1)
        way.cut_upload(after=100_000, path="/blobs/uploads/")
        way.cut_answer(after=10, method="GET", path="/blobs/")
        way.slow(bytes_per_second=1_000_000)
        way.before = lambda seen: ...             # called with each request before it is passed on
        connect(way.host) ...
        way.requests, way.count("PUT", "/manifests/"), way.uploaded

A trouble is for the next `times` requests whose method is the one named (any if none is) and
whose path contains `path`; the first that fits is used up first. An engine may use it, too: it
takes bodies of unknown length. Where the registry does not answer, the connection is cut, as it
would be without a proxy. Requests reach the registry with the host that was asked for, so that the
addresses it gives lead back here.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_PIECE = 1 << 14


@dataclass
class Seen:
    """A request, as far as it has come.

    Attributes:
        method: Of HTTP.
        path: With its query.
        headers: As they came; names are lower case.
        status: Of the answer; 0 while there is none, or where it was cut.
        uploaded: Bytes of the body that were passed on to the registry.
    """

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    uploaded: int = 0


@dataclass
class _Trouble:
    kind: str
    method: str
    path: str
    times: int
    value: int
    headers: dict[str, str] = field(default_factory=dict)


class Cut(Exception):
    """Raised in `before`: end the connection without an answer."""


class Troubled:
    """See the module.

    Attributes:
        host: Where it listens.
        requests: All requests, in the order in which they began.
        connections: How many were made to here.
        before: Called with each request before it is passed on; may raise `Cut`.
        during: Called with each request after every piece of its body was passed on.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.requests: list[Seen] = []
        self.connections = 0
        self.before: Callable[[Seen], None] | None = None
        self.during: Callable[[Seen], None] | None = None
        self._speed = 0
        self._troubles: list[_Trouble] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self._http.server_port}"

    @property
    def uploaded(self) -> int:
        """Bytes of bodies that were passed on."""
        return sum(seen.uploaded for seen in self.requests)

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests there were."""
        return sum(_fits(method, path, seen) for seen in self.requests)

    def answer(
        self,
        status: int,
        *,
        times: int = 1,
        method: str = "",
        path: str = "",
        retry_after: float | None = None,
    ) -> None:
        """Answer instead of the registry, which sees nothing of the request."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._add(_Trouble("answer", method, path, times, status, headers))

    def cut_upload(self, after: int, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Cut the connection when so many bytes of a body were passed on."""
        self._add(_Trouble("cut upload", method, path, times, after))

    def cut_answer(self, after: int, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Cut the connection when so many bytes of the answer's body were passed on.

        With -1 even the status is lost, while the registry has done what was asked.
        """
        self._add(_Trouble("cut answer", method, path, times, after))

    def slow(self, bytes_per_second: int) -> None:
        """Pass bodies on at this speed, each of them, both ways; 0 for as fast as can be."""
        self._speed = bytes_per_second

    # for the handler

    def begin(self, seen: Seen) -> _Trouble | None:
        """Note a request, and find what goes wrong with it."""
        with self._lock:
            self.requests.append(seen)
            for trouble in self._troubles:
                if trouble.times > 0 and _fits(trouble.method, trouble.path, seen):
                    trouble.times -= 1
                    return trouble
        return None

    def pause(self, size: int) -> None:
        """Take the time that so many bytes need."""
        if self._speed:
            time.sleep(size / self._speed)

    def _add(self, trouble: _Trouble) -> None:
        with self._lock:
            self._troubles.append(trouble)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def troubled(upstream: str) -> Iterator[Troubled]:
    """A proxy in front of a registry that speaks plain HTTP.

    Args:
        upstream: Its host and port.
    """
    with Troubled(upstream) as way:
        yield way


def _fits(method: str, path: str, seen: Seen) -> bool:
    return method in ("", seen.method) and path in seen.path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What is no HTTP, such as an engine that tries TLS first, gets an answer that is.
    default_request_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def setup(self) -> None:
        super().setup()
        self.server.owner.connections += 1  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        owner: Troubled = self.server.owner  # type: ignore[attr-defined]
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers)
        trouble = owner.begin(seen)
        try:
            if owner.before:
                owner.before(seen)
            if trouble and trouble.kind == "answer":
                self._answer_instead(trouble, seen)
            else:
                self._pass_on(owner, seen, trouble)
        except (OSError, Cut, http.client.HTTPException):
            self._cut()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _answer_instead(self, trouble: _Trouble, seen: Seen) -> None:
        for _ in self._body(seen.headers):
            pass  # a client that sends all before it listens shall hear it, too
        seen.status = trouble.value
        self.send_response(trouble.value)
        for name, value in trouble.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self, owner: Troubled, seen: Seen, trouble: _Trouble | None) -> None:
        kind = trouble.kind if trouble else ""
        left = trouble.value if trouble else 0
        host, _, port = owner.upstream.partition(":")
        there = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            self._send(there, owner, seen, left if kind == "cut upload" else None)
            answer = there.getresponse()
            if kind == "cut answer" and left < 0:
                answer.read()
                raise Cut
            seen.status = answer.status
            self._return(answer, owner, left if kind == "cut answer" else None)
        finally:
            there.close()

    def _send(
        self,
        there: http.client.HTTPConnection,
        owner: Troubled,
        seen: Seen,
        most: int | None,
    ) -> None:
        there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                there.putheader(name, value)
        there.putheader("Connection", "close")
        there.endheaders()
        chunked = "transfer-encoding" in seen.headers
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered already
            for piece in self._body(seen.headers):
                data = piece if most is None else piece[: most - seen.uploaded]
                there.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
                seen.uploaded += len(data)
                if most is not None and seen.uploaded >= most:
                    raise Cut
                owner.pause(len(data))
                if owner.during:
                    owner.during(seen)
            if chunked:
                there.send(b"0\r\n\r\n")

    def _return(self, answer: http.client.HTTPResponse, owner: Troubled, most: int | None) -> None:
        self.send_response_only(answer.status, answer.reason)
        length = answer.getheader("Content-Length")
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        bare = self.command == "HEAD" or answer.status in (204, 304)
        chunked = length is None and not bare
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        while not bare and (data := answer.read(_PIECE)):
            data = data if most is None else data[: most - sent]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            sent += len(data)
            if most is not None and sent >= most:
                raise Cut
            owner.pause(len(data))
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
        """The body of the request; the end of the connection before its end is an error."""
        if "transfer-encoding" in headers:
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                yield from self._exactly(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield from self._exactly(int(headers.get("content-length", 0)))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            data = self.rfile.read1(min(size, _PIECE))
            if not data:
                raise Cut
            size -= len(data)
            yield data

    def _cut(self) -> None:
        """End the connection so that the other side notices at once."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(
                socket.SOL_SOCKET,
                socket.SO_LINGER,
                b"\1\0\0\0\0\0\0\0",  # a reset, no farewell
            )
            self.connection.close()
