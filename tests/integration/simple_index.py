"""A simple index (PEP 503, PEP 691) with wheels made on the spot, for uv and for `lock`."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

JSON = "application/vnd.pypi.simple.v1+json"


class SimpleIndex:
    """Projects by name; `html = True` makes it one that knows no JSON."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.projects: dict[str, dict[str, str]] = {}
        self.html = False
        self.asked: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.host}/simple"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def add(self, project: str, version: str, *tags: str, needs: tuple[str, ...] = ()) -> None:
        """Put wheels of a version there, one for each tag (`py3-none-any` where none is given)."""
        for tag in tags or ("py3-none-any",):
            name = f"{project}-{version}-{tag}.whl"
            metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
            metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
            data = _wheel(project, version, tag, metadata)
            self.files[name] = data
            self.files[f"{name}.metadata"] = metadata.encode()
            self.projects.setdefault(project, {})[name] = hashlib.sha256(data).hexdigest()

    def sha256(self, name: str) -> str:
        """The digest of a wheel."""
        return hashlib.sha256(self.files[name]).hexdigest()

    def page(self, project: str) -> tuple[str, bytes]:
        """Content type and text of a project's page."""
        files = self.projects[project]
        if self.html:
            links = [f'<a href="/files/{n}#sha256={sha}">{n}</a>' for n, sha in files.items()]
            return "text/html", f"<html><body>{' '.join(links)}</body></html>".encode()
        listed = [
            {
                "filename": name,
                "url": f"/files/{name}",
                "hashes": {"sha256": sha256},
                "size": len(self.files[name]),
                "core-metadata": True,
            }
            for name, sha256 in files.items()
        ]
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": listed, "versions": []}
        return JSON, json.dumps(page).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        owner: SimpleIndex = self.server.owner  # type: ignore[attr-defined]
        owner.asked.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple" and name in owner.projects:
            self._answer(200, *owner.page(name))
        elif kind == "files" and name in owner.files:
            self._answer(200, "application/octet-stream", owner.files[name])
        else:
            self._answer(404, "text/plain", b"")

    do_HEAD = do_GET  # noqa: N815  the name that http.server calls

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _wheel(project: str, version: str, tag: str, metadata: str) -> bytes:
    """The smallest wheel of a tag."""
    packed = io.BytesIO()
    folder = f"{project}-{version}.dist-info"
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr(f"{folder}/METADATA", metadata)
        wheel.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        wheel.writestr(f"{folder}/RECORD", "")
    return packed.getvalue()
