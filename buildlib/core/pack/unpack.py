"""Reading foreign archives member by member: tar in any compression, and zip (wheels, jars).

Nothing is written here and no name is trusted: paths lose their `./`, and a path that leads out of
the archive is an error before its content is read. A compressed tar can only be read from its
beginning, so members come in the archive's own order, and the caller reads each when it comes. Hard
links come last, since the caller may have skipped their targets.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from buildlib.errors import InputError

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # a file, or the end of an empty archive
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    NotImplementedError,
)  # fmt: skip
"""Errors of a damaged archive. An encrypted member raises a RuntimeError, too.

gzip and bz2 raise an OSError without errno; one with errno comes from the operating system.
"""


class ArchiveEntry(NamedTuple):
    """One member.

    Attributes:
        path: Relative, with slashes, without `./` and a slash at its end.
        kind: `file`, `dir`, `link` (symbolic) or `special` (a device, a pipe).
        executable: Whether its owner may execute it.
        target: The target of a symbolic link, as written in the archive.
        open: Opens the content of a file.
    """

    path: str
    kind: str
    executable: bool
    target: str
    open: Callable[[], IO[bytes]]


def entries(archive: str, skip: Callable[[str], bool]) -> Iterator[ArchiveEntry]:
    """The members of an archive, without those to skip.

    Args:
        archive: Path of the file; its content decides how it is read.
        skip: Whether to skip the member of this path.

    Raises:
        InputError: A member's path leads out of the archive.
        tarfile.TarError, zipfile.BadZipFile, …: It is damaged, or no archive (see `BROKEN`).
    """
    with open(archive, "rb") as file:
        members = _of_zip if file.read(4) in _ZIP else _of_tar
    for name, entry in members(archive):
        if skip(entry.path) or skip(name):
            continue
        if name.startswith(("/", "\\")) or ".." in name.split("/") or "\0" in name:
            raise InputError(f"the archive has a member {name!r}, which leads out of it")
        if entry.path:
            yield entry


def _plain(name: str) -> str:
    return "/".join(piece for piece in name.split("/") if piece not in ("", "."))


def _of_tar(archive: str) -> Iterator[tuple[str, ArchiveEntry]]:
    with tarfile.open(archive) as tar:
        later: list[tuple[str, ArchiveEntry]] = []
        for info in tar:
            kind = "file" if info.isreg() or info.islnk() else "special"
            kind = "dir" if info.isdir() else "link" if info.issym() else kind
            entry = ArchiveEntry(
                _plain(info.name),
                kind,
                bool(info.mode & stat.S_IXUSR),
                info.linkname if info.issym() else "",
                lambda info=info: _stream(tar, info),  # type: ignore[misc]
            )
            if info.islnk():
                later.append((info.name, entry))
            else:
                yield info.name, entry
        yield from later


def _stream(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    try:
        stream = tar.extractfile(info)
    except KeyError:  # a hard link
        stream = None
    if stream is None:
        raise InputError(f"{info.name} is a link to {info.linkname}, which the archive lacks")
    return stream


def _of_zip(archive: str) -> Iterator[tuple[str, ArchiveEntry]]:
    with zipfile.ZipFile(archive) as whole:
        for info in whole.infolist():
            mode = info.external_attr >> 16  # of Unix; 0 where another system packed it
            link = stat.S_ISLNK(mode)
            special = stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
            kind = "dir" if info.is_dir() else "special" if special else "file"
            yield (
                info.filename,
                ArchiveEntry(
                    _plain(info.filename),
                    "link" if link else kind,
                    bool(mode & stat.S_IXUSR),
                    whole.read(info).decode(errors="replace") if link else "",
                    lambda info=info: whole.open(info),  # type: ignore[misc]
                ),
            )
