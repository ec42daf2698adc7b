"""The state of one workspace between runs, in `.buildlib/`; deleting it costs only time.

It holds the last key that each target was built with here, which `why` compares with.
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
        self.looked_at = [self.path("last")]
        """The exports that were asked for, and where the last keys are."""

    @cached_property
    def _exports(self) -> DigestIndex:
        from buildlib.core.keys.index import DigestIndex

        return DigestIndex(self._root, self.path("exports"), shared=True)

    def is_exported(self, path: str, sha256: str) -> bool:
        """Whether a file was written from a content, and has not changed since.

        If it is not in the index, a file with the mtime of its content is read.

        Args:
            path: Absolute, in the workspace.
            sha256: Of the content, which the file may hold compressed.
        """
        self.looked_at.append(path)
        if self._exports.unchanged_stamp(os.path.relpath(path, self._root)) == sha256:
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
        """Remember the content that a file was written from; its mtime must be long past."""
        self._exports.note(os.path.relpath(path, self._root), sha256, os.lstat(path))

    def save(self) -> None:
        """Write the index of exports, for the next process."""
        if "_exports" in self.__dict__:
            self._exports.save()

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _last(self, label: Label) -> str:
        return self.path(f"last/{flat(label)}")

    def last_key(self, label: Label) -> str:
        """The key of a target's last build here, or an empty text."""
        try:
            with open(self._last(label)) as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def set_last_key(self, label: Label, key: str) -> None:
        """Remember the key of a target that is built; a failure to write is no error."""
        _write(self._last(label), key)

    def lines(self, name: str) -> list[str]:
        """The lines that `set_lines` wrote to a file; none if there is no such file."""
        try:
            with open(self.path(name)) as file:
                return file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def set_lines(self, name: str, lines: list[str]) -> None:
        """Write some lines, if they changed; a failure to write is no error."""
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
    """Path of the report of a proof's last run."""
    return state.path(f"reports/{flat(label)}.json")
