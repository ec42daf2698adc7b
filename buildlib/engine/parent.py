"""What has to be known of an image to make another one on it without a builder.

The engine tells its configuration, layers and history. Of its files only single ones are asked for,
in a container that is never started, and remembered: an image of one ID does not change.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from buildlib.core import cache_file
from buildlib.core.dockerfile.plain import NotPlainError
from buildlib.core.pack.tar import BLOCK
from buildlib.core.store.content import EPOCH
from buildlib.engine.layer import FILE, FOLDER, LINK, Entry
from buildlib.errors import ActionError

if TYPE_CHECKING:
    from buildlib.engine.api import EngineClient

_BUILDKIT = "buildkit."
"""Beginning of the comment in the history of what BuildKit made."""
_WITH_LAYER = re.compile(r"(?:RUN|COPY|ADD)\s|WORKDIR /.")
_CONFIG = (
    *("ArgsEscaped", "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels"),
    *("OnBuild", "Shell", "StopSignal", "StopTimeout", "User", "Volumes", "WorkingDir"),
)
"""What BuildKit keeps of a parent's `config`; engines have more for containers."""
_ETC = "etc"
_OF_CONTAINERS = frozenset(
    (
        *(".dockerenv", "dev", "proc", "sys"),
        *("etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"),
    )
)
"""What the engine makes in each container, or may."""
_KIND = "files of images 1"
_IMAGES = 100
"""Images whose files are remembered."""
_QUESTIONS = 100
"""Paths that are asked for at most in one image: beyond that a builder is quicker."""
_HEADERS = 4 * BLOCK
"""Bytes in which the header of an archive's first entry stands, an extended one before it."""


class Parent(NamedTuple):
    """An image to build on.

    Attributes:
        config: Its `config`, without what is not set.
        system: The other fields of its configuration that its children have too.
        layers: Digests of its layers.
        history: As in its configuration.
        created: When it was made; empty if it does not say.
        storage: The driver that keeps its layers; empty where none does, or there are none.
    """

    id: str
    config: dict[str, Any]
    system: dict[str, str]
    layers: tuple[str, ...]
    history: tuple[dict[str, Any], ...]
    created: str
    storage: str


def describe(engine: EngineClient, image: str) -> Parent:
    """Ask an engine for an image.

    Raises:
        NotPlainError: It is not there, or what the engine says of it is not understood.
    """
    answer = engine.describe(image)
    if answer is None:
        raise NotPlainError(f"the engine does not have {image}")
    inspected, history = answer
    layers = tuple(inspected["RootFS"].get("Layers") or ())
    system = {
        "architecture": inspected.get("Architecture"),
        "author": inspected.get("Author"),
        "os": inspected.get("Os"),
        "variant": inspected.get("Variant"),
    }
    driver = inspected.get("GraphDriver") or {}
    config = inspected.get("Config") or {}
    created = inspected.get("Created") or ""
    return Parent(
        inspected["Id"],
        {name: config[name] for name in _CONFIG if config.get(name)},
        {name: value for name, value in system.items() if value},
        layers,
        _history(history, len(layers)),
        "" if created.startswith("0001-") else created,
        driver.get("Name", "") if driver.get("Data") else "",
    )


def _history(entries: list[dict[str, Any]], layers: int) -> tuple[dict[str, Any], ...]:
    """The history as in the configuration; the engine does not say which lines made a layer."""
    lines = []
    for entry in reversed(entries):
        line: dict[str, Any] = {}
        if entry["Created"] > 0:  # else it has no time
            line["created"] = timestamp(entry["Created"])
        for name, given in (("created_by", "CreatedBy"), ("comment", "Comment")):
            if entry.get(given):
                line[name] = entry[given]
        by_buildkit = (entry.get("Comment") or "").startswith(_BUILDKIT)
        made = by_buildkit and _WITH_LAYER.match(entry.get("CreatedBy") or "")
        if not (entry.get("Size") or made):
            line["empty_layer"] = True
        lines.append(line)
    if sum("empty_layer" not in line for line in lines) != layers:
        raise NotPlainError("the history of its parent does not tell which lines made its layers")
    return tuple(lines)


def timestamp(seconds: float) -> str:
    """A moment as it stands in configurations."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    fraction = round(seconds % 1 * 10**6)
    return f"{whole}.{fraction:06}Z" if 0 < fraction < 10**6 else f"{whole}Z"


class FilesOfImage:
    """What an image has at some paths; closed when all was asked.

    Args:
        parent: The image.
        notes: File that keeps the answers for all images; none when empty.
    """

    def __init__(self, engine: EngineClient, parent: Parent, notes: str) -> None:
        self._engine = engine
        self._image = image = parent.id
        self._volumes = [volume.strip("/") for volume in parent.config.get("Volumes") or ()]
        self._notes = notes
        kept = cache_file.load(notes, _KIND) if notes else {}
        self._known: dict[str, Any] = kept.get(image, {})
        self._asked: dict[str, Any] = {}
        self._container = ""

    def look(self, path: str) -> Entry | None:
        """Return what is at a path, relative to the root; nothing is below what is no folder.

        Raises:
            NotPlainError: A link leads there, or the engine cannot tell.
        """
        if path in _OF_CONTAINERS or any(_overlap(path, volume) for volume in self._volumes):
            raise NotPlainError(f"/{path} is not the same in its parent and in containers of it")
        if path == _ETC:
            return self._etc()
        above = path.rpartition("/")[0]
        folder = self.look(above) if above else None
        if above and (folder is None or folder.kind != FOLDER):
            if folder is None:
                return None
            raise NotPlainError(f"/{above} is a {folder.kind} in its parent")
        return self._answer(path)

    def _answer(self, path: str) -> Entry | None:
        if path not in self._known:
            self._known[path] = self._asked[path] = self._ask(path)
        found = self._known[path]
        return Entry(*found) if found else None

    def _etc(self) -> Entry | None:
        """The folder in which the engine makes files for each container."""
        if self._answer(f"{_ETC}/passwd") is None:
            raise NotPlainError(f"its parent may not have a folder /{_ETC}")
        found = self._answer(_ETC)
        return found and found._replace(mtime=EPOCH)  # the time is that of the container

    def close(self) -> None:
        """Remove the container, and keep the answers."""
        self._remove()
        if self._asked and self._notes:
            with _lock:
                known = cache_file.load(self._notes, _KIND)
                known[self._image] = {**known.pop(self._image, {}), **self._asked}
                while len(known) > _IMAGES:  # the one that was asked for longest ago
                    known.pop(next(iter(known)))
                cache_file.save(self._notes, _KIND, known)

    def _remove(self) -> None:
        if self._container:
            with suppress(ActionError):
                self._engine.remove(self._container)

    def _ask(self, path: str) -> tuple[Any, ...] | None:
        from buildlib.engine.throwaway import LABEL, new_name

        if len(self._known) >= _QUESTIONS:
            raise NotPlainError("too many of its parent's files would have to be asked for")
        try:
            if not self._container:
                self._container = new_name()
                config: dict[str, Any] = {
                    "Image": self._image,
                    "Cmd": ["-"],
                    "Labels": {LABEL: "1"},
                }
                config |= {"WorkingDir": "/", "NetworkDisabled": True}  # its own would be made
                self._engine.create(self._container, config)
            data = self._engine.archive_beginning(self._container, f"/{path}", _HEADERS)
        except ActionError as error:
            raise NotPlainError(f"its parent cannot be looked at: {error.what}") from None
        return None if data is None else _first_entry(data, path)


_lock = threading.Lock()


def _overlap(path: str, other: str) -> bool:
    """Whether two paths are one, or one of them is below the other."""
    return f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")


def _first_entry(data: bytes, path: str) -> tuple[Any, ...]:
    """The first entry of an archive, without its name."""
    import io
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data.ljust(_HEADERS, b"\0"))) as tar:
            info = tar.next()
    except tarfile.TarError:
        info = None
    if info is None or set(info.pax_headers) - {"path", "linkpath", "mtime", "size"}:
        raise NotPlainError(f"/{path} of its parent has more than an archive can have")
    kind = FOLDER if info.isdir() else LINK if info.issym() else FILE if info.isreg() else ""
    if not kind:
        raise NotPlainError(f"/{path} of its parent is a device or a pipe")
    return tuple(Entry(kind, info.mode & 0o7777, info.uid, info.gid, int(info.mtime)))
