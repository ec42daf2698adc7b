"""A commit as a tree: blobs read through one `git cat-file --batch`, nothing checked out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, cast

from buildlib.errors import InputError
from buildlib.model.tree import is_junk
from buildlib.trees.gitrun import git, start_git

if TYPE_CHECKING:
    import subprocess

_LINK = "120000"
_EXECUTABLE = "100755"


class GitTree:
    """The files of one commit.

    Args:
        root: Absolute path of the workspace (the top of the repository, or a folder in it).
        revision: Anything git understands as a commit.

    Raises:
        InputError: `root` is no repository, or has no such revision.
    """

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
        self._blobs: dict[str, tuple[str, str]] = {}
        self._folders: dict[str, list[str]] = {"": []}
        for row in listing.out.split("\0"):
            if row:
                meta, path = row.split("\t", 1)
                mode, kind, oid = meta.split()
                if kind == "blob":
                    self._add(path, mode, oid)
        self._batch: subprocess.Popen[bytes] | None = None
        self._stamps: dict[str, str] = {}

    def _add(self, path: str, mode: str, oid: str) -> None:
        if any(is_junk(part) for part in path.split("/")):
            return
        self._blobs[path] = (mode, oid)
        folder, _, name = path.rpartition("/")
        while folder not in self._folders:
            self._folders[folder] = []
            folder = folder.rpartition("/")[0]
        self._folders[path.rpartition("/")[0]].append(name)

    def read(self, path: str) -> bytes:
        """See `Tree.read`."""
        mode, data = self._blob(path)
        for _ in range(8):  # as deep as anyone's links go; the rest is a loop
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
        if self._batch is None:
            self._batch = start_git(self.root, "cat-file", "--batch")
        asked, answer = cast("IO[bytes]", self._batch.stdin), cast("IO[bytes]", self._batch.stdout)
        asked.write(oid.encode() + b"\n")
        asked.flush()
        size = int(answer.readline().split()[2])
        data = answer.read(size)
        answer.read(1)
        return mode, data

    def exists(self, path: str) -> bool:
        """See `Tree.exists`."""
        return path in self._blobs or path in self._folders

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        """See `Tree.files`."""
        below = folder + "/"
        return [
            (name, list(files))
            for name, files in self._folders.items()
            if not folder or name == folder or name.startswith(below)
        ]

    def stamps(self, paths: Iterable[str]) -> list[str]:
        """See `Tree.stamps`."""
        return [self._stamp(path) for path in paths]

    def _stamp(self, path: str) -> str:
        if path not in self._blobs:
            return "-"
        if path not in self._stamps:
            from hashlib import sha256

            mode, data = self._blob(path)
            if mode == _LINK:
                self._stamps[path] = "link " + data.decode(errors="surrogateescape")
            else:
                bits = "755" if mode == _EXECUTABLE else "644"
                self._stamps[path] = f"{bits} {sha256(data).hexdigest()}"
        return self._stamps[path]

    def close(self) -> None:
        """End the git process."""
        if self._batch is not None:
            self._batch.communicate()
            self._batch = None


def _normalise(path: str) -> str:
    """`a/../b` as `b`; what leads out of the tree is no path of it."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise FileNotFoundError(path)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
