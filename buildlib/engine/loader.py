"""Gives images that were made here to the engine: several in one archive, where several wait.

For each archive and each new layer the engine starts a program of its own, which takes longer than
the files do. So whoever comes while archives are being loaded waits, and goes into the next one
with all others that wait. As many archives are on their way as this machine has processors, since
the engine works on one layer of an archive after the other.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from buildlib.core.pack.tar import BLOCK, header
from buildlib.engine.layer import Files, tar_of
from buildlib.errors import ActionError, BuildError
from buildlib.parallel import idle

if TYPE_CHECKING:
    from buildlib.engine.api import EngineClient

_LANES = 4
"""Archives on their way at a time, at most."""
_KEPT = 16 << 20
"""Bytes of a layer up to which it is kept in memory, and not written twice."""


class Layer(NamedTuple):
    """A layer that was written here."""

    sha256: str
    size: int
    files: Files
    data: bytes | None

    def pieces(self) -> Iterable[bytes]:
        """Its tar; the engine refuses it if a file is not what it was."""
        return tar_of(self.files) if self.data is None else (self.data,)


def pack_layer(files: Files) -> Layer:
    """Write a layer."""
    digest, size = sha256(), 0
    kept: list[bytes] = []
    for piece in tar_of(files):
        digest.update(piece)
        size += len(piece)
        if size <= _KEPT:
            kept.append(piece)
    data = b"".join(kept) if size <= _KEPT else None
    return Layer(digest.hexdigest(), size, files, data)


class Packed:
    """An image to be loaded.

    Args:
        config: Its configuration.
        below: Digests of the layers that the engine has.
        layers: The others, which come on top.
    """

    def __init__(self, config: bytes, below: Sequence[str], layers: Sequence[Layer]) -> None:
        self.config = config
        self.layers = layers
        self._below = [layer.partition(":")[2] for layer in below]
        self.failure: BuildError | None = None
        self.is_done = False

    @cached_property
    def id(self) -> str:
        """What engines with graph drivers call it."""
        return f"sha256:{sha256(self.config).hexdigest()}"

    @property
    def config_name(self) -> str:
        """The configuration's name in an archive."""
        return f"{self.id.partition(':')[2]}.json"

    @property
    def layer_names(self) -> list[str]:
        """The names that its layers have in an archive, or would have."""
        return [
            *map(_layer_name, self._below),
            *(_layer_name(layer.sha256) for layer in self.layers),
        ]


class Loader:
    """Loads images for several threads."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._changed = threading.Condition()
        self._waiting: list[Packed] = []
        self._lanes = min(_LANES, os.cpu_count() or 1)
        self._free = self._lanes

    def load(self, image: Packed) -> None:
        """Load an image, alone or with those of other threads; return when it is there.

        Raises:
            EngineUnavailable: No engine answers.
            ActionError: The engine refused the image.
        """
        with idle():
            with self._changed:
                self._waiting.append(image)
            while batch := self._take(image):
                self._load(batch)
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()
        if image.failure:
            raise image.failure

    def _take(self, image: Packed) -> list[Packed]:
        """Images to load now, this thread's or others'; none when this thread's was loaded."""
        with self._changed:
            self._changed.wait_for(lambda: image.is_done or (self._free and self._waiting))
            if image.is_done:
                return []
            self._free -= 1
            share = -(-len(self._waiting) // self._lanes)
            batch, self._waiting = self._waiting[:share], self._waiting[share:]
            return batch

    def _load(self, batch: Sequence[Packed]) -> None:
        """Load images; each for itself where they are refused together."""
        failure: BuildError | None = None
        try:
            self._engine.load(*_archive(batch))
        except BuildError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  another thread may be the one that waits for it
            failure = ActionError(f"an image cannot be loaded: {error}")
        if failure and len(batch) > 1:
            for image in batch:
                self._load([image])
            return
        for image in batch:
            image.failure, image.is_done = failure, True


def _archive(images: Sequence[Packed]) -> tuple[Iterator[bytes], int]:
    """An archive as `docker save` writes it, in pieces, and its size."""
    index = json.dumps(
        [
            {"Config": image.config_name, "RepoTags": None, "Layers": image.layer_names}
            for image in images
        ]
    ).encode()
    parts: dict[str, tuple[int, Iterable[bytes]]] = {"manifest.json": (len(index), (index,))}
    for image in images:
        parts[image.config_name] = len(image.config), (image.config,)
        for layer in image.layers:
            parts[_layer_name(layer.sha256)] = layer.size, layer.pieces()

    def pieces() -> Iterator[bytes]:
        for name, (size, content) in parts.items():
            yield header(name, kind=b"0", mode=0o644, owner=(0, 0), size=size, mtime=0)
            yield from content
            yield bytes(-size % BLOCK)
        yield bytes(2 * BLOCK)

    blocks = sum(1 + -(-size // BLOCK) for size, _ in parts.values())
    return pieces(), (blocks + 2) * BLOCK


def _layer_name(digest: str) -> str:
    return f"{digest}.tar"
