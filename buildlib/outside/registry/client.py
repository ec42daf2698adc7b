"""The HTTP client of a registry: implements `Registry`.

    registry = connect("registry.example.com:5000")

It checks the digest of everything it reads. `http` sends the requests, `upload` uploads blobs.
Importing this module loads urllib3, so import it only where a registry is about to be asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin

from buildlib.errors import ActionError
from buildlib.outside.registry.address import Server, server_of
from buildlib.outside.registry.errors import explained
from buildlib.outside.registry.http import RegistryHttp
from buildlib.outside.registry.protocol import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
    digest_of,
)
from buildlib.outside.registry.upload import Blob, Pieces, Upload
from buildlib.outside.web.connections import PIECE, Body, Request, Response, body_of, pieces
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.retry import PATIENT, Retry

Ask = Callable[[Request, str], Response]
"""`RegistryHttp.ask` or `ask_once`."""

PULL, PUSH, DELETE = "pull", "pull,push", "delete"
_ACCEPT = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"}
_NOT_FOUND, _PARTIAL = 404, 206
_PAGE = 1000  # tags per request
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_DIGEST = re.compile(r"(sha256|sha512):[0-9a-f]{64,128}\Z")


def connect(
    host: str,
    *,
    retry: Retry = PATIENT,
    wait: Callable[[float], None] = time.sleep,
    tell: Callable[[str], object] = lambda _: None,
) -> Registry:
    """The client of a registry. Sends no request yet.

    Args:
        host: `registry.example.com:5000`, `docker.io`, `localhost:5000`: no scheme, no path.
        retry: `PATIENT` or `QUICK` of `web.retry`.
        wait: Called with the seconds between two attempts.
        tell: Takes a line for people when the registry keeps them waiting.
    """
    server = server_of(host)
    return HttpRegistry(server, RegistryHttp(server, retry, wait, tell))


class HttpRegistry:
    """A `Registry` over HTTP, made by `connect`."""

    def __init__(self, server: Server, http: RegistryHttp) -> None:
        self.host = server.host
        self._server = server
        self._http = http

    def ping(self) -> None:
        with self._explaining("ask"):
            self._http.ask(Request("GET", "/v2/"), "")

    def head(self, repository: str, reference: str) -> str | None:
        request = self._request("HEAD", repository, "manifests", reference, _ACCEPT)
        with self._explaining(f"ask for {_joined(repository, reference)}", repository):
            response = _unless_absent(self._http.ask, request, self._scope(repository))
            if response is None:
                return None
            digest = response.headers.get("Docker-Content-Digest", "")
        if _DIGEST.match(digest):
            return digest
        manifest = self.manifest(repository, reference)  # the header is optional
        return manifest.digest if manifest else None

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        request = self._request("GET", repository, "manifests", reference, _ACCEPT)
        with self._explaining(f"read {_joined(repository, reference)}", repository):
            response = _unless_absent(self._http.ask, request, self._scope(repository))
            if response is None:
                return None
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            manifest = Manifest(kind, response.data)
            header = response.headers.get("Docker-Content-Digest", "")
            expected = reference if _DIGEST.match(reference) else header
            if expected.startswith("sha256:") and expected != manifest.digest:
                raise HttpError(f"has {manifest.digest} in its place", "content")
            return manifest

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        with self._explaining(f"put {_joined(repository, reference)}", repository):
            if _DIGEST.match(reference) and reference != manifest.digest:
                raise HttpError(f"is given {manifest.digest} under that name", "content")
            kind, body = {"Content-Type": manifest.media_type}, body_of(manifest.data)
            request = self._request("PUT", repository, "manifests", reference, kind, body)
            response = self._http.ask(request, self._scope(repository, PUSH))
            stored = response.headers.get("Docker-Content-Digest", manifest.digest)
            if stored != manifest.digest:
                raise HttpError(f"has made {stored} of {manifest.digest}", "content")

    def has_blob(self, repository: str, digest: str) -> bool:
        with self._explaining(f"ask for a blob of {repository}", repository):
            return self._has(self._http.ask, repository, digest, PULL)

    def read_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        attempts = self._http.attempts()
        content = hashlib.new(digest.partition(":")[0])
        arrived = 0
        with self._explaining(f"read blob {digest} of {repository}", repository):
            while True:
                try:
                    for piece in self._blob_from(repository, digest, arrived):
                        arrived += len(piece)
                        content.update(piece)
                        yield piece
                    break
                except HttpError as error:
                    attempts.failed(error, arrived)
            actual = f"{content.name}:{content.hexdigest()}"
            if actual != digest:
                raise HttpError(f"has {actual} in its place", "content")

    def put_blob(self, repository: str, data: bytes) -> str:
        def part(start: int, length: int) -> Iterator[bytes]:
            return body_of(data[start : start + length]).pieces()

        digest = digest_of(data)
        self._put(repository, digest, len(data), part)
        return digest

    def put_file(self, repository: str, path: str, digest: str) -> None:
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise _unreadable(path, error) from None
        self._put(repository, digest, size, lambda *part: _pieces_of(path, *part))

    def tags(self, repository: str) -> list[str]:
        tags: set[str] = set()
        request = self._request("GET", repository, "tags", f"list?n={_PAGE}")
        visited: set[str] = set()
        with self._explaining(f"list the tags of {repository}", repository):
            while request.url not in visited:  # else a loop of pages would never end
                visited.add(request.url)
                response = _unless_absent(self._http.ask, request, self._scope(repository))
                if response is None:
                    break
                try:
                    tags.update(json.loads(response.data)["tags"] or ())
                except (ValueError, KeyError, TypeError):
                    raise HttpError("answers with no list of tags", "content") from None
                next_page = _NEXT.search(response.headers.get("Link", ""))
                if next_page:
                    request = request._replace(url=urljoin(request.url, next_page[1]))
        return sorted(tags)

    def delete(self, repository: str, digest: str) -> bool:
        attempts = 0
        request = self._request("DELETE", repository, "manifests", digest)

        def once() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                self._http.ask_once(request, self._scope(repository, DELETE))
            except HttpError as error:
                if error.status != _NOT_FOUND:
                    raise
                return attempts > 1  # an earlier attempt has deleted it, and its response was lost
            return True

        with self._explaining(f"delete {_joined(repository, digest)}", repository):
            return self._http.retrying(once)

    def _put(self, repository: str, digest: str, size: int, pieces: Pieces) -> None:
        """Upload a blob unless the registry has it."""
        with self._explaining(f"upload a blob to {repository}", repository):
            if self._has(self._http.ask, repository, digest, PUSH):
                return
            blob = Blob(
                digest,
                size,
                pieces,
                self._request("POST", repository, "blobs", "uploads/", body=body_of(b"")),
                self._scope(repository, PUSH),
                lambda: self._has(self._http.ask_once, repository, digest, PUSH),
            )
            Upload(self._http, blob).run()

    def _has(self, ask: Ask, repository: str, digest: str, actions: str) -> bool:
        request = self._request("HEAD", repository, "blobs", digest)
        return _unless_absent(ask, request, self._scope(repository, actions)) is not None

    def _blob_from(self, repository: str, digest: str, start: int) -> Iterator[bytes]:
        """A blob from one byte on; a registry may ignore Range and send all of it."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        request = self._request("GET", repository, "blobs", digest, headers)
        response = self._http.open(request, self._scope(repository))
        skip = start if response.status != _PARTIAL else 0
        for piece in pieces(response, request.url):
            yield piece[skip:]
            skip = max(0, skip - len(piece))

    def _request(
        self,
        method: str,
        repository: str,
        kind: str,
        reference: str,
        headers: Mapping[str, str] = {},
        body: Body | None = None,
    ) -> Request:
        name = self._server.repository(repository)
        return Request(method, f"/v2/{name}/{kind}/{reference}", headers, body)

    def _scope(self, repository: str, actions: str = PULL) -> str:
        return f"repository:{self._server.repository(repository)}:{actions}"

    @contextmanager
    def _explaining(self, doing: str, repository: str = "") -> Iterator[None]:
        """Turn an `HttpError` into the error that a user reads."""
        try:
            yield
        except HttpError as error:
            raise explained(error, self.host, doing, repository) from None


def _unless_absent(ask: Ask, request: Request, scope: str) -> Response | None:
    """The response; None for 404."""
    try:
        return ask(request, scope)
    except HttpError as error:
        if error.status != _NOT_FOUND:
            raise
        return None


def _joined(repository: str, reference: str) -> str:
    """A repository with a tag or digest, as people write it."""
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"


def _pieces_of(path: str, start: int, length: int) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(start)
            while length:
                piece = file.read(min(PIECE, length))
                if not piece:
                    raise ActionError(f"{path} has become shorter while it was uploaded")
                length -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> ActionError:
    return ActionError(f"cannot read {path}: {error.strerror or error}")
