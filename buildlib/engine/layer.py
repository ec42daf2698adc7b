"""Layers as files: what a `COPY`, an `ADD` or a `WORKDIR` makes of a tree of files, as a tar.

The tar is what the engine itself would write of the same files, byte for byte where names are short
and owners are root, so that a layer made here and one made by BuildKit are one layer. What is
copied has a constant time, as files of our contexts have; BuildKit dates folders with the moment of
the build, and so makes another layer each time.

Every folder above an entry is an entry: the engine unpacks a layer by itself, and what has no entry
would come out as a folder of mode 0600 that hides the parent's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from posixpath import basename, join
from typing import NamedTuple

from buildlib.core.dockerfile.plain import Copy, MakeFolder, NotPlainError
from buildlib.core.store.content import EPOCH

FILE, FOLDER, LINK, HARDLINK = "file", "folder", "link", "hardlink"
_FOLDER_MODE = 0o755
_LINK_MODE = 0o777
_WHITEOUT = ".wh."
_PAX = {"path", "linkpath", "size"}
"""What may stand in an extended header: long names, and nothing that an image would have."""
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """A file, folder or link.

    Attributes:
        mode: Permission bits.
        mtime: Seconds since 1970.
        target: Of a link; of a hard link, the path of another entry.
        origin: File on this machine that has the content, the content's place in it, its size.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    target: str = ""
    origin: tuple[str, int, int] = ("", 0, 0)


Files = dict[str, Entry]
"""Entries by path, without a slash at the beginning or the end."""
Look = Callable[[str], "Entry | None"]
"""What an image has at a path, which is asked for with all folders above it first."""


def layer_of(step: Copy | MakeFolder, context: str, look: Look) -> Files:
    """The entries of the layer that a step makes; none where it changes nothing.

    Args:
        context: Folder of the build context.
        look: What the image has so far.

    Raises:
        NotPlainError: BuildKit would follow a link, refuse, or do what is not known here.
    """
    layer = _Layer(look)
    if isinstance(step, MakeFolder):
        layer.make_folder(step)
    elif step.unpack:
        layer.unpack(f"{context}/{step.sources[0]}")
    else:
        for source in step.sources:
            layer.copy(source, context, step)
    return layer.changes()


class _Layer:
    """One layer being filled."""

    def __init__(self, look: Look) -> None:
        self.files: Files = {}
        self._look = look
        self._new: set[str] = set()
        """Folders that the image did not have before."""
        self._kept: set[str] = set()
        """Folders that are as they were."""

    def _at(self, path: str) -> Entry | None:
        """What is at a path, whose folders were looked at: in this layer, or below it."""
        above = path.rpartition("/")[0]
        if above in self._new:
            return self.files.get(path)  # the image has nothing there
        return self.files.get(path) or self._look(path)

    def _folder(self, path: str, owner: tuple[int, int] | None) -> None:
        """Have a folder and those above it: the image's own, or new ones."""
        parts = path.split("/") if path else []
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            found = self._at(here)
            if found is None:
                if owner is None:
                    raise NotPlainError(f"only its parent knows the owner of /{here}")
                found = Entry(FOLDER, _FOLDER_MODE, *owner, EPOCH)
                self._new.add(here)
            elif here not in self.files:
                self._kept.add(here)
            if found.kind != FOLDER:
                raise NotPlainError(f"/{here} is a {found.kind} in its parent")
            self.files[here] = found

    def changes(self) -> Files:
        """The entries, without folders that are as they were and have nothing new in them."""
        needed = set()
        for path in self.files.keys() - self._kept:
            here = path
            while here:
                needed.add(here)
                here = here.rpartition("/")[0]
        return {path: entry for path, entry in self.files.items() if path in needed}

    def make_folder(self, step: MakeFolder) -> None:
        self._folder(step.path.strip("/"), step.owner)

    def copy(self, source: str, context: str, step: Copy) -> None:
        origin = f"{context}/{source}" if source != "." else context
        above = context
        for part in source.split("/"):
            above += f"/{part}"
            if os.path.islink(above):
                raise NotPlainError(f"{source} leads through a link")
        try:
            info = os.lstat(origin)
        except (FileNotFoundError, NotADirectoryError):
            raise NotPlainError(f"{source} is not there") from None
        dest = step.dest.strip("/")
        if stat.S_ISDIR(info.st_mode):
            self._folder(dest, step.owner)
            self._tree(origin, dest, step.owner)
            return
        if step.dest.endswith("/"):
            self._folder(dest, step.owner)
            self._file(origin, info, join(dest, basename(source)), step.owner)
            return
        self._folder(dest.rpartition("/")[0], step.owner)
        there = self._at(dest)
        if there is not None and there.kind == FOLDER:
            self._folder(dest, step.owner)
            dest = join(dest, basename(source))
        self._file(origin, info, dest, step.owner)

    def _tree(self, origin: str, dest: str, owner: tuple[int, int]) -> None:
        """The content of a folder."""
        for item in sorted(os.scandir(origin), key=lambda item: item.name):
            path = join(dest, item.name)
            info = item.stat(follow_symlinks=False)
            if not stat.S_ISDIR(info.st_mode):
                self._file(item.path, info, path, owner)
                continue
            self._check_name(path)
            self._check_folder(path)
            self.files[path] = Entry(FOLDER, stat.S_IMODE(info.st_mode), *owner, EPOCH)
            self._kept.discard(path)
            self._tree(item.path, path, owner)

    def _file(self, origin: str, info: os.stat_result, path: str, owner: tuple[int, int]) -> None:
        self._check_name(path)
        there = self._at(path)
        if there is not None and there.kind not in (FILE, HARDLINK):
            raise NotPlainError(f"/{path} is a {there.kind} in its parent")
        if stat.S_ISLNK(info.st_mode):
            entry = Entry(LINK, _LINK_MODE, *owner, EPOCH, os.readlink(origin))
        elif stat.S_ISREG(info.st_mode):
            content = (origin, 0, info.st_size)
            entry = Entry(FILE, stat.S_IMODE(info.st_mode), *owner, EPOCH, origin=content)
        else:
            raise NotPlainError(f"{origin} is neither file nor folder nor link")
        self.files[path] = entry

    def _check_folder(self, path: str) -> None:
        """Refuse a folder that would take the place of something else."""
        there = self._at(path)
        if there is None:
            self._new.add(path)
        elif there.kind != FOLDER:
            raise NotPlainError(f"/{path} is a {there.kind} in its parent")

    def unpack(self, archive: str) -> None:
        """The content of one of our own archives, in the root.

        Its folders are entries before what is in them, and unpacking sets what each entry says,
        whatever was there.
        """
        import tarfile

        if os.path.islink(archive) or not os.path.isfile(archive):
            raise NotPlainError(f"{archive} is no file")
        try:
            with tarfile.open(archive, "r:") as tar:
                for info in tar:
                    self._member(archive, info)
        except (tarfile.TarError, OSError):
            raise NotPlainError(f"{basename(archive)} is no plain archive") from None

    def _member(self, archive: str, info: object) -> None:
        import tarfile

        assert isinstance(info, tarfile.TarInfo)  # noqa: S101  for the type alone
        path, above = info.name, info.name.rpartition("/")[0]
        kind = {
            tarfile.REGTYPE: FILE,
            tarfile.DIRTYPE: FOLDER,
            tarfile.SYMTYPE: LINK,
            tarfile.LNKTYPE: HARDLINK,
        }.get(info.type, "")
        pure = not set(info.pax_headers) - _PAX and not info.uname and not info.gname
        is_above = not above or (above in self.files and self.files[above].kind == FOLDER)
        if not kind or not pure or not is_above or path in self.files:
            raise NotPlainError(f"{basename(archive)} has a member that is not understood: {path}")
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise NotPlainError(f"{basename(archive)} has a member {path}")
        self._check_name(path)
        if kind == FOLDER:
            self._check_folder(path)
        mode = _LINK_MODE if kind == LINK else info.mode
        if kind == HARDLINK:
            first = self.files.get(info.linkname)
            if first is None or first.kind != FILE:
                raise NotPlainError(f"{path} is a hard link to what is not in the archive")
            mode = first.mode
        content = (archive, info.offset_data, info.size if kind == FILE else 0)
        target = info.linkname if kind in (LINK, HARDLINK) else ""
        owner = info.uid, info.gid
        self.files[path] = Entry(kind, mode, *owner, int(info.mtime), target, content)

    @staticmethod
    def _check_name(path: str) -> None:
        if basename(path).startswith(_WHITEOUT):
            raise NotPlainError(f"/{path} would remove a file of its parent")
        if not path.isascii() and any("\ud800" <= letter <= "\udfff" for letter in path):
            raise NotPlainError(f"the name {path!r} is not UTF-8")


def tar_of(files: Mapping[str, Entry]) -> Iterator[bytes]:
    """The layer as a tar, in pieces."""
    from buildlib.core.pack.tar import BLOCK, header

    kinds = {FILE: b"0", HARDLINK: b"1", LINK: b"2", FOLDER: b"5"}
    bits = {FILE: stat.S_IFREG, HARDLINK: stat.S_IFREG, LINK: stat.S_IFLNK, FOLDER: stat.S_IFDIR}
    first: dict[str, str] = {}
    for path in sorted(files, key=lambda path: path.split("/")):
        entry = files[path]
        origin, start, size = entry.origin
        if entry.kind in (FILE, HARDLINK):
            # Of the names of one file, the first in order has the content.
            name = entry.target if entry.kind == HARDLINK else path
            content = files[name].origin
            leader = first.setdefault(name, path)
            kind, target = (FILE, "") if leader == path else (HARDLINK, leader)
            origin, start, size = content if kind == FILE else ("", 0, 0)
        else:
            kind, target = entry.kind, entry.target
        yield header(
            path + "/" if kind == FOLDER else path,
            kind=kinds[kind],
            mode=bits[kind] | entry.mode,
            owner=(entry.uid, entry.gid),
            size=size,
            mtime=entry.mtime,
            target=target,
            names=("" if entry.uid else "root", "" if entry.gid else "root"),
        )
        if size:
            yield from _content(origin, start, size)
            yield bytes(-size % BLOCK)
    yield bytes(2 * BLOCK)


def _content(origin: str, start: int, size: int) -> Iterator[bytes]:
    with open(origin, "rb", buffering=0) as file:
        file.seek(start)
        while size:
            chunk = file.read(min(size, _CHUNK))
            if not chunk:
                raise NotPlainError(f"{origin} changed while it was read")
            size -= len(chunk)
            yield chunk
