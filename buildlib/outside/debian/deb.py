"""Reads the members of a .deb in memory (format: deb(5)).

Nothing is unpacked to disk: callers get tar members and bytes. Their names are checked here, so
that no caller gets an absolute path or `..`.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from buildlib.errors import ActionError

_MAGIC = b"!<arch>\n"
_HEADER = 60


class Member(NamedTuple):
    """One member of a package's control or data archive.

    Attributes:
        name: Relative path without `./`; "" for the root folder.
        info: The tar header.
        data: Content of a regular file, else empty.
    """

    name: str
    info: tarfile.TarInfo
    data: bytes


class Deb:
    """A .deb file with its parsed control fields."""

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = dict(_ar_members(path))
        self._data = _one(parts, "data.tar", path)
        control = _tar_members(*_one(parts, "control.tar", path), path)
        self.control = {member.name: member for member in control}
        if "control" not in self.control:
            raise _damaged(path, "it has no control file")
        self.text = self.control["control"].data.decode().strip("\n")
        self.fields = dict(
            line.split(": ", 1) for line in self.text.splitlines() if ": " in line and line[0] > " "
        )
        self.name = self.fields.get("Package", "")
        self.arch = self.fields.get("Architecture", "")

    def members(self) -> Iterator[Member]:
        """The files, folders and links that the package installs, in its own order."""
        return _tar_members(*self._data, self.path)


def _damaged(path: Path, why: str) -> ActionError:
    return ActionError(f"{path.name} is not a Debian package that can be read: {why}")


def _ar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise _damaged(path, "no ar archive")
    offset = len(_MAGIC)
    while offset + _HEADER <= len(content):
        header = content[offset : offset + _HEADER]
        name = header[:16].decode("ascii", "replace").rstrip(" /")
        size_text = header[48:58].strip()
        offset += _HEADER
        if header[58:] != b"`\n" or not size_text.isdigit():
            raise _damaged(path, "a member header is damaged")
        size = int(size_text)
        if offset + size > len(content):
            raise _damaged(path, f"{name} is cut off")
        yield name, content[offset : offset + size]
        offset += size + size % 2


def _one(parts: dict[str, bytes], stem: str, path: Path) -> tuple[str, bytes]:
    for name, data in parts.items():
        if name == stem or name.startswith(stem + "."):
            return name, data
    raise _damaged(path, f"it has no {stem}")


def _decompress(name: str, data: bytes, path: Path) -> bytes:
    suffix = name.rpartition(".")[2]
    try:
        if suffix == "xz":
            return lzma.decompress(data)
        if suffix == "gz":
            return zlib.decompress(data, wbits=zlib.MAX_WBITS | 16)
    except (lzma.LZMAError, zlib.error) as error:
        raise _damaged(path, f"{name}: {error}") from error
    if suffix == "tar":
        return data
    raise _damaged(path, f"{name} is compressed as {suffix}; Debian uses xz or gz")


def _tar_members(name: str, data: bytes, path: Path) -> Iterator[Member]:
    try:
        content = io.BytesIO(_decompress(name, data, path))
        with tarfile.open(
            fileobj=content, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            for info in tar:
                if not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
                    raise _damaged(path, f"{info.name} is a device")
                stream = tar.extractfile(info) if info.isfile() else None
                yield Member(safe_name(info.name, path), info, stream.read() if stream else b"")
    except tarfile.TarError as error:
        raise _damaged(path, f"{name}: {error}") from error


def safe_name(name: str, path: Path) -> str:
    """`Member.name` for a path; an absolute path or one with `..` is an error."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise _damaged(path, f"member {name!r} leads out of the root")
    return "/".join(parts)
