"""The words between the build system and a registry: what is asked, and what comes back.

Pure types. Whoever plans or tests a release imports this module only; it must not know how a
registry is reached. Facts are those of the OCI distribution specification 1.1.
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
    """No registry answers where one is asked, or not in time; work that needs none goes on."""


class Descriptor(NamedTuple):
    """What a manifest says of a blob (or an index of a manifest).

    Attributes:
        media_type: Its media type.
        digest: `sha256:…`.
        size: Its length in bytes.
    """

    media_type: str
    digest: str
    size: int


class Manifest:
    """A manifest as it lies in a registry: its digest is that of these very bytes.

    Args:
        media_type: Its media type.
        data: Its bytes.
    """

    def __init__(self, media_type: str, data: bytes) -> None:
        self.media_type = media_type
        self.data = data
        self.digest = "sha256:" + hashlib.sha256(data).hexdigest()

    @cached_property
    def plain(self) -> dict[str, Any]:
        """What it says.

        Raises:
            ActionError: It is no JSON object.
        """
        try:
            plain = json.loads(self.data)
        except ValueError:
            plain = None
        if not isinstance(plain, dict):
            raise ActionError(f"manifest {self.digest} is not a JSON object")
        return plain

    @property
    def config(self) -> Descriptor:
        """Of an image: its configuration, whose digest is the image's identity (docs/engines.md).

        Raises:
            ActionError: It is no image manifest.
        """
        return self._descriptors([self.plain.get("config")])[0]

    @property
    def blobs(self) -> list[Descriptor]:
        """The configuration, then the layers.

        Raises:
            ActionError: It is no image manifest.
        """
        return self._descriptors([self.plain.get("config"), *(self.plain.get("layers") or ())])

    @property
    def size(self) -> int:
        """Bytes of all its blobs, as they are transferred."""
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

    Every method raises `RegistryUnavailable` when nothing answers (after retries with back-off
    where the question may be asked again) and `ActionError` when it refuses. Repositories are
    named without the registry's host: `elyra/kernel-py`. A reference is a tag or a digest.
    """

    host: str
    """Host, with its port where it has one."""

    def ping(self) -> None:
        """Return if it answers, and takes the credentials there are for it."""

    def head(self, repository: str, reference: str) -> str | None:
        """The digest of a manifest; None where there is none."""

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """A manifest, checked against its digest; None where there is none."""

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Put a manifest under a tag (which is moved if it exists) or under its own digest."""

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a blob is there."""

    def read_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces; checked against the digest at their end.

        Raises:
            ActionError: It is not there, or not what its digest says.
        """

    def put_blob(self, repository: str, data: bytes) -> str:
        """Upload a small blob unless it is there; returns its digest."""

    def put_file(self, repository: str, path: str, digest: str) -> None:
        """Upload a file as a blob unless it is there; it is read in pieces."""

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, sorted; none where there is no such repository."""

    def delete(self, repository: str, digest: str) -> bool:
        """Remove a manifest and with it all its tags; False if it was not there.

        Raises:
            ActionError: The registry does not allow it.
        """
