"""A builder that makes images itself where no builder is needed, and asks BuildKit for the rest.

An image whose Dockerfile only adds files and configuration to its parent is made here: its layers
are written as tars, its configuration follows from the parent's, and the engine loads both, without
the layers that it has. That takes one request to the engine instead of a docker client with a
session of BuildKit. What is made is what BuildKit makes (docs/engines.md, "Images made without a
builder"); where that is not sure, BuildKit makes it, and the log says why.

Engines with graph drivers take an archive that leaves out layers they have; the containerd store
does not, and BuildKit serves it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from buildlib.core.dockerfile import IGNORE_FILE, plain
from buildlib.core.dockerfile.parse import parse
from buildlib.core.dockerfile.plain import NotPlainError
from buildlib.core.store.content import EPOCH
from buildlib.engine import process
from buildlib.engine.loader import Layer, Loader, Packed, pack_layer
from buildlib.engine.parent import FilesOfImage, Parent, describe, timestamp
from buildlib.engine.protocol import Builder, BuildRequest, Built, Log
from buildlib.errors import ActionError, EngineUnavailable, InputError

if TYPE_CHECKING:
    from buildlib.engine.api import EngineClient
    from buildlib.engine.layer import Entry, Files

_GRAPH_DRIVERS = ("overlay2",)
"""Those for which it was tried that layers can be left out of an archive."""
_PLATFORM = "linux/amd64"
"""The platform for which is known what BuildKit calls an image from scratch."""
_COMMENT = "buildkit.dockerfile.v0"


class DirectBuilder:
    """A `Builder` in front of another one.

    Args:
        builder: Builds what cannot be made here.
        environ: Variables of the process.
        notes: Beginning of the paths of files that keep answers of the engine; none when empty.
    """

    def __init__(
        self, engine: EngineClient, builder: Builder, environ: Mapping[str, str], notes: str
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._environ = environ
        self._loader = Loader(engine)
        self._notes = f"{notes}-files" if notes else ""
        self._lock = threading.Lock()
        self._storage: str | None = None

    def build(self, request: BuildRequest, log: Log) -> Built:
        try:
            return self._make(request, log)
        except NotPlainError as reason:
            log(f"BuildKit builds it: {reason}")
        return self._builder.build(request, log)

    def build_tar(self, request: BuildRequest, dest: str, log: Log) -> None:
        self._builder.build_tar(request, dest, log)

    def ready(self) -> None:
        self._builder.ready()

    def command(self, request: BuildRequest) -> list[str]:
        return self._builder.command(request)

    # -- how -----------------------------------------------------------------------------------

    def _make(self, request: BuildRequest, log: Log) -> Built:
        if self._environ.get("BUILDX_BUILDER"):
            raise NotPlainError("BUILDX_BUILDER names a builder")
        if _ignores(request):
            raise NotPlainError("its context has an ignore file")
        with open(request.dockerfile, encoding="utf-8-sig") as file:
            text = file.read()
        args = dict(request.args)
        try:
            dockerfile = parse(text, request.shown_as or request.dockerfile, args, request.target)
        except InputError as error:
            raise NotPlainError(error.what) from None
        name = plain.parent_of(dockerfile, text, args)
        parent = None if name == plain.SCRATCH else describe(self._engine, name)
        self._check(request, parent)
        found = plain.addition(
            dockerfile, parent.config if parent else None, args, dict(request.labels)
        )
        layers = self._layers(found.steps, request.context, parent, log)
        created = timestamp(time.time()) if request.no_cache else _time_of(parent)
        config = json.dumps(_configuration(found, layers, parent, created)).encode()
        new = [layer for layer in layers if layer is not None]
        packed = Packed(config, parent.layers if parent else (), tuple(new))
        if process.stopping():
            raise process.Stopped
        log("#1 exporting to image")  # in BuildKit's words, so that its readers know the time
        started = time.monotonic()
        try:
            self._loader.load(packed)
            there = self._engine.inspect([packed.id])[packed.id]
        except EngineUnavailable:
            raise
        except ActionError as error:
            raise NotPlainError(f"{error.what}: {error.detail}") from None
        if there is None:
            raise NotPlainError("the engine calls what it loaded by another name")
        log(f"#1 DONE {time.monotonic() - started:.2f}s")
        files = sum(len(layer.files) for layer in new)
        size = sum(layer.size for layer in new)
        log(f"made without a builder: {len(new)} new layers, {files} entries, {size} bytes")
        return Built(packed.id)

    def _check(self, request: BuildRequest, parent: Parent | None) -> None:
        """Refuse what the engine would not take, or not for this platform."""
        if (
            parent.storage if parent and parent.layers else self._own_storage()
        ) not in _GRAPH_DRIVERS:
            raise NotPlainError("the engine's storage takes whole images only")
        if parent is None:
            platform = request.platform or self._engine.platform()
            known = platform == _PLATFORM
        else:
            system = parent.system
            platform = f"{system.get('os')}/{system.get('architecture')}"
            known = request.platform in (None, platform) and "variant" not in system
        if not known:
            raise NotPlainError(f"its platform is {request.platform or platform}")

    def _own_storage(self) -> str:
        with self._lock:
            if self._storage is None:
                self._storage = self._engine.storage()
            return self._storage

    def _layers(
        self, steps: Sequence[plain.Step], context: str, parent: Parent | None, log: Log
    ) -> list[Layer | None]:
        """The layer of each step that makes one, in order; None for the others."""
        from buildlib.engine.layer import FOLDER, layer_of

        above: Files = {}
        layers: list[Layer | None] = []
        with ExitStack() as stack:
            files = None
            if parent is not None:
                files = FilesOfImage(self._engine, parent, self._notes)
                stack.enter_context(process.on_stop(files.close))
                stack.callback(files.close)

            def look(path: str) -> Entry | None:
                if path in above:
                    return above[path]
                folder = above.get(path.rpartition("/")[0])
                if folder is not None and folder.kind != FOLDER:
                    return None
                return files.look(path) if files else None

            for step in steps:
                log(step.created_by.removesuffix(" # buildkit"))
                if step.layer is None:
                    layers.append(None)
                    continue
                made = layer_of(step.layer, context, look)
                layers.append(pack_layer(made))
                above.update(made)
        return layers


def _ignores(request: BuildRequest) -> bool:
    """Whether an ignore file leaves something out: a Dockerfile's own, or else the context's."""
    for start in (request.dockerfile, f"{request.context}/"):
        path = f"{start}{IGNORE_FILE}"
        if os.path.lexists(path):
            try:
                with open(path, encoding="utf-8") as file:
                    return any(line.strip() and not line.startswith("#") for line in file)
            except (OSError, ValueError):
                return True
    return False


def _time_of(parent: Parent | None) -> str:
    """When an image was made, for one that says the same wherever it is made."""
    return parent.created if parent and parent.created else timestamp(EPOCH)


def _configuration(
    found: plain.Addition,
    layers: Sequence[Layer | None],
    parent: Parent | None,
    created: str,
) -> dict[str, Any]:
    """The configuration of an image, as BuildKit writes it."""
    system, _, architecture = _PLATFORM.partition("/")
    history: list[dict[str, Any]] = list(parent.history) if parent else []
    digests = list(parent.layers) if parent else []
    for step, layer in zip(found.steps, layers, strict=True):
        line = {"created": created, "created_by": step.created_by, "comment": _COMMENT}
        history.append(line if layer else {**line, "empty_layer": True})
        digests += [f"sha256:{layer.sha256}"] if layer else []
    return {
        **(parent.system if parent else {"architecture": architecture, "os": system}),
        "config": {name: value for name, value in found.config.items() if value},
        "created": created,
        "history": history,
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
