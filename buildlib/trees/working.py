"""The working tree: files as they are on disk now, stamped through the digest index."""

from __future__ import annotations

import os
from collections.abc import Iterable

from buildlib.keys.index import DigestIndex
from buildlib.model.tree import JUNK_ENDINGS, JUNK_NAMES


class WorkingTree:
    """The files below a workspace's root.

    Args:
        root: Absolute path of the workspace.
        index_file: Where the digest index is kept.
    """

    def __init__(self, root: str, index_file: str) -> None:
        self.root = root
        self.index = DigestIndex(root, index_file)

    def read(self, path: str) -> bytes:
        """See `Tree.read`."""
        with open(f"{self.root}/{path}", "rb") as file:
            return file.read()

    def exists(self, path: str) -> bool:
        """See `Tree.exists`."""
        return os.path.lexists(f"{self.root}/{path}")

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        """See `Tree.files`."""
        found: list[tuple[str, list[str]]] = []
        pending = [folder]
        while pending:
            here = pending.pop()
            names: list[str] = []
            try:
                with os.scandir(f"{self.root}/{here}" if here else self.root) as entries:
                    for entry in entries:
                        name = entry.name
                        if name in JUNK_NAMES or name.endswith(JUNK_ENDINGS):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(f"{here}/{name}" if here else name)
                        else:
                            names.append(name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            found.append((here, names))
        return found

    def stamps(self, paths: Iterable[str]) -> list[str]:
        """See `Tree.stamps`."""
        stamp = self.index.stamp
        return [stamp(path) for path in paths]
