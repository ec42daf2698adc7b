"""A small HTTP server that plays what Debian's registry does not: tokens, redirects, pages, resumed
uploads as the specification has them; and notes what it is shown.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self


class TokenRegistry:
    """A registry and the server of its tokens, in one.

    Attributes:
        seen: (method, path, Authorization) of each request.
        asked: What was asked of the server of tokens: (method, values, Authorization).
        tokens: How many were given; each is good for the scopes it was asked for.
        open: Ask for no token at all.
        lifetime: Seconds that a token lasts.
        denied: Give no tokens.
        blobs: Digest -> bytes; asked for, they are given by `elsewhere`, if that is set.
        pages: Lists of tags.
        cut_after: Bytes of the next PATCH after which the connection is cut; they are kept.
        uploads: What has arrived so far, by upload.
        received: Bytes of all bodies.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self.tokens: dict[str, list[str]] = {}
        self.open = False
        self.lifetime = 300
        self.denied = False
        self.realm = ""
        self.elsewhere = ""
        self.blobs: dict[str, bytes] = {}
        self.pages: list[list[str]] = []
        self.cut_after: int | None = None
        self.uploads: dict[str, bytearray] = {}
        self.received = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.realm = f"http://{self.host}/token"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        self.owner: TokenRegistry = self.server.owner  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        shown = self.headers.get("Authorization", "")
        if url.path == "/token":
            self._token(parse_qs(url.query), shown)
            return
        self.owner.seen.append((self.command, self.path, shown))
        scope = self._scope(url.path)
        allowed = self.owner.tokens.get(shown.removeprefix("Bearer "), [])
        if url.path.startswith("/cdn/"):
            self._reply(200, self.owner.blobs[url.path.removeprefix("/cdn/")])
        elif not self.owner.open and ((scope and scope not in allowed) or not shown):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            wanted = f',scope="{scope}"' if scope else ""
            bearer = f'Bearer realm="{self.owner.realm}",service="tests"{wanted}'
            self._reply(401, b"", WWW_Authenticate=bearer)
        else:
            self._allowed(url.path, parse_qs(url.query))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815

    def _scope(self, path: str) -> str:
        found = re.match(r"/v2/(.+)/(manifests|blobs|tags)/", path)
        if not found:
            return ""
        reading = self.command in ("GET", "HEAD") and "/uploads/" not in path
        return f"repository:{found[1]}:{'pull' if reading else 'pull,push'}"

    def _token(self, query: dict[str, list[str]], shown: str) -> None:
        if self.command == "POST":
            query = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.owner.asked.append((self.command, query, shown))
        if self.owner.denied:
            self._reply(401, b'{"details": "the password sesame is wrong"}')
            return
        token = f"token-{len(self.owner.tokens)}"
        scopes = query.get("scope", [])
        both = [scope.replace(":pull,push", ":pull") for scope in scopes]
        self.owner.tokens[token] = [*scopes, *both]
        name = "access_token" if self.command == "POST" else "token"
        answer = {name: token, "expires_in": self.owner.lifetime}
        self._reply(200, json.dumps(answer).encode())

    def _allowed(self, path: str, query: dict[str, list[str]]) -> None:
        owner = self.owner
        digest = path.rpartition("/")[2]
        if path == "/v2/":
            self._reply(200, b"{}")
        elif path.endswith("/tags/list"):
            page = int(query.get("page", ["0"])[0])
            link = {"Link": f'<{path}?page={page + 1}>; rel="next"'}
            more = page + 1 < len(owner.pages)
            body = json.dumps({"name": "x", "tags": owner.pages[page]}).encode()
            self._reply(200, body, **(link if more else {}))
        elif "/uploads/" in path:
            self._upload(path, query)
        elif digest not in owner.blobs:
            self._reply(404, b'{"errors": [{"code": "BLOB_UNKNOWN", "message": "none"}]}')
        elif owner.elsewhere:
            self._reply(
                307, b"", Location=f"http://{owner.elsewhere}/cdn/{digest}?signature=secret"
            )
        else:
            self._reply(200, owner.blobs[digest])

    def _upload(self, path: str, query: dict[str, list[str]]) -> None:
        owner = self.owner
        if self.command == "POST":
            path += str(len(owner.uploads))
            owner.uploads[path] = bytearray()
            self._reply(202, b"", Location=path, Range="0-0")
            return
        arrived = owner.uploads[path]
        length = int(self.headers.get("Content-Length", 0))
        cut, owner.cut_after = (owner.cut_after, None) if self.command == "PATCH" else (None, None)
        data = self.rfile.read(length if cut is None else min(cut, length))
        expected = f"{len(arrived)}-{len(arrived) + length - 1}"
        if self.headers.get("Content-Range", expected) != expected:
            self._reply(416, b"", Location=path, Range=f"0-{len(arrived) - 1}")
            return
        arrived += data
        owner.received += len(data)
        if cut is not None:
            self.close_connection = True
        elif self.command == "PUT":
            digest = query["digest"][0]
            assert digest == "sha256:" + hashlib.sha256(arrived).hexdigest()
            owner.blobs[digest] = bytes(arrived)
            self._reply(201, b"")
        else:
            status = 204 if self.command == "GET" else 202
            self._reply(status, b"", Location=path, Range=f"0-{max(0, len(arrived) - 1)}")

    def _reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
