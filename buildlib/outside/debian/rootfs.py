"""Packages to one root file system tar: the same packages give the same bytes on any host.

No root, no dpkg, nothing unpacked on the host: members go from the packages straight into the tar,
with the dpkg database that says "unpacked". `dpkg --configure -a` in the engine does the rest
(`images/bases/os/Dockerfile`). Knows nothing of where packages come from.

Order of the tar: links of the merged /usr; package by package (base-files first, it owns the
folders), members in the package's order; the dpkg database; the extra files; hard links. Folders
are written once, before what they hold.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from buildlib.core.pack.tar import Sink
from buildlib.errors import ActionError
from buildlib.outside.debian import dpkgdb
from buildlib.outside.debian.deb import Deb, Member, safe_name

EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/groff/*",
    "/usr/share/info/*",
    "/usr/share/linda/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*/*",
    "/usr/share/man/[!m]*",
)
"""Left out (patterns as dpkg's path-exclude: `*` also matches a slash). The same stand in the
image's own dpkg configuration, for what is installed later. The empty sections (man1 ...) stay, as
packages make alternatives in them: without man1 no Java can be installed."""

INCLUDED = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
"""Laid down all the same: the licences."""

_MERGED = ("bin", "lib", "sbin")
_MERGED_BY_ARCH = {"amd64": ("lib64",)}


class ExtraFile(NamedTuple):
    """A file of the image that belongs to no package, such as apt's configuration.

    Attributes:
        path: Below the root, without leading slash.
        data: Its content.
        executable: Mode 0755 instead of 0644: the mode on the host is the host's umask.
    """

    path: str
    data: bytes
    executable: bool = False


class RootfsSummary(NamedTuple):
    """What was written.

    Attributes:
        packages: Number of packages.
        members: Number of tar members.
        size: Bytes of the tar.
        sha256: Hex digest of the tar.
    """

    packages: int
    members: int
    size: int
    sha256: str


def write_rootfs(
    debs: Iterable[Path], out: Sink, *, epoch: int, extra: Iterable[ExtraFile] = ()
) -> RootfsSummary:
    """Write the root file system of some packages as an uncompressed tar.

    Args:
        debs: Package files, in any order. Which and which versions is the lock's business.
        out: Where the tar goes; written front to back.
        epoch: Seconds since 1970; no member is newer, and configuration takes it for "now".
        extra: Further files, in any order.

    Raises:
        ActionError: A package cannot be read, two packages are of the same name, or a file is
            there twice.
    """
    packages = sorted((Deb(path) for path in debs), key=lambda d: (d.name != "base-files", d.name))
    for one, other in pairwise(packages):
        if one.name == other.name:
            raise ActionError(f"package {one.name} is given twice: {one.path}, {other.path}")
    digest = _Digest(out)
    # The encoding is named as headers must not hang on the host's locale.
    with tarfile.open(  # type: ignore[call-overload]
        fileobj=digest,
        mode="w|",
        format=tarfile.GNU_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as tar:
        writer = _Writer(tar, epoch)
        writer.merge_usr({deb.arch for deb in packages})
        entries = [writer.package(deb) for deb in packages]
        writer.database(entries)
        writer.add_extra(extra)
        writer.hard_links()
    return RootfsSummary(len(packages), writer.count, digest.size, digest.sha256.hexdigest())


def is_excluded(path: str) -> bool:
    """Whether a path below the root (without leading slash) is left out."""
    full = "/" + path
    return any(fnmatchcase(full, pattern) for pattern in EXCLUDED) and not any(
        fnmatchcase(full, pattern) for pattern in INCLUDED
    )


class _Digest:
    """A file that hashes and counts what passes through."""

    def __init__(self, out: Sink) -> None:
        self.out = out
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        self.out.write(data)
        return len(data)


class _Writer:
    """The tar as it grows: what is in it, and what has to wait for the end."""

    def __init__(self, tar: tarfile.TarFile, epoch: int) -> None:
        self.tar = tar
        self.epoch = epoch
        self.count = 0
        self.merged: set[str] = set()
        self.folders: set[str] = set()
        self.owner: dict[str, str] = {}
        self.waiting: list[tarfile.TarInfo] = []

    def merge_usr(self, arches: set[str]) -> None:
        """/bin and its like become links into /usr; their folders there exist from the start."""
        names = {*_MERGED}
        for arch in arches:
            names.update(_MERGED_BY_ARCH.get(arch, ()))
        for name in sorted(names):
            self.folder(f"usr/{name}")
        for name in sorted(names):
            info = self.header(name, tarfile.SYMTYPE, 0o777)
            info.linkname = f"usr/{name}"
            self.add(info)
            self.owner[name] = "a link of the merged /usr"
        self.merged = names

    def place(self, name: str) -> str:
        """Where a member really lies: below /usr where its first folder is merged."""
        return f"usr/{name}" if name.partition("/")[0] in self.merged else name

    def package(self, deb: Deb) -> dpkgdb.Entry:
        """Write one package's members; returns its entry for the database."""
        laid: list[str] = []
        conffiles, md5 = {*dpkgdb.conffiles(deb)}, {}
        for member in deb.members():
            name = self.place(member.name)
            if is_excluded(name) and not _leads_to_licence(name, member):
                continue
            laid.append(member.name)
            if member.name in conffiles:
                md5[member.name] = dpkgdb.md5_of(member.data)
            if not member.info.isdir():
                self.member(deb, name, member)
            elif name:
                self.folder(name, member.info)
        return dpkgdb.entry(deb, laid, md5)

    def member(self, deb: Deb, name: str, member: Member) -> None:
        """Write a file or link, or keep a hard link for the end."""
        self.claim(name, f"package {deb.name}")
        self.parents(name)
        info = self.header(name, member.info.type, member.info.mode, member.info)
        if member.info.issym():
            info.linkname = member.info.linkname
        elif member.info.islnk():
            info.linkname = self.place(safe_name(member.info.linkname, deb.path))
            self.waiting.append(info)
            return
        self.add(info, member.data)

    def claim(self, name: str, owner: str) -> None:
        """Note whose file `name` is; a second owner is an error."""
        other = "a folder" if name in self.folders else self.owner.get(name)
        if other:
            raise ActionError(f"/{name} of {owner} cannot be laid down: it is {other} already")
        self.owner[name] = f"a file of {owner}"

    def folder(self, name: str, like: tarfile.TarInfo | None = None) -> None:
        """Write a folder once; the first package that has it decides mode and owner."""
        if name in self.folders or name in self.owner:
            return
        self.parents(name)
        self.folders.add(name)
        mode = like.mode if like else 0o755
        self.add(self.header(name, tarfile.DIRTYPE, mode, like))

    def parents(self, name: str) -> None:
        """Write the folders above `name` that are not there yet."""
        parent = name.rpartition("/")[0]
        if parent:
            self.folder(parent)

    def database(self, entries: Sequence[dpkgdb.Entry]) -> None:
        """Write the dpkg database."""
        for name in dpkgdb.folders():
            self.folder(name)
        for name, (data, mode) in sorted(dpkgdb.files(entries).items()):
            self.add(self.header(name, tarfile.REGTYPE, mode), data)

    def add_extra(self, files: Iterable[ExtraFile]) -> None:
        """Write the files of no package."""
        for path, data, executable in sorted(files):
            name = self.place(path)
            self.claim(name, "the image")
            self.parents(name)
            self.add(self.header(name, tarfile.REGTYPE, 0o755 if executable else 0o644), data)

    def hard_links(self) -> None:
        """Write the hard links: what they lead to has gone before."""
        for info in sorted(self.waiting, key=lambda i: i.name):
            if info.linkname not in self.owner:
                raise ActionError(
                    f"/{info.name} is a hard link to /{info.linkname}, which is not there"
                )
            self.add(info)

    def header(
        self, name: str, kind: bytes, mode: int, like: tarfile.TarInfo | None = None
    ) -> tarfile.TarInfo:
        """A header that holds nothing of host or user: owners by id, time clamped."""
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = mode & 0o7777
        info.uid, info.gid = (like.uid, like.gid) if like else (0, 0)
        info.mtime = min(int(like.mtime), self.epoch) if like else self.epoch
        return info

    def add(self, info: tarfile.TarInfo, data: bytes = b"") -> None:
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if data else None)
        self.count += 1


def _leads_to_licence(name: str, member: Member) -> bool:
    """`/usr/share/doc/X`: the folder of a licence, or a link to that of another package."""
    return name.startswith("usr/share/doc/") and name.count("/") == 3 and not member.info.isfile()  # noqa: PLR2004
