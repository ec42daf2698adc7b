"""What one workspace remembers between runs, in `.buildlib/`; deleting it loses only time.

The last key that each target was built with here is what `why` compares with.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from buildlib.core.model.label import Label
from buildlib.core.store.content import stamp_ns

if TYPE_CHECKING:
    from buildlib.core.keys.index import DigestIndex

FOLDER = ".buildlib"


class State:
    """The folder `.buildlib` of a workspace."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.folder = f"{root}/{FOLDER}"

    @cached_property
    def _exports(self) -> DigestIndex:
        from buildlib.core.keys.index import DigestIndex

        return DigestIndex(self._root, self.path("exports"), shared=True)

    def is_exported(self, path: str, sha256: str) -> bool:
        """Whether a file was written from a content, and has not been touched since.

        Where that is not remembered, a file that has the mtime of its content is read.

        Args:
            path: Absolute, in the workspace.
            sha256: The content; the file may hold it compressed.
        """
        if self._exports.known(os.path.relpath(path, self._root)) == sha256:
            return True
        try:
            if os.lstat(path).st_mtime_ns != stamp_ns(sha256):
                return False
        except OSError:
            return False
        from buildlib.core.pack.compress import unpacked_sha256

        if unpacked_sha256(path) != sha256:
            return False
        self.note_export(path, sha256)
        return True

    def note_export(self, path: str, sha256: str) -> None:
        """Remember from which content a file was written; its mtime is one long past."""
        self._exports.note(os.path.relpath(path, self._root), sha256, os.lstat(path))

    def save(self) -> None:
        """Keep what was noted of exports, for the next process."""
        if "_exports" in self.__dict__:
            self._exports.save()

    def path(self, name: str) -> str:
        """A file or folder below `.buildlib`."""
        return f"{self.folder}/{name}"

    def _last(self, label: Label) -> str:
        return self.path(f"last/{flat(label)}")

    def last_key(self, label: Label) -> str:
        """The key the target was last built or found with here, or an empty text."""
        try:
            with open(self._last(label)) as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def set_last_key(self, label: Label, key: str) -> None:
        """Note the key of a target that is built; that it cannot be written is no error."""
        _write(self._last(label), key)

    def lines(self, name: str) -> list[str]:
        """The lines of a file that `set_lines` wrote; none where there is none."""
        try:
            with open(self.path(name)) as file:
                return file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def set_lines(self, name: str, lines: list[str]) -> None:
        """Keep some lines where they are not what is kept; a failure is no error."""
        if lines != self.lines(name):
            _write(self.path(name), "\n".join(lines))


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.{os.getpid()}", "w") as file:
            file.write(text)
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        return


def flat(label: Label) -> str:
    """A label as a file name: `//images/bases/os` is `images+bases+os+os`."""
    return f"{label.package}/{label.name}".replace("+", "%2B").replace("/", "+")


def report_path(state: State, label: Label) -> str:
    """Where the last run of a proof wrote its report."""
    return state.path(f"reports/{flat(label)}.json")
