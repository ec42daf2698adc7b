"""A real HTTP server for the tests of the fetcher: serves bytes, and misbehaves on request."""

from __future__ import annotations

import hashlib
import re
import select
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from buildlib.outside.fetch.source import Download


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Server:
    """`files` by path; `script[path]` holds behaviours for the next requests of that path.

    A behaviour is a function of the handler and the file's bytes that answers the request; when
    the list is empty (or for paths without one) the file is served properly, with ranges.
    """

    def __init__(self, ssl_context=None, host="127.0.0.1"):
        self.files = {}
        self.script = {}
        self.requests = []  # (path, headers)
        self.connections = 0
        self.busy = 0
        self.most_busy = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer((host, 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self
        if ssl_context is not None:
            self._http.socket = ssl_context.wrap_socket(self._http.socket, server_side=True)
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://localhost:{self._http.server_port}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def add(self, path, data, *script):
        """Serve `data` at `path`, after the behaviours; returns the download of it."""
        self.files[path] = data
        self.script[path] = list(script)
        return Download(sha(data), len(data), path.rsplit("/", 1)[-1], (f"{self.url}{path}",))

    def seen(self, path):
        """The headers of each request for a path."""
        return [headers for asked, headers in self.requests if asked == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with self.server.owner.lock:
            self.server.owner.connections += 1

    def log_message(self, *_):
        pass

    def do_GET(self):
        owner = self.server.owner
        with owner.lock:
            owner.requests.append((self.path, dict(self.headers)))
            script = owner.script.get(self.path)
            behave = script.pop(0) if script else proper
            owner.busy += 1
            owner.most_busy = max(owner.most_busy, owner.busy)
        try:
            behave(self, owner.files.get(self.path))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with owner.lock:
                owner.busy -= 1

    def do_CONNECT(self):
        """Be a proxy: from here on, carry bytes to and fro."""
        self.server.owner.requests.append((self.path, dict(self.headers)))
        self.close_connection = True
        host, port = self.path.split(":")
        with socket.create_connection((host, int(port))) as there:
            self.head(200)
            other = {self.connection: there, there: self.connection}
            while True:
                for end in select.select(list(other), [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    other[end].sendall(data)

    def head(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def proper(handler, data):
    """What a good server does: 404, whole, or the range that was asked for."""
    if data is None:
        handler.head(404, Content_Length=0)
        return
    tag = f'"{sha(data)[:12]}"'
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if found and handler.headers.get("If-Range", tag) == tag:
        start = int(found[1])
        if start >= len(data):
            handler.head(416, Content_Length=0, Content_Range=f"bytes */{len(data)}")
            return
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.head(206, Content_Length=len(data) - start, Content_Range=span, ETag=tag)
        handler.wfile.write(data[start:])
        return
    handler.head(200, Content_Length=len(data), ETag=tag)
    handler.wfile.write(data)


def whole(handler, data):
    """Ignore Range."""
    handler.head(200, Content_Length=len(data))
    handler.wfile.write(data)


def nameless(handler, data):
    """The whole without saying how long it is: the end of the connection is the end."""
    handler.head(200, Connection="close")
    handler.wfile.write(data)
    handler.close_connection = True


def status(code, **headers):
    def behave(handler, data):
        handler.head(code, Content_Length=0, **headers)

    return behave


def truncate(at):
    """Promise the whole (or the rest), break the connection when `at` of the file was sent."""

    def behave(handler, data):
        found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        tag = f'"{sha(data)[:12]}"'
        if found:
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.head(206, Content_Length=len(data) - start, Content_Range=span, ETag=tag)
        else:
            handler.head(200, Content_Length=len(data), ETag=tag)
        handler.wfile.write(data[start:at])
        handler.close_connection = True

    return behave


def slow(seconds, pieces=20):
    """The whole file, over this time."""

    def behave(handler, data):
        handler.head(200, Content_Length=len(data), ETag=f'"{sha(data)[:12]}"')
        step = -(-len(data) // pieces)
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])
            time.sleep(seconds / pieces)

    return behave


def hang(seconds, after=0):
    """Send the first bytes, then nothing for a while, then break."""

    def behave(handler, data):
        if after:
            handler.head(200, Content_Length=len(data), ETag=f'"{sha(data)[:12]}"')
            handler.wfile.write(data[:after])
        time.sleep(seconds)
        handler.close_connection = True

    return behave


def page(text, kind):
    """A page with this content type."""

    def behave(handler, data):
        body = text.encode()
        handler.head(200, Content_Length=len(body), Content_Type=kind)
        handler.wfile.write(body)

    return behave
