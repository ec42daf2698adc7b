"""Deterministic tar archives: equal members give equal bytes, whatever their order.

Nothing depends on the machine: members are sorted, modes are 0644 or 0755, all times are one given
moment, all belongs to root. Every folder above a member gets an entry of its own, so
that `ADD archive.tar /` makes the same layer on every parent: a folder without an entry would have
the time of the build, or the attributes that it has in the parent. So members have full paths
(`usr/local/bin/x`); the layer of an archive that is added to a subfolder depends on the parent.

That has a price: unpacking sets mode, owner and time of each such folder, even if it exists. Do not
put members below a folder that must stay as it is (`tmp`, a home); add a separate archive into it.

The format is ustar, with pax records where a field is too small, as GNU tar, Python and Docker read
it. Writing headers here takes half the time of tarfile, digest included. The module chooses no
names and no times, and knows nothing of images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from buildlib.errors import ActionError, InputError

BLOCK = 512
_CHUNK = 1 << 20
_TYPES = {"file": b"0", "hardlink": b"1", "link": b"2", "dir": b"5"}
_NAME, _PREFIX, _LINK = 100, 155, 100
_ROOT = b"0000000\0" * 2
"""The numbers of user and group."""
_NO_NAMES = bytes(64)
"""The fields for the names of user and group."""
_IMPURE = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|\Z)|\0")


class Sink(Protocol):
    """Takes bytes: a file, or a writer of the content store."""

    def write(self, data: bytes, /) -> object: ...


class Member(NamedTuple):
    """One entry of an archive.

    Attributes:
        path: Relative, with slashes, without `.`, `..` and a slash at its end.
        mode: Permission bits, of which only the owner's execute bit is kept.
        data: The content of a file, or the path of a file with that content.
        kind: `file`, `dir`, `link` (symbolic) or `hardlink`.
        target: The target of a link: any text, or for `hardlink` the path of another member.
    """

    path: str
    mode: int = 0o644
    data: bytes | str = b""
    kind: str = "file"
    target: str = ""


class Packed(NamedTuple):
    """sha256 (in hex) and size of an archive, before compression."""

    sha256: str
    size: int


def write_tar(members: Iterable[Member], out: Sink, *, epoch: int) -> Packed:
    """Write an archive, in which all belongs to root.

    Args:
        members: In any order. Folders above them need not be among them.
        out: Is not closed.
        epoch: Time of every entry, in seconds since 1970.
    """
    return _write(_ordered(members), out.write, _field(epoch, 12))


def _ordered(members: Iterable[Member]) -> list[Member]:
    """All members and the folders above them, in the order of the archive (hard links last)."""
    by_path: dict[str, Member] = {}
    for member in members:
        _check(member)
        if member.path in by_path:
            raise InputError(
                f"{member.path} would stand twice in the archive", fix="remove one of the two"
            )
        by_path[member.path] = member
    for path in list(by_path):
        parent = path.rpartition("/")[0]
        while parent:
            above = by_path.setdefault(parent, Member(parent, kind="dir"))
            if above.kind != "dir":
                raise InputError(
                    f"{path} would lie below {parent}, which is no folder in the archive",
                    fix=f"rename {path} or {parent}",
                )
            parent = parent.rpartition("/")[0]
    for member in list(by_path.values()):
        if member.kind == "hardlink":
            target = by_path.get(member.target)
            if target is None or target.kind != "file":
                raise InputError(
                    f"{member.path} is a hard link to {member.target}, "
                    "which is no file of the archive",
                    fix=f"add {member.target}, or make {member.path} a symbolic link",
                )
            # Docker sets the mode of a hard link, and with it that of the file.
            by_path[member.path] = member._replace(mode=target.mode)
    return sorted(by_path.values(), key=lambda member: (member.kind == "hardlink", member.path))


def _check(member: Member) -> None:
    path, kind = member.path, member.kind
    if _IMPURE.search(path):
        raise InputError(
            f"{path!r} cannot be a path in an archive: it must be relative, without . and ..",
            fix=f"use {'/'.join(part for part in path.split('/') if part.strip('.')) or 'NAME'!r}",
        )
    if kind not in _TYPES:
        raise InputError(f"{path} cannot be of kind {kind}", fix=f"use one of {', '.join(_TYPES)}")
    if kind in ("link", "hardlink") and (not member.target or "\0" in member.target):
        raise InputError(f"{path} is a link to nothing", fix="name its target")
    for text in (path, member.target):
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise InputError(f"the name {text!r} is not UTF-8", fix="rename the file")


def _write(members: list[Member], write: Callable[[bytes], object], time: bytes) -> Packed:
    from hashlib import sha256

    digest = sha256()
    size = 0
    pieces: list[bytes] = []
    pending = 0

    def flush() -> None:
        nonlocal pending, size
        data = b"".join(pieces)
        digest.update(data)
        write(data)
        size += len(data)
        pieces.clear()
        pending = 0

    for member in members:
        length, content = _content(member)
        pieces.append(_headers(_fields_of(member, length, time)))
        for chunk in content:
            pieces.append(chunk)
            pending += len(chunk)
            if pending >= _CHUNK:
                flush()
        pieces.append(bytes(-length % BLOCK))
    pieces.append(bytes(2 * BLOCK))
    flush()
    return Packed(digest.hexdigest(), size)


def _content(member: Member) -> tuple[int, Iterable[bytes]]:
    if member.kind != "file":
        return 0, ()
    if isinstance(member.data, bytes):
        return len(member.data), (member.data,)
    stream = open(member.data, "rb")  # noqa: SIM115  hot; closed by _pieces
    length = stream.seek(0, 2)
    stream.seek(0)
    return length, _pieces(stream, length, member.data)


def _pieces(stream: BinaryIO, length: int, source: str) -> Iterator[bytes]:
    """The content of an open file, whose length must not change."""
    with stream:
        left = length
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise ActionError(f"{source} changed while it was packed", fix="build again")


def header(
    path: str,
    *,
    kind: bytes,
    mode: int,
    owner: tuple[int, int],
    size: int,
    mtime: int,
    target: str = "",
    names: tuple[str, str] = ("", ""),
) -> bytes:
    """The header of an entry of any mode, owner and time, for an archive that others define.

    Args:
        path: With a slash at its end if it is a folder.
        kind: The entry's type in ustar.
        names: Of user and group.
    """
    numbers = _field(owner[0], 8) + _field(owner[1], 8)
    texts = b"".join(_text(name, 32) for name in names)
    return _headers(_Fields(path, kind, mode, size, _field(mtime, 12), target, numbers, texts))


class _Fields(NamedTuple):
    """What stands in a header; times and owners in the form that they have there."""

    path: str
    kind: bytes
    mode: int
    size: int
    time: bytes
    target: str = ""
    owner: bytes = _ROOT
    names: bytes = _NO_NAMES


def _fields_of(member: Member, size: int, time: bytes) -> _Fields:
    """The header of a member of our own archives, which have two modes and no names."""
    folder = member.kind == "dir"
    executable = folder or member.kind == "link" or member.mode & 0o100
    path = member.path + "/" if folder else member.path
    mode = 0o755 if executable else 0o644
    return _Fields(path, _TYPES[member.kind], mode, size, time, member.target)


def _headers(fields: _Fields) -> bytes:
    """The header of an entry, after a pax header if a field does not fit into ustar."""
    path, target = fields.path, fields.target
    records: dict[str, str] = {}
    if not path.isascii() or _split(path) is None:
        records["path"] = path
    if not target.isascii() or len(target) > _LINK:
        records["linkpath"] = target
    if fields.size >= 8**11:
        records["size"] = str(fields.size)
    block = _block(fields)
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    extended = _Fields("././@PaxHeader", b"x", 0o644, len(body), fields.time, owner=fields.owner)
    return _block(extended) + body + bytes(-len(body) % BLOCK) + block


def _block(fields: _Fields) -> bytes:
    """One ustar header block; fields that do not fit are cut, since a pax record has them."""
    prefix, name = _split(fields.path) or ("", fields.path)
    block = b"".join(
        (
            _text(name, _NAME),
            _field(fields.mode, 8),
            fields.owner,
            _field(fields.size if fields.size < 8**11 else 0, 12),
            fields.time,
            b"        ",
            fields.kind,
            _text(fields.target, _LINK),
            b"ustar\x0000",
            fields.names,
            _field(0, 8),
            _field(0, 8),
            _text(prefix, _PREFIX),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _split(path: str) -> tuple[str, str] | None:
    """Prefix and name of a path in ustar; None if it is too long."""
    if len(path) <= _NAME:
        return "", path
    cut = path.find("/", len(path) - _NAME - 1)
    if 0 < cut <= _PREFIX and cut < len(path) - 1:
        return path[:cut], path[cut + 1 :]
    return None


def _text(text: str, width: int) -> bytes:
    return text.encode("ascii", "replace")[:width].ljust(width, b"\0")


def _field(value: int, width: int) -> bytes:
    """A number in octal digits and a final NUL."""
    digits = b"%0*o\0" % (width - 1, value)
    if value < 0 or len(digits) > width:
        raise InputError(f"{value} is out of range for an archive", fix="use a smaller number")
    return digits


def _record(key: str, value: str) -> bytes:
    """A pax record: its own length in decimal, then `key=value`."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
