"""A commit as a tree: reads blobs through one `git cat-file --batch`, without a checkout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, cast

from buildlib.core.model.tree import is_junk
from buildlib.core.trees.gitrun import Running, git, start_git
from buildlib.errors import InputError

_LINK = "120000"
_EXECUTABLE = "100755"
_AT_ONCE = 256
"""Blobs per request: git must be able to read all of the request before it answers."""


class GitTree:
    """The files of one commit; `revision` is anything that git understands as one."""

    def __init__(self, root: str, revision: str) -> None:
        self.root = root
        self.revision = revision
        listing = git(root, "ls-tree", "-r", "-z", "--end-of-options", revision, ".")
        if listing.code:
            raise InputError(
                f"git has no commit {revision!r} here",
                fix="git log --oneline",
                detail=listing.err,
            )
        self.links: set[str] = set()
        self._blobs: dict[str, tuple[str, str]] = {}
        self._folders: dict[str, list[str]] = {"": []}
        for row in listing.out.split("\0"):
            if row:
                meta, path = row.split("\t", 1)
                mode, kind, oid = meta.split()
                if kind == "blob":
                    self._add(path, mode, oid)
        self._batch: Running | None = None
        self._stamps: dict[str, str] = {}

    def _add(self, path: str, mode: str, oid: str) -> None:
        if any(is_junk(part) for part in path.split("/")):
            return
        self._blobs[path] = (mode, oid)
        if mode == _LINK:
            self.links.add(path)
        folder, _, name = path.rpartition("/")
        while folder not in self._folders:
            self._folders[folder] = []
            folder = folder.rpartition("/")[0]
        self._folders[path.rpartition("/")[0]].append(name)

    def read(self, path: str) -> bytes:
        mode, data = self._blob(path)
        for _ in range(8):  # deeper links are a loop
            if mode != _LINK:
                return data
            if data.startswith(b"/"):
                break
            folder = path.rpartition("/")[0]
            path = _normalise(f"{folder}/{data.decode()}")
            mode, data = self._blob(path)
        raise FileNotFoundError(path)

    def _blob(self, path: str) -> tuple[str, bytes]:
        if path not in self._blobs:
            raise FileNotFoundError(path)
        mode, oid = self._blobs[path]
        (data,) = self._contents([oid])
        return mode, data

    def _contents(self, oids: Sequence[str]) -> Iterator[bytes]:
        """The contents of some blobs, in one request."""
        if self._batch is None:
            self._batch = start_git(self.root, "cat-file", "--batch")
        asked, answer = cast("IO[bytes]", self._batch.stdin), cast("IO[bytes]", self._batch.stdout)
        asked.write("".join(f"{oid}\n" for oid in oids).encode())
        asked.flush()
        for _ in oids:
            size = int(answer.readline().split()[2])
            yield answer.read(size)
            answer.read(1)

    def exists(self, path: str) -> bool:
        return path in self._blobs or path in self._folders

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        below = folder + "/"
        return [
            (name, list(files))
            for name, files in self._folders.items()
            if not folder or name == folder or name.startswith(below)
        ]

    def stamps(self, paths: Iterable[str]) -> list[str]:
        paths = list(paths)
        new = [
            path
            for path in dict.fromkeys(paths)
            if path in self._blobs and path not in self._stamps
        ]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            contents = self._contents([self._blobs[path][1] for path in some])
            for path, data in zip(some, contents, strict=True):
                self._stamps[path] = _stamp(self._blobs[path][0], data)
        return [self._stamps.get(path, "-") for path in paths]

    def close(self) -> None:
        if self._batch is not None:
            self._batch.communicate()
            self._batch = None


def _stamp(mode: str, data: bytes) -> str:
    from hashlib import sha256

    if mode == _LINK:
        return "link " + data.decode(errors="surrogateescape")
    return f"{'755' if mode == _EXECUTABLE else '644'} {sha256(data).hexdigest()}"


def _normalise(path: str) -> str:
    """`a/../b` as `b`; a path that leads out of the tree does not exist."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise FileNotFoundError(path)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
