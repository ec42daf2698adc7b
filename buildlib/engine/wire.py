"""HTTP connections to an engine (unix socket, TCP, TLS, ssh): as much HTTP/1.1 as its API needs.

`http.client` costs a third of our start-up time, and cannot pipeline requests. This can: twenty
answers come back in the time of two. Knows nothing of images or containers; raises `OSError` when
the connection breaks, for its caller to explain.
"""

from __future__ import annotations

import _socket  # socket itself, and typing, import more than a build with nothing to do can spare

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from buildlib.engine.find import Endpoint, Tls

PIPELINE = 64
"""Requests sent before responses are read. More could fill both directions of the socket, with
each side waiting for the other to read."""

_CHUNK = 1 << 16
_NO_BODY = (204, 304)


class Response:
    """A response of the engine: HTTP status, and the whole body."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class ConnectionBrokenError(ConnectionError):
    """The engine closed the connection before its response was complete."""


class Connection:
    """HTTP over a connected socket, which it owns. Not thread-safe."""

    def __init__(self, connected: _socket.socket) -> None:
        self._socket = connected
        self._buffer = b""
        self.open = True
        """Whether the engine will take more requests on this connection."""

    def close(self) -> None:
        """Close the connection; unread responses are lost."""
        self.open = False
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send one request or several."""
        self._socket.sendall(data)

    def receive(self) -> Response:
        """Read the next response.

        Raises:
            ConnectionBrokenError: The connection ended first.
            OSError: It failed, or nothing came in time.
        """
        while True:
            status, headers = self._head()
            if status >= 200:  # noqa: PLR2004  1xx announce an answer still to come
                break
        if "close" in headers.get("connection", ""):
            self.open = False
        if status in _NO_BODY:
            return Response(status, b"")
        if "chunked" in headers.get("transfer-encoding", ""):
            return Response(status, b"".join(self._chunks()))
        if "content-length" in headers:
            return Response(status, self._take(int(headers["content-length"])))
        self.open = False
        return Response(status, self._rest())

    def receive_beginning(self, limit: int) -> Response:
        """Read the next response up to some bytes of its body; the connection ends with it."""
        status, headers = self._head()
        self.open = False
        if "chunked" not in headers.get("transfer-encoding", ""):
            return Response(status, self._take(min(limit, int(headers.get("content-length", 0)))))
        data = b""
        for chunk in self._chunks():
            data += chunk
            if len(data) >= limit:
                break
        return Response(status, data[:limit])

    def _head(self) -> tuple[int, dict[str, str]]:
        text = self._head_bytes().decode("latin-1")
        first, *lines = text.split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():  # noqa: PLR2004
            raise ConnectionBrokenError(f"not an HTTP answer: {first[:80]!r}")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip().lower()
        return int(words[1]), headers

    def _head_bytes(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._read_more()
        block, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return block

    def _chunks(self) -> Iterator[bytes]:
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                self._read_more()
            size = int(self._buffer[:end].split(b";")[0], 16)
            self._buffer = self._buffer[end + 2 :]
            data = self._take(size + 2)[:-2]
            if not size:  # engines send no trailers, so the empty line after it is the end
                return
            yield data

    def _take(self, size: int) -> bytes:
        if len(self._buffer) < size:
            parts, have = [self._buffer], len(self._buffer)
            while have < size:
                self._buffer = b""
                self._read_more()
                parts.append(self._buffer)
                have += len(self._buffer)
            self._buffer = b"".join(parts)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _rest(self) -> bytes:
        parts = [self._buffer]
        while data := self._socket.recv(_CHUNK):
            parts.append(data)
        return b"".join(parts)

    def _read_more(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionBrokenError("the connection was closed in the middle of an answer")
        self._buffer += data


def connect(endpoint: Endpoint, timeout: float | None) -> Connection:
    """Connect to an engine, to ask it something.

    Raises:
        OSError: It cannot be reached, or its certificate is not that of the endpoint.
    """
    unix = endpoint.scheme == "unix"
    return Connection(
        unix_socket(endpoint.path, timeout) if unix else open_socket(endpoint, timeout)
    )


def unix_socket(path: str, timeout: float | None) -> _socket.socket:
    """Connect to a unix socket; raises an OSError if that cannot be done."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def open_socket(endpoint: Endpoint, timeout: float | None) -> socket.socket:
    """Connect to an engine as `connect` does; HTTP goes over the socket, whatever the transport."""
    import socket

    if endpoint.scheme == "ssh":
        from buildlib.engine.ssh import SshSocket

        return SshSocket(endpoint, timeout)
    if endpoint.scheme != "unix":
        connection = socket.create_connection(endpoint.address, timeout)
        # To notice an engine that vanishes from the network while we wait without a timeout.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return (
            _over_tls(connection, endpoint.tls, endpoint.address[0]) if endpoint.tls else connection
        )
    connection = socket.socket(fileno=unix_socket(endpoint.path, timeout).detach())
    connection.settimeout(timeout)
    return connection


def _over_tls(connection: socket.socket, tls: Tls, host: str) -> socket.socket:
    import ssl

    # Not `create_default_context`: from Python 3.13 on it refuses what openssl's defaults make.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        authority, certificate, key = map(tls.file, ("ca.pem", "cert.pem", "key.pem"))
        if authority:
            context.load_verify_locations(authority)
        else:
            context.load_default_certs()
        if certificate and key:
            context.load_cert_chain(certificate, key)
    except OSError as error:  # a PermissionError would be taken for the engine's own
        connection.close()
        raise ConnectionError(f"the files in {tls.folder} cannot be used: {error}") from None
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise


def request_bytes(method: str, path: str, *, kind: str = "", size: int = 0) -> bytes:
    """Return a request up to its body.

    Args:
        method: HTTP method.
        path: With its query, quoted.
        kind: Media type of the body; where there is none, the path holds all that is sent.
        size: Bytes of the body.
    """
    lines = [f"{method} {path} HTTP/1.1", "Host: docker"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    if method == "POST":
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode()


class Pipeline:
    """Pipelined GETs: sent on construction, and read, in order, by `collect`."""

    def __init__(self, connect: Callable[[], Connection], paths: Sequence[str]) -> None:
        self._connect = connect
        self._waiting = list(paths)
        self._connection: Connection | None = None
        if self._waiting:
            self._send()

    def _send(self) -> None:
        """Send the next batch, on the open connection or a new one."""
        if self._connection is None or not self._connection.open:
            self.close()
            self._connection = self._connect()
        self._connection.send(
            b"".join(request_bytes("GET", path) for path in self._waiting[:PIPELINE])
        )

    def collect(self) -> list[Response]:
        """Return all responses, in the order of the paths.

        A connection that ends between two responses (a proxy that takes one request at a time) is
        opened anew for the rest.
        """
        answers: list[Response] = []
        try:
            while self._waiting:
                batch = min(PIPELINE, len(self._waiting))
                got = self._receive(batch)
                del self._waiting[: len(got)]
                answers += got
                if self._waiting:
                    self._send()
        finally:
            self.close()
        return answers

    def _receive(self, count: int) -> list[Response]:
        assert self._connection is not None  # noqa: S101  _send made it
        got: list[Response] = []
        while len(got) < count and self._connection.open:
            try:
                got.append(self._connection.receive())
            except ConnectionError:
                if not got:
                    raise
                self._connection.open = False
        return got

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
