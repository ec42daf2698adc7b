"""Records: the result of the action of a key, and the parts of the key.

Records are in the store that all workspaces of a machine share, since a key means the same in each.
A record is two small files, written by rename after an action has succeeded: the result (read by
every build) and the key's parts (read by `why` alone). Failures leave no record. A record says what
*was* made; engine and content store say whether it still exists.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from typing import NamedTuple

from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput, Output

_BLOCK = 1 << 16
_REBUILD = "rebuild"
"""Ending of the file that marks a forgotten key."""


class Record(NamedTuple):
    """The result of a key.

    Attributes:
        images: IDs of its image: one for each engine, the last built first.
        files: Files in the content store, by name.
        seconds: How long the last build took.
        identities: Image ID -> digest of the image's configuration, where known.
    """

    images: tuple[str, ...]
    files: Mapping[str, FileOutput]
    seconds: float
    identities: Mapping[str, str] = {}

    @property
    def output(self) -> Output:
        """The result, with the image that was built last."""
        image = self.images[0] if self.images else ""
        return Output(image, self.files, self.identities.get(image, ""))

    def holds(self, identity: str, digest: str) -> bool:
        """Whether an image has this identity, or this manifest digest."""
        return bool({identity, digest} & {*self.images, *self.identities.values()})


class Records:
    """The records below a folder, which is made by the first write."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.looked_at: list[str] = []
        """The files of the keys that were asked for."""

    def _path(self, key: str, ending: str) -> str:
        return f"{self._root}/{key[:2]}/{key[2:]}.{ending}"

    def get(self, key: str) -> Record | None:
        """The record of a key; None if there is none, or it is damaged."""
        path = self._path(key, "json")
        self.looked_at.append(path)
        try:
            plain = json.loads(_read(path))
            images = tuple(plain["images"])
            files = {name: FileOutput(*file) for name, file in plain["files"].items()}
            seconds = float(plain["seconds"])
            identities = dict(plain.get("identities") or {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if not isinstance(plain["images"], list) or plain.get("key") != key:
            return None  # it is the record of another key
        texts = [*images, *identities.values(), *(file.sha256 for file in files.values())]
        if not all(isinstance(text, str) for text in texts):
            return None
        if not all(isinstance(file.size, int) for file in files.values()):
            return None
        return Record(images, files, seconds, identities)

    def find(self, start: str) -> list[tuple[str, float]]:
        """The recorded keys with this prefix (over two hex digits), and when each was written."""
        try:
            names = os.listdir(f"{self._root}/{start[:2]}")
        except OSError:
            return []
        keys = []
        for name in sorted(names):
            digits, dot, ending = name.partition(".")
            if dot and ending == "json" and digits.startswith(start[2:]):
                with contextlib.suppress(OSError):
                    written = os.stat(f"{self._root}/{start[:2]}/{name}").st_mtime
                    keys.append((start[:2] + digits, written))
        return keys

    def put(
        self,
        record: KeyRecord,
        output: Output,
        seconds: float,
        *,
        label: str,
        replace: bool = False,
    ) -> None:
        """Write the record of a key; the images of other engines stay in it.

        Args:
            label: The target, for people who look into the store.
            replace: Drop all earlier results of the key, on every engine.
        """
        earlier = None if replace else self.get(record.key)
        images = [image for image in (earlier.images if earlier else ()) if image != output.image]
        identities = dict(earlier.identities) if earlier else {}
        if output.identity:
            identities[output.image] = output.identity
        identities = {image: each for image, each in identities.items() if each != image}
        plain = {
            "label": label,
            "key": record.key,
            "images": ([output.image] if output.image else []) + images,
            "files": {name: list(file) for name, file in output.files.items()},
            "seconds": round(seconds, 3),
        }
        if identities:
            plain["identities"] = identities
        self.put_parts(record)
        self._write(self._path(record.key, "json"), plain)
        self._unlink(record.key, _REBUILD)

    def identify(self, key: str, image: str, identity: str) -> None:
        """Add the identity of a recorded image, if the record still exists."""
        record = self.get(key)
        if record is None or image not in record.images or identity == image:
            return
        if record.identities.get(image) != identity:
            path = self._path(key, "json")
            plain = json.loads(_read(path))
            self._write(path, {**plain, "identities": {**record.identities, image: identity}})

    def put_parts(self, record: KeyRecord) -> None:
        """Write the parts of a key, for `why`."""
        if self.parts(record.key) is None:
            self._write(self._path(record.key, "parts.json"), record.parts)

    def _write(self, path: str, plain: object) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}-{threading.get_ident()}"
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(plain, file, indent=0)
        os.replace(temporary, path)

    def parts(self, key: str) -> KeyRecord | None:
        """The key record of a key that was built; None if there is none, or it is damaged."""
        try:
            with open(
                self._path(key, "parts.json"), encoding="utf-8", errors="surrogateescape"
            ) as file:
                record = make_record([(str(name), str(value)) for name, value in json.load(file)])
        except (OSError, ValueError, TypeError):
            return None
        return record if record.key == key else None

    def remove(self, key: str) -> None:
        for ending in ("json", "parts.json"):
            self._unlink(key, ending)

    def forget(self, key: str) -> None:
        """Remove a record, and mark the key to be built from its sources.

        Until then no cache is used for it, neither the builder's nor a registry.
        """
        self._write(self._path(key, _REBUILD), "forgotten")
        self.remove(key)

    def is_forgotten(self, key: str) -> bool:
        return os.path.exists(self._path(key, _REBUILD))

    def _unlink(self, key: str, ending: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(key, ending))


def _read(path: str) -> str:
    """Read a file with half the system calls of `open`: every build reads every record."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while block := os.read(descriptor, _BLOCK):
            text += block
    finally:
        os.close(descriptor)
    return text.decode("utf-8", "surrogateescape")
