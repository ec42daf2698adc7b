"""A server on this machine that answers with what lies below an address.

It is for a program that can ask the outside by itself, but knows none of our certificates, proxies
and logins: it asks the relay, and `HttpClient` asks for it. Nothing is kept, and only who knows the
relay's address can ask it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote

from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient

_OK, _NOT_FOUND, _BAD_GATEWAY = 200, 404, 502


class Relay(NamedTuple):
    """A running relay.

    Attributes:
        url: Its address, without a trailing slash.
        failures: Why requests failed; that a file does not exist is no failure.
    """

    url: str
    failures: list[HttpError]


@contextmanager
def relay(base: str, client: HttpClient) -> Iterator[Relay]:
    """Run a relay for what lies below `base`, until the block ends."""
    word = secrets.token_urlsafe(16)
    failures: list[HttpError] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each short answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            status, data = self._answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _answer(self) -> tuple[int, bytes]:
            if not self.path.startswith(f"/{word}/") or ".." in unquote(self.path):
                return _NOT_FOUND, b""
            url = base + self.path.removeprefix(f"/{word}")
            try:
                return _OK, client.page(url, "*/*")[1].data
            except HttpError as error:
                if error.kind == "absent":
                    return _NOT_FOUND, b""
                failures.append(error)
                return _BAD_GATEWAY, b""

        def log_message(self, *_: object) -> None:
            """Say nothing: progress is the program's own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Relay(f"http://127.0.0.1:{server.server_port}/{word}", failures)
    finally:
        server.shutdown()
        server.server_close()
