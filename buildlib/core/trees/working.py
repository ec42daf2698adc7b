"""The working tree: files on disk, stamped through the digest index."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from buildlib.core.keys.index import DigestIndex, is_old, stat_data
from buildlib.core.model.tree import JUNK_ENDINGS, JUNK_NAMES, is_junk

if TYPE_CHECKING:
    from buildlib.core.keys.index import StatData


class WorkingTree:
    """The files below a workspace's root, an absolute path."""

    def __init__(self, root: str, index: DigestIndex) -> None:
        self.root = root
        self.index: DigestIndex = index
        self._began = time.time_ns()
        self.looked_at: set[str] = set()
        """The files that were read, and the folders that were listed."""
        self.stamped: list[str] = []
        """The files that were stamped."""

    def read(self, path: str) -> bytes:
        full = f"{self.root}/{path}"
        self.looked_at.add(path)
        if os.path.islink(full) or ".." in path:
            full = self._inside(path)
        try:
            with open(full, "rb") as file:
                return file.read()
        except (IsADirectoryError, NotADirectoryError):
            raise FileNotFoundError(path) from None

    def _inside(self, path: str) -> str:
        """The real path of a file, which must be in the tree, as it would be in a commit."""
        try:
            full = os.path.realpath(f"{self.root}/{path}", strict=True)
        except OSError:
            raise FileNotFoundError(path) from None
        root = os.path.realpath(self.root)
        self.looked_at.add(os.path.relpath(full, root))
        if not full.startswith(root + "/") or os.path.isabs(_link_text(f"{self.root}/{path}")):
            raise FileNotFoundError(path)
        return full

    def exists(self, path: str) -> bool:
        pieces = path.split("/") if path else []
        if any(piece == ".." or is_junk(piece) for piece in pieces):
            return False
        above = [f"{self.root}/{'/'.join(pieces[:depth])}" for depth in range(1, len(pieces))]
        return os.path.lexists(f"{self.root}/{path}") and not any(map(os.path.islink, above))

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        folders: list[tuple[str, list[str]]] = []
        pending = [folder]
        while pending:
            current = pending.pop()
            try:
                names, inner = self._scan(current)
            except (FileNotFoundError, NotADirectoryError):
                continue
            before = f"{current}/" if current else ""
            pending += [before + name for name in inner]
            folders.append((current, names))
            self.looked_at.add(current)
        return folders

    def _scan(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of the files and of the folders in a folder."""
        junk, endings = JUNK_NAMES, JUNK_ENDINGS
        names: list[str] = []
        inner: list[str] = []
        with os.scandir(f"{self.root}/{folder}" if folder else self.root) as entries:
            for entry in entries:
                name = entry.name
                if name in junk or name.endswith(endings):
                    continue
                (inner if entry.is_dir(follow_symlinks=False) else names).append(name)
        return names, inner

    def note_folders(
        self, listing: Iterable[tuple[str, list[str]]]
    ) -> dict[str, tuple[StatData, str]] | None:
        """Stat data and names of each folder; None if one changed after we began to look."""
        listing = list(listing)
        inner: dict[str, list[str]] = {}
        for folder, _ in listing:
            if folder:
                above, _, name = folder.rpartition("/")
                inner.setdefault(above, []).append(name)
        noted: dict[str, tuple[StatData, str]] = {}
        for folder, names in listing:
            try:
                data = stat_data(os.lstat(f"{self.root}/{folder}"))
            except OSError:
                return None
            if not is_old(data, self._began):
                return None
            noted[folder] = (data, _joined(names, inner.get(folder, ())))
        return noted

    def has_folders(self, noted: Mapping[str, tuple[StatData, str]]) -> bool:
        lstat, data_of, before = os.lstat, stat_data, f"{self.root}/"
        self.looked_at.update(noted)
        try:
            for folder, (data, names) in noted.items():
                if (
                    data_of(lstat(before + folder)) != data
                    and _joined(*self._scan(folder)) != names
                ):
                    return False
        except OSError:
            return False
        return True

    def stamps(self, paths: Iterable[str]) -> list[str]:
        paths = list(paths)
        self.stamped += paths
        return self.index.stamps(paths)


def _joined(names: Iterable[str], inner: Iterable[str]) -> str:
    """The names of files and folders as one text."""
    return "\0".join(sorted([*names, *(f"{name}/" for name in inner)]))


def _link_text(path: str) -> str:
    """The target of a symlink; an empty text for anything else."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
