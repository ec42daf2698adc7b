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
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.core.keys.index import is_old, stat_data
from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput, Output

if TYPE_CHECKING:
    from buildlib.core.keys.index import StatData

    _Kept = tuple[StatData | None, tuple[str, ...], Any, float, dict[str, str]]  # with the record

_MEMO = "records"
_SPARE = 1000
_QUICKER = 8
"""To read a record takes as long as to write so many into the memo."""
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
    """The records below a folder, which is made by the first write.

    Args:
        memo: A persistent cache, as of a `View`. A record whose file is as it was is not read.
    """

    def __init__(self, root: str, memo: Any = None) -> None:
        self._root = root
        self._memo = {} if memo is None else memo
        self._kept: dict[str, _Kept] = self._memo.get((_MEMO, root)) or {}
        self._met: dict[str, _Kept] = {}
        self._new = 0
        self.looked_at: list[str] = []
        """The files of the keys that were asked for."""

    def _path(self, key: str, ending: str) -> str:
        return f"{self._root}/{key[:2]}/{key[2:]}.{ending}"

    def get(self, key: str) -> Record | None:
        """The record of a key; None if there is none, or it is damaged."""
        path = self._path(key, "json")
        self.looked_at.append(path)
        kept = self._kept.get(key)
        try:
            if kept is None or stat_data(os.stat(path)) != kept[0]:
                kept = self._read(path, key)
        except OSError:
            kept = None
        if kept is None:
            return None
        self._met[key] = kept
        _, images, plain, seconds, identities = kept
        files = {name: FileOutput(*file) for name, file in plain.items()}
        return Record(images, files, seconds, identities)

    def _read(self, path: str, key: str) -> _Kept | None:
        text, data = _read(path)
        try:
            plain = json.loads(text)
            images = tuple(plain["images"])
            files = {name: FileOutput(*file) for name, file in plain["files"].items()}
            seconds = float(plain["seconds"])
            identities = dict(plain.get("identities") or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if not isinstance(plain["images"], list) or plain.get("key") != key:
            return None  # it is the record of another key
        texts = [*images, *identities.values(), *(file.sha256 for file in files.values())]
        if not all(isinstance(text, str) for text in texts):
            return None
        if not all(isinstance(file.size, int) for file in files.values()):
            return None
        self._new += data is not None
        return data, images, plain["files"], seconds, identities

    def keep(self) -> None:
        """Put what was read into the memo, for the next run, unless it is quickly read again."""
        if self._new * _QUICKER > len(self._met):
            new = {key: kept for key, kept in list(self._met.items()) if kept[0]}
            # Those of keys that nobody has any more go when they are most of it.
            few = len(self._kept) > _SPARE + 4 * len(new)
            self._kept = new if few else {**self._kept, **new}
            self._memo[_MEMO, self._root] = self._kept
            self._new = 0

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
            plain = json.loads(_read(path)[0])
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


def _read(path: str) -> tuple[str, StatData | None]:
    """The text of a file, and its stat data if each later change will change them.

    With half the system calls of `open`: a build may read every record.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data, now = stat_data(os.fstat(descriptor)), time.time_ns()
        text = b""
        while block := os.read(descriptor, _BLOCK):
            text += block
    finally:
        os.close(descriptor)
    return text.decode("utf-8", "surrogateescape"), data if is_old(data, now) else None
