"""Holds an image that was made without a builder to the one that BuildKit makes of the same files.

Both are built, saved and compared: the configuration field by field, and the layers file by file.
The only difference that may be is time: BuildKit dates folders that `COPY` and `WORKDIR` make, or
put something into, with the moment of a build, and the time of a parent's line in the history is
known in whole seconds.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from buildlib.core.dockerfile.plain import NotPlainError
from buildlib.engine.api import EngineClient
from buildlib.engine.build import CliBuilder
from buildlib.engine.direct import DirectBuilder
from buildlib.engine.find import find_engine
from buildlib.engine.protocol import BuildRequest, Built, Log

NOW = 1_750_000_000
"""Seconds since 1970: all constant times are earlier, and all builds are later."""


class NoBuilder(CliBuilder):
    """Fails where BuildKit would be asked, with the reason that was logged."""

    def build(self, request: BuildRequest, log: Log) -> Built:
        raise NotPlainError("BuildKit was asked")


class Pair:
    """Makes images in both ways; remembers them, to be removed."""

    def __init__(self) -> None:
        endpoint = find_engine()
        self.engine = EngineClient(endpoint)
        self.buildkit = CliBuilder(endpoint, self.engine)
        nobody = NoBuilder(endpoint, self.engine)
        self.direct = DirectBuilder(self.engine, nobody, {}, "")
        self.made: list[str] = []
        self.said: list[str] = []

    def request(self, folder: str, text: str, **more: Any) -> BuildRequest:
        """A request for a Dockerfile, which is written into the context."""
        with open(f"{folder}/Dockerfile", "w", encoding="utf-8") as file:
            file.write(text)
        return BuildRequest(folder, f"{folder}/Dockerfile", **more)

    def ours(self, request: BuildRequest) -> str:
        """Make it without a builder; `NotPlainError` where it needs one."""
        self.said.clear()
        try:
            image = self.direct.build(request, self.said.append).image
        except NotPlainError:
            raise NotPlainError(self.said[-1]) from None
        self.made.append(image)
        return image

    def theirs(self, request: BuildRequest) -> str:
        """Have BuildKit make it."""
        image = self.buildkit.build(request, lambda _: None).image
        self.made.append(image)
        return image

    def differences(self, request: BuildRequest) -> list[str]:
        """What differs between the two."""
        ours, theirs = (
            self.saved(image)
            for image in (self.ours(request), self.theirs(request._replace(no_cache=True)))
        )
        return [*_of_configs(ours[0], theirs[0]), *_of_layers(ours[1], theirs[1])]

    def saved(self, image: str) -> tuple[dict[str, Any], list[bytes]]:
        """The configuration of an image, and its layers."""
        described = self.engine.describe(image)
        assert described is not None
        inspected, history = described
        if not inspected["RootFS"].get("Layers"):  # the engine does not save it
            lines = [{"created": "", **each, "Created": 0, "Id": ""} for each in history]
            same = {"architecture": inspected["Architecture"], "os": inspected["Os"]}
            same |= {"config": inspected["Config"], "history": lines, "created": ""}
            return {**same, "rootfs": {"diff_ids": []}}, []
        data = self.engine.call("GET", f"/images/{image}/get", what="save").body
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:

            def read(name: str) -> bytes:
                member = tar.getmember(name)
                while member.issym():  # a layer that stands twice
                    member = tar.getmember(member.linkname.removeprefix("../"))
                file = tar.extractfile(member)
                assert file is not None
                return file.read()

            manifest = json.loads(read("manifest.json"))[0]
            return json.loads(read(manifest["Config"])), [read(name) for name in manifest["Layers"]]

    def close(self) -> None:
        """Remove all images, children before their parents."""
        for image in reversed(dict.fromkeys(self.made)):
            self.engine.call("DELETE", f"/images/{image}?force=1", what="rm", allow=(404, 409))


@contextmanager
def pair() -> Iterator[tuple[Pair, str]]:
    """A pair of builders, and an empty folder."""
    both = Pair()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield both, folder
    finally:
        both.close()


def _of_configs(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    for config in (ours, theirs):
        config.pop("created")
        config["rootfs"]["diff_ids"] = len(config["rootfs"]["diff_ids"])
        config["config"] = {k: v for k, v in config["config"].items() if v is not None}
        for line in config["history"]:
            line.pop("created", None)
        config["history"] = [sorted(line.items(), key=str) for line in config["history"]]
        config.pop("moby.buildkit.buildinfo.v1", None)
    return [
        f"{name}: ours {ours.get(name)!r}, BuildKit's {theirs.get(name)!r}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]


def _of_layers(ours: list[bytes], theirs: list[bytes]) -> list[str]:
    found = []
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one == other:
            continue
        mine, his = _entries(one), _entries(other)
        for name in sorted({*mine, *his}):
            left, right = mine.get(name), his.get(name)
            same = left == right or (
                left is not None
                and right is not None
                and left[0] == tarfile.DIRTYPE
                and left[1:] == right[1:]
            )
            if not same:
                found.append(f"layer {number}, {name}: ours {left}, BuildKit's {right}")
        theirs_then = _times(other)
        for name, moment in _times(one).items():
            then = theirs_then.get(name, 0.0)
            if moment != then and not (moment < then and then > NOW):
                found.append(f"layer {number}, {name}: ours of {moment}, BuildKit's of {then}")
    return found


def _entries(layer: bytes) -> dict[str, tuple[Any, ...]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {
            info.name: (
                info.type,
                info.mode,
                info.uid,
                info.gid,
                info.linkname,
                sha256(file.read()).hexdigest() if (file := _file(tar, info)) else "",
            )
            for info in tar
        }


def _file(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Any:
    return tar.extractfile(info) if info.isreg() else None


def _times(layer: bytes) -> dict[str, float]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {info.name: info.mtime for info in tar}
