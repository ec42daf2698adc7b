"""The layers of images, as far as an SBOM follows from them; each is read once, and kept.

The engine hands over images as one archive (`docker save`), in which a layer that several have is
there once. It is read as it comes, in each form that engines have: a docker-archive, an OCI layout,
layers compressed or not. What is a layer is seen from its bytes, and its sha256 is its diff ID.

Of a layer an *outline* is kept: a tar without the files that syft opens for no package, in which
libraries that say nothing of themselves are empty, and jars have no classes. syft finds in the
outlines what it finds in the image, and has a tenth to read. This knows not how syft is called.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput, Output

if TYPE_CHECKING:
    import tarfile

    from buildlib.build.workspace import Workspace
    from buildlib.core.store.content import Writer

VERSION = 2
"""Raised when an outline becomes another."""
SYFT = "1.18.1"
"""The syft whose catalogers `_DULL`, `_LIVELY` and `_SECTIONS` follow."""
FILE = "outline.tar"
JARS = "jars.json"
Outline = Mapping[str, FileOutput]
"""Of a layer: `FILE`, and in `JARS` the SHA-1 of each outline of a jar with that of the jar."""
_BLOCK = 512
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_SILENCE = 3600
"""Seconds that the engine may say nothing: 20.10 writes all layers to its disk before the first."""

_DULL = (
    ".c", ".cpp", ".css", ".csv", ".gif", ".h", ".hpp", ".html", ".inc", ".ipynb", ".jpg", ".js",
    ".map", ".mo", ".npy", ".npz", ".pdf", ".png", ".pxd", ".py", ".pyc", ".pyi", ".pyx", ".rdb",
    ".rdx", ".rds", ".scss", ".svg", ".ts", ".ttf", ".woff", ".woff2",
)  # fmt: skip
"""Endings of names whose content none of syft's catalogers of images asks for."""
_REMOVED = ".wh."
"""Beginning of the name of what a layer removes from those below it."""
_NO_PACKAGES = (".class", ".dll", ".dylib", ".jnilib", ".so")
"""Endings of what a jar is full of; it names no package and no license."""
_LIVELY = (
    "composer", "ghc", "libjulia", "libphp", "libpypy", "libpython", "libruby", "libstd-", "php",
    "python",
)  # fmt: skip
"""Beginnings of names that syft's classifier of binaries looks into, whatever the ending."""
_SECTIONS = (b".go.buildinfo", b".dep-v0", b".note.package", b".svm_heap")
"""Of an ELF file that says of itself what is in it: by Go, Rust, a distribution, GraalVM."""


def keep(
    workspace: Workspace, client: Any, images: Mapping[str, Sequence[str]]
) -> dict[str, Outline]:
    """The outlines of all layers of some images; those not kept yet are read from the engine.

    Args:
        client: The SDK's, of the engine.
        images: What the engine calls each, and the diff IDs of its layers.

    Returns:
        Diff ID -> outline; a layer that the engine hands over in a form unknown here is left out.
    """
    import tarfile
    import zlib
    from gzip import BadGzipFile

    from urllib3.exceptions import HTTPError

    from buildlib.core.store.content import unwritable
    from buildlib.engine.api import message_of, refused
    from buildlib.errors import ActionError

    wanted = {diff_id for layers in images.values() for diff_id in layers}
    found = {diff_id: made for diff_id in wanted if (made := _kept(workspace, diff_id))}
    names = [name for name, layers in images.items() if not found.keys() >= set(layers)]
    if names:
        # Not the SDK's own `get_image`: it takes one name.
        url = f"{client.base_url}/v{client.api_version}/images/get"
        with client.get(url, params={"names": names}, timeout=_SILENCE, stream=True) as answer:
            if not answer.ok:
                raise refused("hand over images", message_of(answer.content))
            try:
                _read(workspace, answer.raw, found)
            except (tarfile.TarError, EOFError, zlib.error, BadGzipFile, HTTPError) as error:
                raise ActionError(
                    f"the engine stopped while it handed over images: {error}",
                    fix=f"docker save {names[0]} >/dev/null  # does the engine have the space?",
                ) from None
            except OSError as error:  # that of the connection is an HTTPError
                raise unwritable(workspace.store.root, error) from None
    return found


def write_image(
    workspace: Workspace,
    detail: Mapping[str, Any],
    outlines: Mapping[str, Outline],
    path: str,
) -> None:
    """Write an image of outlines, as a docker-archive.

    Its configuration names the real layers, and is as short as syft lets it be.

    Args:
        detail: What the engine says of the image.
        outlines: By diff ID; those of all its layers.
    """
    import io
    import json
    import tarfile

    layers = detail["RootFS"]["Layers"]
    config = {
        "architecture": detail["Architecture"],
        "os": detail["Os"],
        "config": {"Labels": (detail.get("Config") or {}).get("Labels")},
        "rootfs": {"type": "layers", "diff_ids": layers},
    }
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    with tarfile.open(path, "w") as archive:
        for name, value in (("manifest.json", manifest), ("config.json", config)):
            data = json.dumps(value).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for name, diff_id in zip(names, layers, strict=True):
            outline = workspace.store.require(outlines[diff_id][FILE].sha256, what="an outline")
            archive.add(outline, name)


def jars(workspace: Workspace, outlines: Iterable[Outline]) -> dict[str, str]:
    """The SHA-1 of each outline of a jar in some layers, with that of the jar."""
    import json

    found: dict[str, str] = {}
    for outline in outlines:
        path = workspace.store.require(outline[JARS].sha256, what="a list of jars")
        with open(path, encoding="utf-8") as file:
            found |= json.load(file)
    return found


def _record(diff_id: str) -> KeyRecord:
    return make_record([("rule", f"sbom outline {VERSION}"), ("layer", diff_id)])


def _kept(workspace: Workspace, diff_id: str) -> Outline | None:
    kept = workspace.records.get(_record(diff_id).key)
    what = f"the outline of layer {diff_id}"
    whole = kept and all(
        workspace.store.check(made.sha256, made.size, what=what) for made in kept.files.values()
    )
    return kept.files if kept and whole else None


def _read(workspace: Workspace, archive: IO[bytes], found: dict[str, Outline]) -> None:
    """Keep the outline of each layer of an archive of images."""
    import json
    import tarfile

    with tarfile.open(fileobj=archive, mode="r|", bufsize=_CHUNK) as members:
        for member in members:
            content = members.extractfile(member) if member.isreg() else None
            layer = _Layer(content) if content and member.size else None
            if layer is None or not layer.is_tar:
                continue
            with workspace.store.writer() as out:
                jars = json.dumps(_outline(layer, out)).encode()
                diff_id = layer.diff_id()
                made = FileOutput(*out.commit())
            listed = FileOutput(workspace.store.add_bytes(jars), len(jars))
            found[diff_id] = {FILE: made, JARS: listed}
            workspace.records.put(
                _record(diff_id), Output(files=found[diff_id]), 0.0, label=f"outline of {diff_id}"
            )


class _Layer:
    """A layer while it is read, uncompressed."""

    def __init__(self, content: Any) -> None:
        from hashlib import sha256

        self._content = _Peeked(content)
        self._hash = sha256()
        if self._content.head.startswith(_GZIP):
            import gzip

            packed = cast("IO[bytes]", self._content)
            self._content = _Peeked(gzip.GzipFile(fileobj=packed))
        head = self._content.head
        self.is_tar = head[257:262] == b"ustar" or head == bytes(_BLOCK)  # the latter: empty

    def read(self, size: int) -> bytes:
        """As that of a file."""
        data = self._content.read(size)
        self._hash.update(data)
        return data

    def diff_id(self) -> str:
        """After all that is left of it."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._hash.hexdigest()}"


class _Peeked:
    """A file whose first block was looked at."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.head: bytes = file.read(_BLOCK)
        self._rest = self.head

    def read(self, size: int) -> bytes:
        """As that of a file; perhaps less than is asked for."""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data or cast("bytes", self._file.read(size))


def _outline(layer: _Layer, out: Writer) -> dict[str, str]:
    """Write a layer's entries, without dull files.

    Returns:
        SHA-1 of each outline of a jar -> that of the jar.
    """
    import tarfile

    jars: dict[str, str] = {}
    with tarfile.open(fileobj=cast("IO[bytes]", layer), mode="r|", bufsize=_CHUNK) as entries:
        for entry in entries:
            name = entry.name.rpartition("/")[2]
            dull = name.endswith(_DULL) and not name.startswith((_REMOVED, *_LIVELY))
            if entry.isreg() and dull:
                continue
            content = _content(entries, entry)
            if entry.name.endswith(".jar"):
                content, digest = _jar(content)
                jars |= digest
            entry.size = len(content)
            entry.pax_headers = {}
            out.write(entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
            out.write(content + bytes(-len(content) % _BLOCK))
    out.write(bytes(2 * _BLOCK))
    return jars


def _content(entries: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    """What an outline keeps of an entry's content."""
    name = entry.name.rpartition("/")[2]
    if not entry.isreg():
        return b""
    data = cast("Any", entries.extractfile(entry)).read()
    is_library = ".so" in name and not name.startswith(_LIVELY)
    return b"" if is_library and _is_plain_elf(data) else data


def _jar(data: bytes) -> tuple[bytes, dict[str, str]]:
    """The outline of a jar, without its classes, and its SHA-1 with that of the jar.

    syft compares each of 40 names of licenses with each entry, and most are classes. What is no
    plain jar is left as it is.
    """
    import io
    import zipfile
    from hashlib import sha1

    from buildlib.core.pack.unpack import BROKEN

    real, out = sha1(data, usedforsecurity=False).hexdigest(), io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as jar, zipfile.ZipFile(out, "w") as outline:
            if not data.startswith(b"PK\3\4") or len(set(jar.namelist())) < len(jar.namelist()):
                return data, {}
            outline.comment = real.encode()  # two jars with one outline would have one SHA-1
            for entry in jar.infolist():
                if not entry.filename.endswith(_NO_PACKAGES):
                    outline.writestr(entry, jar.read(entry))
    except (*BROKEN, RuntimeError):
        return data, {}
    made = out.getvalue()
    return made, {sha1(made, usedforsecurity=False).hexdigest(): real}


def _is_plain_elf(data: bytes) -> bool:
    """Whether a file is ELF, 64 bit and little-endian, and has none of `_SECTIONS`.

    Of other ELF files nothing is said: they are few, and kept.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        return False
    try:
        (at,) = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        start, length = struct.unpack_from("<QQ", data, at + names * size + 0x18)
    except struct.error:
        return False
    found = data[start : start + length]
    return count > 0 and found != b"" and not any(each + b"\0" in found for each in _SECTIONS)
