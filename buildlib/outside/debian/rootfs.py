"""Writes packages into one reproducible root file system tar: same packages, same bytes.

It needs no root and no dpkg, and unpacks nothing on the host: members go from the packages into the
tar, and the dpkg database says "unpacked". `dpkg --configure -a` in the engine does the rest
(`images/bases/os/Dockerfile`). Does not know where packages come from.

Order of the tar: links of the merged /usr; package by package (base-files first, as it owns the
folders), members in the package's order; the dpkg database; the extra files; hard links. Folders
are written once, before their content.
"""

from __future__ import annotations

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
"""Patterns of dpkg's path-exclude (`*` also matches a slash). The image's own dpkg configuration
has the same, for packages installed later. The empty folders man1 ... stay, as packages make
alternatives in them: without man1, no Java can be installed."""

INCLUDED = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
"""Not excluded: the licences."""

_MERGED = ("bin", "lib", "sbin")
_MERGED_BY_ARCH = {"amd64": ("lib64",)}


class ExtraFile(NamedTuple):
    """A file of the image that belongs to no package, such as apt's configuration.

    Attributes:
        path: Below the root, without leading slash.
        data: Its content.
        executable: Mode 0755 instead of 0644; the mode on the host depends on its umask.
    """

    path: str
    data: bytes
    executable: bool = False


def write_rootfs(
    debs: Iterable[Path], out: Sink, *, epoch: int, extra: Iterable[ExtraFile] = ()
) -> None:
    """Write the root file system of some packages as an uncompressed tar.

    Args:
        debs: Package files, in any order.
        out: Written front to back.
        epoch: Seconds since 1970; no member is newer, and configuration takes it for "now".
        extra: Further files, in any order.
    """
    packages = sorted((Deb(path) for path in debs), key=lambda d: (d.name != "base-files", d.name))
    for one, other in pairwise(packages):
        if one.name == other.name:
            raise ActionError(f"package {one.name} is given twice: {one.path}, {other.path}")
    # The encoding is given, so that headers do not depend on the host's locale.
    with tarfile.open(  # type: ignore[call-overload]
        fileobj=out,
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


def is_excluded(path: str) -> bool:
    """Whether a path below the root (without leading slash) is excluded."""
    full = "/" + path
    return any(fnmatchcase(full, pattern) for pattern in EXCLUDED) and not any(
        fnmatchcase(full, pattern) for pattern in INCLUDED
    )


class _Writer:
    """Writes the tar, and keeps what has been written and which hard links wait for the end."""

    def __init__(self, tar: tarfile.TarFile, epoch: int) -> None:
        self.tar = tar
        self.epoch = epoch
        self.merged: set[str] = set()
        self.folders: set[str] = set()
        self.owner: dict[str, str] = {}
        self.waiting: list[tarfile.TarInfo] = []

    def merge_usr(self, arches: set[str]) -> None:
        """Write /bin, /lib … as links into /usr, after the folders that they point to."""
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
        """A member's real path: below /usr if its first folder is merged."""
        return f"usr/{name}" if name.partition("/")[0] in self.merged else name

    def package(self, deb: Deb) -> dpkgdb.Entry:
        """Write a package's members; returns its entry for the database."""
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
        """Write a file or link; hard links wait for the end."""
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
        """Set the owner of `name`; a second owner is an error."""
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
        """Write the missing folders above `name`."""
        parent = name.rpartition("/")[0]
        if parent:
            self.folder(parent)

    def database(self, entries: Sequence[dpkgdb.Entry]) -> None:
        for name in dpkgdb.folders():
            self.folder(name)
        for name, (data, mode) in sorted(dpkgdb.files(entries).items()):
            self.add(self.header(name, tarfile.REGTYPE, mode), data)

    def add_extra(self, files: Iterable[ExtraFile]) -> None:
        for path, data, executable in sorted(files):
            name = self.place(path)
            self.claim(name, "the image")
            self.parents(name)
            self.add(self.header(name, tarfile.REGTYPE, 0o755 if executable else 0o644), data)

    def hard_links(self) -> None:
        """Write the hard links, after the files that they point to."""
        for info in sorted(self.waiting, key=lambda i: i.name):
            if info.linkname not in self.owner:
                raise ActionError(
                    f"/{info.name} is a hard link to /{info.linkname}, which is not there"
                )
            self.add(info)

    def header(
        self, name: str, kind: bytes, mode: int, like: tarfile.TarInfo | None = None
    ) -> tarfile.TarInfo:
        """A header that does not depend on host or user: owners by id, time clamped."""
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = mode & 0o7777
        info.uid, info.gid = (like.uid, like.gid) if like else (0, 0)
        info.mtime = min(int(like.mtime), self.epoch) if like else self.epoch
        return info

    def add(self, info: tarfile.TarInfo, data: bytes = b"") -> None:
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if data else None)


def _leads_to_licence(name: str, member: Member) -> bool:
    """`/usr/share/doc/X`: the folder of a licence, or a link to another package's."""
    return name.startswith("usr/share/doc/") and name.count("/") == 3 and not member.info.isfile()  # noqa: PLR2004
