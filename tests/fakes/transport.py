"""Moves images between a `FakeEngine` and a registry, as `buildlib.engine.transfer` does.

transport = FakeTransport(engine, registry)
transport.moved            what was asked for: ("push", reference) …
transport.fail_next("…")   the next transfer fails with that text
"""

from __future__ import annotations

import json
from collections.abc import Callable

from buildlib.core.store.names import without_host
from buildlib.engine.transfer import Observe, unobserved
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import Registry
from tests.fakes.engine import SHARED, FakeEngine, manifest_of


class FakeTransport:
    """An `ImageTransport` between two fakes.

    Args:
        engine: Where images are.
        registry: Where they go, and come from.
    """

    def __init__(self, engine: FakeEngine, registry: Registry) -> None:
        self._engine = engine
        self._registry = registry
        self.moved: list[tuple[str, str]] = []
        self.during: Callable[[str], None] | None = None
        self._failures: list[str] = []

    def fail_next(self, reason: str) -> None:
        """Let the next transfer fail."""
        self._failures.append(reason)

    def push(self, reference: str, *, observe: Observe = unobserved) -> str:
        path, tag = self._begin("push", reference).rsplit(":", 1)
        image = self._engine.resolve(reference)
        assert image is not None, f"the engine has no {reference}"
        config = self._engine.configs[image]
        for blob in (SHARED, config):
            self._registry.put_blob(path, blob)
        put = manifest_of(config)
        observe(put.size, put.size)
        self._registry.put_manifest(path, tag, put)
        return put.digest

    def pull(self, reference: str, *, platform: str = "", observe: Observe = unobserved) -> str:
        name = self._begin("pull", reference)
        path, _, wanted = name.partition("@") if "@" in name else name.rpartition(":")
        manifest = self._registry.manifest(path, wanted)
        if manifest is None:
            raise ActionError(f"{reference} cannot be pulled: manifest unknown")
        for layer in manifest.blobs[1:]:
            b"".join(self._registry.read_blob(path, layer.digest))
        config = b"".join(self._registry.read_blob(path, manifest.config.digest))
        plain = json.loads(config)
        observe(manifest.size, manifest.size)
        self._engine.keep(1000, f"{plain['os']}/{plain['architecture']}", config)
        return manifest.digest

    def _begin(self, what: str, reference: str) -> str:
        self.moved.append((what, reference))
        if self.during is not None:
            self.during(reference)
        if self._failures:
            raise ActionError(f"{reference} cannot be {what}ed: {self._failures.pop(0)}")
        return without_host(reference, self._registry.host)
