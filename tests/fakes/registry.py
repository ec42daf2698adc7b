"""A registry in memory, with the manners of a real one.

`tests/contract/test_registry_contract.py` holds both to the same contract. For the rest:

    registry.down = True                       no registry answers from now on
    registry.fail_next(2)                      the next two calls find no registry ...
    registry.fail_next(1, "put_manifest")      ... or the next one of this kind
    registry.refuse("delete", "405 …")         calls of this kind are refused, all of them
    registry.before = function(call, …)        called first in each call, with its arguments
    registry.add_image("elyra/a", "dev", ID)   an image, as if an engine had pushed it
    registry.lose(repository, digest)          a blob or a manifest is gone
    registry.spoil(repository, digest)         a blob is no longer what its digest says
    registry.calls, registry.count("head")     what was asked: ["head elyra/a:dev", …]
    registry.uploaded                          bytes of blobs that really came in
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest, RegistryUnavailable

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class FakeRegistry:
    """A `Registry` in memory."""

    def __init__(self, host: str = "registry.test") -> None:
        self.host = host
        self.down = False
        self.before: Callable[..., None] | None = None
        self.calls: list[str] = []
        self.uploaded = 0
        self._kinds: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._refusals: dict[str, str] = {}
        self._manifests: dict[str, dict[str, Manifest]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._blobs: dict[str, dict[str, bytes]] = {}
        self._lock = threading.RLock()

    # for tests

    def fail_next(self, times: int = 1, call: str = "") -> None:
        """Let the next calls (of a kind, or any) find no registry."""
        self._failures[call] += times

    def refuse(self, call: str, why: str = "answers 403 Forbidden") -> None:
        """Refuse all calls of a kind; an empty `why` lets them through again."""
        self._refusals[call] = why

    def count(self, call: str) -> int:
        """How many calls of a kind there were."""
        return self._kinds[call]

    def add_blob(self, repository: str, data: bytes, digest: str = "") -> str:
        """Put a blob there, under any digest if one is given."""
        digest = digest or "sha256:" + hashlib.sha256(data).hexdigest()
        self._blobs.setdefault(repository, {})[digest] = data
        return digest

    def add_image(self, repository: str, tag: str, image: str, *layers: bytes) -> str:
        """Put an image with this id there, as an engine does; the digest of its manifest."""
        blobs = [(image, b"{}", _CONFIG)]
        contents = layers or (f"layer of {image}".encode(),)
        blobs += [(self.add_blob(repository, data), data, _LAYER) for data in contents]
        self.add_blob(repository, b"{}", image)
        found = [
            {"mediaType": kind, "digest": digest, "size": len(data)} for digest, data, kind in blobs
        ]
        plain = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": found[0],
            "layers": found[1:],
        }
        manifest = Manifest(OCI_MANIFEST, json.dumps(plain).encode())
        self._manifests.setdefault(repository, {})[manifest.digest] = manifest
        self._tags.setdefault(repository, {})[tag] = manifest.digest
        return manifest.digest

    def lose(self, repository: str, digest: str) -> None:
        """Forget a blob or a manifest behind everybody's back; tags of a manifest stay."""
        self._blobs.get(repository, {}).pop(digest, None)
        self._manifests.get(repository, {}).pop(digest, None)

    def spoil(self, repository: str, digest: str, data: bytes = b"spoilt") -> None:
        """Let a blob have other bytes than its digest says."""
        self._blobs[repository][digest] = data

    def blobs(self, repository: str) -> list[str]:
        """The digests of all blobs of a repository, sorted."""
        return sorted(self._blobs.get(repository, {}))

    def dump(self) -> dict[str, Any]:
        """All that is there, by repository, as plain values; bytes in base64."""
        return {
            repository: {
                "blobs": {
                    digest: base64.b64encode(data).decode()
                    for digest, data in self._blobs.get(repository, {}).items()
                },
                "manifests": {
                    digest: [manifest.media_type, base64.b64encode(manifest.data).decode()]
                    for digest, manifest in held.items()
                },
                "tags": self._tags.get(repository, {}),
            }
            for repository, held in self._manifests.items()
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """Put there what `dump` told."""
        for repository, held in dumped.items():
            for digest, data in held["blobs"].items():
                self.add_blob(repository, base64.b64decode(data), digest)
            self._manifests[repository] = {
                digest: Manifest(kind, base64.b64decode(data))
                for digest, (kind, data) in held["manifests"].items()
            }
            self._tags[repository] = dict(held["tags"])

    # the protocol

    def ping(self) -> None:
        """See `Registry.ping`."""
        self._asked("ping")

    def head(self, repository: str, reference: str) -> str | None:
        """See `Registry.head`."""
        self._asked("head", repository, reference)
        found = self._find(repository, reference)
        return found.digest if found else None

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """See `Registry.manifest`."""
        self._asked("manifest", repository, reference)
        return self._find(repository, reference)

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """See `Registry.put_manifest`."""
        self._asked("put_manifest", repository, reference)
        with self._lock:
            if ":" in reference and reference != manifest.digest:
                raise self._refused("put", repository, reference, "is given another digest")
            if missing := self._missing(repository, manifest.plain):
                raise self._refused("put", repository, reference, f"does not have {missing}")
            self._manifests.setdefault(repository, {})[manifest.digest] = manifest
            if ":" not in reference:
                self._tags.setdefault(repository, {})[reference] = manifest.digest

    def has_blob(self, repository: str, digest: str) -> bool:
        """See `Registry.has_blob`."""
        self._asked("has_blob", repository, digest)
        return digest in self._blobs.get(repository, {})

    def read_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """See `Registry.read_blob`."""
        self._asked("read_blob", repository, digest)
        data = self._blobs.get(repository, {}).get(digest)
        if data is None:
            raise self._refused("read blob", repository, digest, "answers 404 Not Found")
        for start in range(0, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != digest:
            raise self._refused("read blob", repository, digest, f"has {found} in its place")

    def put_blob(self, repository: str, data: bytes) -> str:
        """See `Registry.put_blob`."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if digest not in self._blobs.get(repository, {}):  # as the client, which looks first
            self._asked("put_blob", repository, digest)
            self._put(repository, digest, data)
        return digest

    def put_file(self, repository: str, path: str, digest: str) -> None:
        """See `Registry.put_file`."""
        self._asked("put_file", repository, digest)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise ActionError(f"cannot read {path}: {error.strerror}") from None
        if digest in self._blobs.get(repository, {}):
            return
        if digest != "sha256:" + hashlib.sha256(data).hexdigest():
            raise self._refused("upload", repository, digest, "answers 400 Bad Request")
        self._put(repository, digest, data)

    def tags(self, repository: str) -> list[str]:
        """See `Registry.tags`."""
        self._asked("tags", repository)
        return sorted(self._tags.get(repository, {}))

    def delete(self, repository: str, digest: str) -> bool:
        """See `Registry.delete`."""
        self._asked("delete", repository, digest)
        with self._lock:
            gone = self._manifests.get(repository, {}).pop(digest, None)
            tags = self._tags.get(repository, {})
            for tag in [tag for tag, found in tags.items() if found == digest]:
                del tags[tag]
        return gone is not None

    def _asked(self, call: str, repository: str = "", reference: str = "") -> None:
        with self._lock:
            mark = "@" if ":" in reference else ":"
            self.calls.append(f"{call} {repository}{mark if reference else ''}{reference}".strip())
            self._kinds[call] += 1
        if self.before:
            self.before(call, repository, reference)
        with self._lock:
            for kind in (call, ""):
                if self.down or self._failures[kind] > 0:
                    self._failures[kind] -= 0 if self.down else 1
                    raise RegistryUnavailable(
                        f"cannot {call.replace('_', ' ')}: registry {self.host} cannot be reached",
                        fix=f"curl -v https://{self.host}/v2/",
                    )
        if why := self._refusals.get(call):
            raise self._refused(call, repository, reference, why)

    def _refused(self, doing: str, repository: str, reference: str, why: str) -> ActionError:
        return ActionError(f"cannot {doing} {repository} {reference}: registry {self.host} {why}")

    def _find(self, repository: str, reference: str) -> Manifest | None:
        with self._lock:
            digest = self._tags.get(repository, {}).get(reference, reference)
            return self._manifests.get(repository, {}).get(digest)

    def _missing(self, repository: str, plain: dict[str, Any]) -> str:
        """The digest of something that a manifest names and that is not there; or ""."""
        blobs = [plain.get("config"), *(plain.get("layers") or ())]
        wanted = [blob["digest"] for blob in blobs if blob]
        have = self._blobs.get(repository, {})
        children = [each["digest"] for each in plain.get("manifests") or ()]
        images = self._manifests.get(repository, {})
        lost = [digest for digest in wanted if digest not in have]
        return next(iter(lost + [digest for digest in children if digest not in images]), "")

    def _put(self, repository: str, digest: str, data: bytes) -> None:
        with self._lock:
            blobs = self._blobs.setdefault(repository, {})
            if digest not in blobs:
                self.uploaded += len(data)
                blobs[digest] = data
