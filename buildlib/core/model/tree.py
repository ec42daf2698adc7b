"""The protocol of trees: the working tree and commits, which sources are read from.

Loading, validation and keys read the workspace only through a `Tree`, so the same code computes the
graph and the keys of the working tree and of any commit. Paths are relative to the workspace, with
forward slashes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

JUNK_NAMES = frozenset(
    {
        ".DS_Store",
        ".buildlib",
        ".deployed",
        ".git",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        "__pycache__",
        "node_modules",
    }
)
"""Names that no tree shows: leftovers of tools would make a laptop and CI differ."""
JUNK_ENDINGS = (".pyc", ".pyo", ".swp", "~", ".orig", ".rej")


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is a tool's leftover and never a source."""
    return name in JUNK_NAMES or name.endswith(JUNK_ENDINGS)


class Tree(Protocol):
    """A readable set of files.

    Attributes:
        root: Absolute path of the workspace.
        links: The symlinks among the files that were listed.
    """

    root: str
    links: set[str]

    def read(self, path: str) -> bytes:
        """The content of a file (of what a symlink points to, inside the tree).

        Raises:
            FileNotFoundError: There is no such file.
        """

    def exists(self, path: str) -> bool:
        """Whether there is a file, symlink or folder at `path`."""

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        """All folders at and below `folder` with the names of the files and symlinks in each.

        Folders are named relative to the workspace; junk is left out; the order is unspecified.
        """

    def stamps(self, paths: Iterable[str]) -> list[str]:
        """The stamp of each path: a text that stands for its content and mode.

        `644 <sha256>` or `755 <sha256>` for a file, `link <target>` for a symlink, and `-` for a
        folder or nothing.
        """
