"""Outlines of image layers: the part that an SBOM follows from. Each layer is read once.

The engine sends images as one archive (`docker save`), which holds a shared layer once. The archive
is read as a stream, in each format of engines: a docker-archive or an OCI layout, with layers
compressed or not. A layer is recognised by its bytes; its sha256 is its diff ID.

An *outline* of a layer is a tar without the files that syft opens for no package; libraries without
metadata in them are empty, and jars have no classes. syft finds in outlines what it finds in the
image, and reads a tenth. This module does not know how syft is called.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1, sha256
from typing import IO, Any, cast

from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.store.content import Writer

VERSION = 2
"""Raise it if outlines change."""
SYFT = "1.18.1"
"""The syft whose catalogers `_IRRELEVANT`, `_CLASSIFIED` and `_SECTIONS` follow."""
FILE = "outline.tar"
JARS = "jars.json"
Outline = Mapping[str, FileOutput]
"""Of a layer: `FILE`, and `JARS`, a JSON map from SHA-1 of a jar's outline to that of the jar."""
_BLOCK = 512
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_TIMEOUT = 3600
"""Seconds without a byte: engine 20.10 writes all layers to its disk before it sends the first."""

_IRRELEVANT = (
    ".c", ".cpp", ".css", ".csv", ".gif", ".h", ".hpp", ".html", ".inc", ".ipynb", ".jpg", ".js",
    ".map", ".mo", ".npy", ".npz", ".pdf", ".png", ".pxd", ".py", ".pyc", ".pyi", ".pyx", ".rdb",
    ".rdx", ".rds", ".scss", ".svg", ".ts", ".ttf", ".woff", ".woff2",
)  # fmt: skip
"""Endings of files that no cataloger of syft opens in an image."""
_REMOVED = ".wh."
"""Beginning of the name of a whiteout: the layer removes that file of a lower one."""
_NOT_IN_OUTLINE = (".class", ".dll", ".dylib", ".jnilib", ".so")
"""Endings of most entries of a jar; they name no package and no license."""
_CLASSIFIED = (
    "composer", "ghc", "libjulia", "libphp", "libpypy", "libpython", "libruby", "libstd-", "php",
    "python",
)  # fmt: skip
"""Beginnings of files that the binary classifier of syft opens, whatever their ending."""
_SECTIONS = (b".go.buildinfo", b".dep-v0", b".note.package", b".svm_heap")
"""Sections of an ELF file that name packages: of Go, Rust, a distribution, GraalVM."""


def keep(
    workspace: Workspace, client: Any, images: Mapping[str, Sequence[str]]
) -> dict[str, Outline]:
    """The outlines of all layers of some images; missing ones are read from the engine.

    Args:
        client: Of the docker SDK.
        images: ID in the engine -> diff IDs of the layers.

    Returns:
        Diff ID -> outline, without layers that the engine sent in an unknown format.
    """
    import zlib

    from urllib3.exceptions import HTTPError

    from buildlib.core.store.content import unwritable
    from buildlib.engine.api import message_of, refused
    from buildlib.errors import ActionError

    diff_ids = {diff_id for layers in images.values() for diff_id in layers}
    stored = {diff_id: _stored_outline(workspace, diff_id) for diff_id in diff_ids}
    outlines = {diff_id: outline for diff_id, outline in stored.items() if outline}
    names = [name for name, layers in images.items() if not outlines.keys() >= set(layers)]
    if names:
        # Not the SDK's own `get_image`: it takes one name.
        url = f"{client.base_url}/v{client.api_version}/images/get"
        with client.get(url, params={"names": names}, timeout=_TIMEOUT, stream=True) as answer:
            if not answer.ok:
                raise refused("hand over images", message_of(answer.content))
            try:
                _read(workspace, answer.raw, outlines)
            except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, HTTPError) as error:
                raise ActionError(
                    f"the engine stopped while it handed over images: {error}",
                    fix=f"docker save {names[0]} >/dev/null  # does the engine have the space?",
                ) from None
            except OSError as error:  # from our disk: a broken connection raises HTTPError
                raise unwritable(workspace.store.root, error) from None
    return outlines


def write_image(
    workspace: Workspace,
    detail: Mapping[str, Any],
    outlines: Mapping[str, Outline],
    path: str,
) -> None:
    """Write an image of outlines, as a docker-archive.

    Its configuration names the real layers, and holds only what syft needs.

    Args:
        detail: The engine's answer to `inspect`.
        outlines: By diff ID, of all its layers.
    """
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
    """SHA-1 of the outline of each jar in some layers -> SHA-1 of the jar."""
    digests: dict[str, str] = {}
    for outline in outlines:
        path = workspace.store.require(outline[JARS].sha256, what="a list of jars")
        with open(path, encoding="utf-8") as file:
            digests |= json.load(file)
    return digests


def _record(diff_id: str) -> KeyRecord:
    return make_record([("rule", f"sbom outline {VERSION}"), ("layer", diff_id)])


def _stored_outline(workspace: Workspace, diff_id: str) -> Outline | None:
    record = workspace.records.get(_record(diff_id).key)
    what = f"the outline of layer {diff_id}"
    whole = record and all(
        workspace.store.check(file.sha256, file.size, what=what) for file in record.files.values()
    )
    return record.files if record and whole else None


def _read(workspace: Workspace, archive: IO[bytes], outlines: dict[str, Outline]) -> None:
    """Store the outline of each layer of an archive of images, and add it to `outlines`."""
    with tarfile.open(fileobj=archive, mode="r|", bufsize=_CHUNK) as members:
        for member in members:
            content = members.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            layer = _Layer(content)
            try:
                file = cast("IO[bytes]", layer)
                entries = tarfile.open(fileobj=file, mode="r|", bufsize=_CHUNK)  # noqa: SIM115
            except tarfile.ReadError:
                continue  # a list in the archive, or a layer in an unknown form
            with entries, workspace.store.writer() as out:
                jars = json.dumps(_outline(entries, out)).encode()
                diff_id = layer.diff_id()
                outline_file = FileOutput(*out.commit())
            jars_file = FileOutput(workspace.store.add_bytes(jars), len(jars))
            outlines[diff_id] = {FILE: outline_file, JARS: jars_file}
            output = Output(files=outlines[diff_id])
            workspace.records.put(_record(diff_id), output, 0.0, label=f"outline of {diff_id}")


class _Layer:
    """A layer that is being read, uncompressed."""

    def __init__(self, content: Any) -> None:
        is_packed = content.peek(len(_GZIP)).startswith(_GZIP)
        self._content = gzip.GzipFile(fileobj=content) if is_packed else content
        self._hash = sha256()

    def read(self, size: int) -> bytes:
        data = self._content.read(size)
        self._hash.update(data)
        return data

    def diff_id(self) -> str:
        """Read the rest; the digest of the whole layer."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def _outline(entries: tarfile.TarFile, out: Writer) -> dict[str, str]:
    """Write the outline of a layer.

    Returns:
        SHA-1 of the outline of each jar -> SHA-1 of the jar.
    """
    jars: dict[str, str] = {}
    for entry in entries:
        name = entry.name.rpartition("/")[2]
        skip = name.endswith(_IRRELEVANT) and not name.startswith((_REMOVED, *_CLASSIFIED))
        if entry.isreg() and skip:
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
    """The content of an entry in the outline."""
    name = entry.name.rpartition("/")[2]
    if not entry.isreg():
        return b""
    data = cast("Any", entries.extractfile(entry)).read()
    is_library = ".so" in name and not name.startswith(_CLASSIFIED)
    return b"" if is_library and _is_plain_elf(data) else data


def _jar(data: bytes) -> tuple[bytes, dict[str, str]]:
    """The outline of a jar, without its classes, and a map from its SHA-1 to that of the jar.

    syft compares 40 names of licenses with each entry, and most entries are classes. A file that is
    no plain jar stays as it is.
    """
    from buildlib.core.pack.unpack import BROKEN

    digest, out = sha1(data, usedforsecurity=False).hexdigest(), io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as jar, zipfile.ZipFile(out, "w") as outline:
            if not data.startswith(b"PK\3\4") or len(set(jar.namelist())) < len(jar.namelist()):
                return data, {}
            outline.comment = digest.encode()  # two jars with one outline would have one SHA-1
            for entry in jar.infolist():
                if not entry.filename.endswith(_NOT_IN_OUTLINE):
                    outline.writestr(entry, jar.read(entry))
    except (*BROKEN, RuntimeError):
        return data, {}
    small = out.getvalue()
    return small, {sha1(small, usedforsecurity=False).hexdigest(): digest}


def _is_plain_elf(data: bytes) -> bool:
    """Whether a file is ELF, 64 bit and little-endian, and has none of `_SECTIONS`.

    Other ELF files are few, and are kept.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        return False
    try:
        (offset,) = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        start, length = struct.unpack_from("<QQ", data, offset + names * size + 0x18)
    except struct.error:
        return False
    sections = data[start : start + length]
    return count > 0 and sections != b"" and not any(each + b"\0" in sections for each in _SECTIONS)
