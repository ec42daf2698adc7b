"""The folder a Dockerfile sees: exactly what was declared, made anew without copying twice.

BuildKit sends only files whose size or mtime differ from the last time, so the folder stays at
one path and is brought up to date in place. Each file's mtime is a constant second plus
nanoseconds made from its content: an edit of equal length is seen, and layers, which hold whole
seconds, come out equal on every machine.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from buildlib.errors import ActionError
from buildlib.keys.index import file_sha256
from buildlib.store.content import EPOCH, ContentStore, stamp_ns

_FOLDER_MODE = 0o755


class Source(NamedTuple):
    """A source file as the key saw it.

    Attributes:
        path: Absolute path.
        stamp: See `Tree.stamps`.
    """

    path: str
    stamp: str


class InputMovedError(ActionError):
    """A source changed between the key and the action: what was made must not be recorded."""


class Stage:
    """One folder, filled by `add_*` and closed by `finish`.

    Args:
        folder: Absolute path; what is in it from the last time and not added again is removed.
        store: Where stored files come from.
    """

    def __init__(self, folder: str, store: ContentStore) -> None:
        self.folder = folder
        self._store = store
        self._added: set[str] = set()
        self._folders: set[str] = set()
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, _FOLDER_MODE)

    def _place(self, name: str) -> str:
        """Where an input goes, with its folder made; nothing of the last time is in the way.

        Raises:
            ActionError: The name leads out of the folder, or another input has it.
        """
        pieces = name.split("/")
        if any(piece in ("", ".", "..") for piece in pieces):
            raise ActionError(
                f"{name!r} cannot be a path in a build context", fix="rename the input"
            )
        for above in ("/".join(pieces[:depth]) for depth in range(1, len(pieces))):
            if above in self._added:
                raise _both(above)
            if above not in self._folders:
                self._make_folder(above)
        if name in self._added or name in self._folders:
            raise _both(name)
        self._added.add(name)
        return f"{self.folder}/{name}"

    def _make_folder(self, name: str) -> None:
        """A folder of the context: never a link of the last time, whatever the umask."""
        path = f"{self.folder}/{name}"
        if os.path.islink(path) or not os.path.isdir(path):
            _remove(path)
            os.mkdir(path)
        os.chmod(path, _FOLDER_MODE)
        self._folders.add(name)

    def add_source(self, name: str, source: Source) -> None:
        """Copy a source file, and check that it still is what its key says.

        Raises:
            InputMovedError: It is not.
        """
        path = self._place(name)
        mode, _, digest = source.stamp.partition(" ")
        if mode == "link":
            _remove(path)
            os.symlink(digest, path)
            os.utime(path, ns=(EPOCH * 10**9,) * 2, follow_symlinks=False)
            return
        wanted, bits = stamp_ns(digest), 0o755 if mode == "755" else 0o644
        try:
            there = os.lstat(path)
            if there.st_mtime_ns == wanted and there.st_mode & 0o7777 == bits:
                return
        except FileNotFoundError:
            pass
        _remove(path)
        import shutil  # with bz2 and lzma: not for a build with nothing to do

        try:
            shutil.copyfile(source.path, path, follow_symlinks=False)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, shutil.SpecialFileError):
            raise _moved(name) from None
        if os.path.islink(path) or file_sha256(path) != digest:
            _remove(path)
            raise _moved(name)
        os.chmod(path, bits)
        os.utime(path, ns=(wanted, wanted))

    def add_stored(self, name: str, sha256: str, *, executable: bool = False) -> None:
        """Link a file of the content store."""
        path = self._place(name)
        try:
            if os.path.samefile(path, self._store.path(sha256)):
                return
        except OSError:
            pass
        if os.path.isdir(path):
            _remove(path)
        self._store.link_to(sha256, path, executable=executable)

    def finish(self) -> None:
        """Remove what was not added, and date the folders."""
        for here, folders, files in os.walk(self.folder, topdown=False):
            for name in files + folders:
                path = f"{here}/{name}"
                inner = path[len(self.folder) + 1 :]
                is_folder = name in folders and not os.path.islink(path)
                if is_folder:
                    if inner not in self._folders:
                        _remove(path)
                elif inner not in self._added:
                    os.unlink(path)
            os.utime(here, ns=(EPOCH * 10**9,) * 2)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _both(name: str) -> ActionError:
    return ActionError(
        f"two inputs would both be {name} in the build context", fix="rename one of them"
    )


def _moved(name: str) -> InputMovedError:
    return InputMovedError(
        f"{name} changed while it was being built; nothing was recorded", fix="./doitw build"
    )
