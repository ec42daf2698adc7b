"""The client of a registry over HTTP: the methods of `Registry`, in requests.

    registry = connect("registry.example.com:5000")

It keeps what a reference or a digest says honest: whatever is read is hashed. How a request is
sent is `http`'s business, and how a blob gets there is `upload`'s. Importing this module loads
urllib3: do it where a registry is really asked.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urljoin

from buildlib.errors import ActionError
from buildlib.registry.address import Server, server_of
from buildlib.registry.errors import explained
from buildlib.registry.http import RegistryHttp
from buildlib.registry.protocol import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Registry,
)
from buildlib.registry.upload import Pieces, Upload
from buildlib.web.connections import PIECE, body_of, pieces
from buildlib.web.errors import HttpError
from buildlib.web.retry import PATIENT, Attempts, Retry, retrying

_T = TypeVar("_T")

_ACCEPT = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"}
_NOT_FOUND, _PARTIAL = 404, 206
_PAGE = 1000  # tags asked for at once
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_DIGEST = re.compile(r"(sha256|sha512):[0-9a-f]{64,128}\Z")


def connect(
    host: str,
    *,
    retry: Retry = PATIENT,
    certificates: str = "",
    wait: Callable[[float], None] = time.sleep,
) -> Registry:
    """The client of a registry. Nothing is asked yet.

    Args:
        host: `registry.example.com:5000`, `docker.io`, `localhost:5000`: no scheme, no path.
        retry: How long to bear with it: `PATIENT` or `QUICK` of `web.retry`.
        certificates: Folder of the authorities, instead of Docker's `/etc/docker/certs.d`.
        wait: Called with the seconds between two attempts.

    Raises:
        InputError: It is no registry's name.
    """
    server = server_of(host)
    return HttpRegistry(server, RegistryHttp(server, retry, wait, certificates))


class HttpRegistry:
    """A `Registry` over HTTP; see `connect`."""

    def __init__(self, server: Server, http: RegistryHttp) -> None:
        self.host = server.host
        self._server = server
        self._http = http

    def ping(self) -> None:
        """See `Registry.ping`."""
        with self._explaining("ask"):
            self._http.ask("GET", "/v2/", "")

    def head(self, repository: str, reference: str) -> str | None:
        """See `Registry.head`."""
        path = self._path(repository, "manifests", reference)
        with self._explaining(f"ask for {_joined(repository, reference)}", repository):
            answer = _or_none(
                lambda: self._http.ask("HEAD", path, self._pull(repository), headers=_ACCEPT)
            )
            if answer is None:
                return None
            digest = answer.headers.get("Docker-Content-Digest", "")
        if _DIGEST.match(digest):
            return digest
        manifest = self.manifest(repository, reference)  # the header is optional
        return manifest.digest if manifest else None

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """See `Registry.manifest`."""
        path = self._path(repository, "manifests", reference)
        with self._explaining(f"read {_joined(repository, reference)}", repository):
            answer = _or_none(
                lambda: self._http.ask("GET", path, self._pull(repository), headers=_ACCEPT)
            )
            if answer is None:
                return None
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            manifest = Manifest(kind, answer.data)
            said = answer.headers.get("Docker-Content-Digest", "")
            expected = reference if _DIGEST.match(reference) else said
            if expected.startswith("sha256:") and expected != manifest.digest:
                raise HttpError(f"has {manifest.digest} in its place", "content")
            return manifest

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """See `Registry.put_manifest`."""
        with self._explaining(f"put {_joined(repository, reference)}", repository):
            if _DIGEST.match(reference) and reference != manifest.digest:
                raise HttpError(f"is given {manifest.digest} under that name", "content")
            answer = self._http.ask(
                "PUT",
                self._path(repository, "manifests", reference),
                self._push(repository),
                headers={"Content-Type": manifest.media_type},
                body=body_of(manifest.data),
            )
            kept = answer.headers.get("Docker-Content-Digest", manifest.digest)
            if kept != manifest.digest:
                raise HttpError(f"has made {kept} of {manifest.digest}", "content")

    def has_blob(self, repository: str, digest: str) -> bool:
        """See `Registry.has_blob`."""
        with self._explaining(f"ask for a blob of {repository}", repository):
            return self._has(repository, digest, self._pull(repository), self._http.ask)

    def read_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """See `Registry.read_blob`."""
        attempts = Attempts(self._http.retry, self._http.wait)
        content = hashlib.new(digest.partition(":")[0])
        arrived = 0
        with self._explaining(f"read blob {digest} of {repository}", repository):
            while True:
                try:
                    for piece in self._from(repository, digest, arrived):
                        arrived += len(piece)
                        content.update(piece)
                        yield piece
                    break
                except HttpError as error:
                    attempts.failed(error, arrived)
            found = f"{content.name}:{content.hexdigest()}"
            if found != digest:
                raise HttpError(f"has {found} in its place", "content")

    def put_blob(self, repository: str, data: bytes) -> str:
        """See `Registry.put_blob`."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()

        def part(start: int, length: int) -> Iterator[bytes]:
            return body_of(data[start : start + length]).pieces()

        self._put(repository, digest, len(data), part)
        return digest

    def put_file(self, repository: str, path: str, digest: str) -> None:
        """See `Registry.put_file`."""
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise _unreadable(path, error) from None
        self._put(repository, digest, size, lambda *part: _pieces_of(path, *part))

    def tags(self, repository: str) -> list[str]:
        """See `Registry.tags`."""
        import json

        found: set[str] = set()
        path = self._path(repository, "tags", "list") + f"?n={_PAGE}"
        asked = {path}
        with self._explaining(f"list the tags of {repository}", repository):
            while path:
                here = path
                answer = _or_none(lambda: self._http.ask("GET", here, self._pull(repository)))  # noqa: B023
                if answer is None:
                    break
                try:
                    found.update(json.loads(answer.data)["tags"] or ())
                except (ValueError, KeyError, TypeError):
                    raise HttpError("answers with no list of tags", "content") from None
                follows = _NEXT.search(answer.headers.get("Link", ""))
                path = urljoin(here, follows[1]) if follows else ""
                if path in asked:  # it would never end
                    break
                asked.add(path)
        return sorted(found)

    def delete(self, repository: str, digest: str) -> bool:
        """See `Registry.delete`."""
        attempts = 0
        path = self._path(repository, "manifests", digest)
        scope = f"repository:{self._server.repository(repository)}:delete"

        def once() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                self._http.ask_once("DELETE", path, scope)
            except HttpError as error:
                if error.status != _NOT_FOUND:
                    raise
                return attempts > 1  # then the first has done it, and its answer was lost
            return True

        with self._explaining(f"delete {_joined(repository, digest)}", repository):
            return retrying(once, self._http.retry, self._http.wait)

    def _put(self, repository: str, digest: str, size: int, pieces: Pieces) -> None:
        """Upload a blob unless it is there."""
        push = self._push(repository)
        with self._explaining(f"upload a blob to {repository}", repository):
            if self._has(repository, digest, push, self._http.ask):
                return

            def is_there() -> bool:
                return self._has(repository, digest, push, self._http.ask_once)

            name = self._server.repository(repository)
            Upload(self._http, name, digest, size, pieces, is_there).run()

    def _has(self, repository: str, digest: str, scope: str, ask: Callable[..., object]) -> bool:
        path = self._path(repository, "blobs", digest)
        return _or_none(lambda: ask("HEAD", path, scope)) is not None

    def _from(self, repository: str, digest: str, start: int) -> Iterator[bytes]:
        """A blob from some byte on; a registry may ignore Range and send the whole."""
        path = self._path(repository, "blobs", digest)
        headers = {"Range": f"bytes={start}-"} if start else None
        response = self._http.open("GET", path, self._pull(repository), headers=headers)
        ahead = start if response.status != _PARTIAL else 0
        for piece in pieces(response, path):
            yield piece[ahead:]
            ahead = max(0, ahead - len(piece))

    def _path(self, repository: str, kind: str, reference: str) -> str:
        return f"/v2/{self._server.repository(repository)}/{kind}/{reference}"

    def _pull(self, repository: str) -> str:
        return f"repository:{self._server.repository(repository)}:pull"

    def _push(self, repository: str) -> str:
        return f"repository:{self._server.repository(repository)}:pull,push"

    @contextmanager
    def _explaining(self, doing: str, repository: str = "") -> Iterator[None]:
        """Turn what goes wrong inside into what a user is told."""
        try:
            yield
        except HttpError as error:
            raise explained(error, self.host, doing, repository) from None


def _or_none(call: Callable[[], _T]) -> _T | None:
    """What a call gives; None for 404."""
    try:
        return call()
    except HttpError as error:
        if error.status != _NOT_FOUND:
            raise
        return None


def _joined(repository: str, reference: str) -> str:
    """A repository with a tag or a digest, as people write it."""
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"


def _pieces_of(path: str, start: int, length: int) -> Iterator[bytes]:
    """A part of a file."""
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
