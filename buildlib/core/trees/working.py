"""The working tree: files on disk, stamped through the digest index."""

from __future__ import annotations

import os
from collections.abc import Iterable

from buildlib.core.keys.index import DigestIndex, unreadable
from buildlib.core.model.tree import JUNK_ENDINGS, JUNK_NAMES, is_junk


class WorkingTree:
    """The files below a workspace's root, an absolute path."""

    def __init__(self, root: str, index: DigestIndex) -> None:
        self.root = root
        self.index = index
        self.links: set[str] = set()
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
        except PermissionError:
            raise unreadable(path, self.root) from None

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
        # What is behind a link is elsewhere, as in a commit.
        pending = [] if folder and os.path.islink(f"{self.root}/{folder}") else [folder]
        junk, endings = JUNK_NAMES, JUNK_ENDINGS
        while pending:
            current = pending.pop()
            before = f"{current}/" if current else ""
            names: list[str] = []
            try:
                with os.scandir(f"{self.root}/{current}" if current else self.root) as entries:
                    for entry in entries:
                        name = entry.name
                        if name in junk or name.endswith(endings):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(before + name)
                        else:
                            names.append(name)
                            if entry.is_symlink():
                                self.links.add(before + name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                raise unreadable(current or ".", self.root, folder=True) from None
            folders.append((current, names))
            self.looked_at.add(current)
        return folders

    def stamps(self, paths: Iterable[str]) -> list[str]:
        paths = list(paths)
        self.stamped += paths
        return self.index.stamps(paths)


def _link_text(path: str) -> str:
    """The target of a symlink; an empty text for anything else."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
