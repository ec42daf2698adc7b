"""The interface of a registry client: pure types, without HTTP.

Code that plans or tests a release imports this module only. It follows the OCI distribution
specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from buildlib.errors import ActionError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"


class RegistryUnavailable(ActionError):
    """The registry does not answer, or not in time; work that does not need it goes on."""


class Descriptor(NamedTuple):
    """How a manifest refers to a blob, or an index to a manifest; the digest is `sha256:…`."""

    media_type: str
    digest: str
    size: int


def digest_of(data: bytes) -> str:
    """The digest of a blob or a manifest."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Manifest:
    """A manifest with the exact bytes that its digest is made from.

    Its properties raise `ActionError` where the bytes are not a JSON object, or not the manifest
    of an image.
    """

    def __init__(self, media_type: str, data: bytes) -> None:
        self.media_type = media_type
        self.data = data
        self.digest = digest_of(data)

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The manifest as parsed JSON."""
        try:
            plain = json.loads(self.data)
        except ValueError:
            plain = None
        if not isinstance(plain, dict):
            raise ActionError(f"manifest {self.digest} is not a JSON object")
        return plain

    @property
    def config(self) -> Descriptor:
        """The configuration of an image; its digest is the image's ID (docs/engines.md)."""
        return self._descriptors([self.plain.get("config")])[0]

    @property
    def blobs(self) -> list[Descriptor]:
        """The configuration of an image, then its layers."""
        return self._descriptors([self.plain.get("config"), *(self.plain.get("layers") or ())])

    @property
    def size(self) -> int:
        """Bytes of all its blobs, as transferred."""
        return sum(blob.size for blob in self.blobs)

    def _descriptors(self, values: Iterable[Any]) -> list[Descriptor]:
        try:
            return [
                Descriptor(str(value["mediaType"]), str(value["digest"]), int(value["size"]))
                for value in values
            ]
        except (TypeError, KeyError, ValueError):
            raise ActionError(f"manifest {self.digest} is not that of an image") from None


class Registry(Protocol):
    """One registry. Safe for several threads.

    Every method raises `RegistryUnavailable` when the registry does not answer (after retries with
    back-off where the request is idempotent), and `ActionError` when it refuses. Repositories are
    named without the registry's host: `elyra/kernel-py`. A reference is a tag or a digest.
    """

    host: str
    """Host, with its port if any."""

    def ping(self) -> None:
        """Return if it answers and accepts our credentials."""

    def head(self, repository: str, reference: str) -> str | None:
        """The digest of a manifest; None if there is no such manifest."""

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """A manifest, checked against its digest; None if there is no such manifest."""

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Put a manifest under a tag (which is moved if it exists) or under its own digest."""

    def has_blob(self, repository: str, digest: str) -> bool: ...

    def read_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in pieces; the digest is checked after the last piece.

        Raises:
            ActionError: The blob does not exist, or its digest is wrong.
        """

    def put_blob(self, repository: str, data: bytes) -> str:
        """Upload a small blob unless it exists; returns its digest."""

    def put_file(self, repository: str, path: str, digest: str) -> None:
        """Upload a file as a blob unless it exists, reading it in pieces."""

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, sorted; none if there is no such repository."""

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest and all its tags; False if it did not exist."""
