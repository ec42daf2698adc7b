"""The build context: exactly the declared files, renewed without copying twice.

BuildKit sends only files whose mode, size or mtime differ from what it was sent from the same path
before. So the folder stays at one path and is updated in place. Each file's mtime is a constant
second plus nanoseconds computed from its content: an edit of equal length is seen, and layers,
which hold whole seconds, come out equal on every machine.

Two contents can have the same nanoseconds, and BuildKit would keep the first. So the stage has a
history: the contents that each name had here, with their mtimes. A second content with the same
mtime gets another one. A stage without its history moves to a new path, unknown to BuildKit.

    stage/NAME/context-0123…/   the folder
    stage/NAME/context-….Dockerfile, and its ignore file: what a builder is handed in the place of
                                the Dockerfile in the folder, where that needs another text
                                or an ignore file is among the sources
    stage/NAME/history          its name, and what was in it
    stage/NAME/index            the copies in it that are known to be complete
"""

from __future__ import annotations

import os
from collections.abc import Callable

from buildlib.core import cache_file
from buildlib.core.dockerfile import IGNORE_FILE
from buildlib.core.keys.index import DigestIndex, file_sha256
from buildlib.core.model.inputs import Source
from buildlib.core.store.content import EPOCH, ContentStore, next_stamp, stamp_ns
from buildlib.errors import ActionError

_NOTHING_IGNORED = "# The folder has what was declared and nothing else.\n"
_FOLDER_MODE = 0o755
_KIND = "stage history 2"
_LONG = 10_000
_EACH = 4
"""Contents in a history, plus those for each file of the stage, above which it starts anew."""


class InputMovedError(ActionError):
    """A source changed between the key and the action: the result must not be recorded."""


def dockerfile_for(folder: str, name: str, changed: Callable[[str], str]) -> str:
    """The path of the Dockerfile to hand to a builder: that of a context, or a copy beside it.

    The copy has an ignore file of its own that leaves out nothing: one among the sources, which
    was obeyed when the folder was filled, stands there to be copied.

    Args:
        folder: The context.
        changed: The text to hand over for the text in the folder.
    """
    path = f"{folder}/{name}"
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
    new = changed(text)
    ignore_files = (f"{folder}/{IGNORE_FILE}", f"{path}{IGNORE_FILE}")
    if new == text and not any(map(os.path.lexists, ignore_files)):
        return path
    copy = f"{folder}.Dockerfile"
    for written, content in ((copy, new), (f"{copy}{IGNORE_FILE}", _NOTHING_IGNORED)):
        with open(written, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(content)
    return copy


class Stage:
    """One folder, filled by `add_*` and closed by `finish`; `home` holds it and its history."""

    def __init__(self, home: str, store: ContentStore) -> None:
        self._home = home
        self._store = store
        self._added: set[str] = set()
        self._folders: set[str] = set()
        self._linked: set[str] = set()
        history = cache_file.load(f"{home}/history", _KIND)
        contents: dict[str, dict[int, str]] = history.get("contents", {})
        limit = _LONG + _EACH * history.get("names", 0)
        usable = bool(history) and sum(map(len, contents.values())) < limit
        self._contents = contents if usable else {}
        """For each name: mtime -> sha256 of the content that had it."""
        name = history["folder"] if usable else f"context-{os.urandom(6).hex()}"
        self.folder = f"{home}/{name}"
        if not usable:
            _remove(home)
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, _FOLDER_MODE)
        self._index = DigestIndex(self.folder, f"{home}/index")

    def _place(self, name: str) -> str:
        """Return the path for an input; make its folder, and clear what the last build left there.

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
                raise _collision(above)
            if above not in self._folders:
                self._make_folder(above)
        if name in self._added or name in self._folders:
            raise _collision(name)
        self._added.add(name)
        return f"{self.folder}/{name}"

    def _make_folder(self, name: str) -> None:
        """Make a folder of the context: never a link of the last build, whatever the umask."""
        path = f"{self.folder}/{name}"
        if os.path.islink(path) or not os.path.isdir(path):
            self._discard(name)
            os.mkdir(path)
        os.chmod(path, _FOLDER_MODE)
        self._folders.add(name)

    def _mtime(self, name: str, sha256: str) -> int:
        """Return an mtime, in nanoseconds, that no other content had under this name."""
        contents = self._contents.setdefault(name, {})
        mtime = stamp_ns(sha256)
        while contents.setdefault(mtime, sha256) != sha256:
            mtime = next_stamp(mtime)
        return mtime

    def add_source(self, name: str, source: Source) -> None:
        """Copy a source file, and check that it still is what its key says.

        Raises:
            InputMovedError: It is not.
        """
        path = self._place(name)
        mode, _, digest = source.stamp.partition(" ")
        if mode == "link":
            self._discard(name)
            os.symlink(digest, path)
            os.utime(path, ns=(EPOCH * 10**9,) * 2, follow_symlinks=False)
        elif not self._copy(source.path, name, digest, 0o755 if mode == "755" else 0o644):
            raise _source_changed(name)

    def add_stored(self, name: str, sha256: str, *, executable: bool = False) -> None:
        """Add a file of the content store: linked where mode and mtime can be shared, else copied.

        A second name gets a copy, too: two links to one file would be links in the image, but not
        where the store is on another file system.

        Raises:
            ActionError: The store does not have it, or it is damaged.
        """
        path = self._place(name)
        stored = self._store.require(sha256, what=name)
        shares = not executable and self._mtime(name, sha256) == stamp_ns(sha256)
        if shares and sha256 not in self._linked:
            self._linked.add(sha256)
            if self._is_link(path, stored, 0o444, stamp_ns(sha256)):
                return
            self._discard(name)
            if self._store.link_to(sha256, path):
                return
        if not self._copy(stored, name, sha256, 0o555 if executable else 0o444):
            raise ActionError(f"{name} changed in the content store meanwhile", fix="./doitw build")

    @staticmethod
    def _is_link(path: str, stored: str, mode: int, mtime: int) -> bool:
        """Whether a staged file is a hard link to a stored one with this mode and mtime."""
        try:
            one, other = os.lstat(path), os.lstat(stored)
        except OSError:
            return False
        same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        return same and one.st_mode & 0o7777 == mode and one.st_mtime_ns == mtime

    def _copy(self, origin: str, name: str, sha256: str, mode: int) -> bool:
        """Copy a file unless the copy exists; return False if the origin has another content."""
        mtime = self._mtime(name, sha256)
        stamp = f"{mode:o} {mtime} {sha256}"
        if self._index.unchanged_stamp(name) == stamp:
            return True
        self._discard(name)
        import shutil  # with bz2 and lzma: not for a build with nothing to do

        path = f"{self.folder}/{name}"
        try:
            shutil.copyfile(origin, path, follow_symlinks=False)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, shutil.SpecialFileError):
            return False
        if os.path.islink(path) or file_sha256(path) != sha256:
            _remove(path)
            return False
        os.chmod(path, mode)
        os.utime(path, ns=(mtime, mtime))
        self._index.note(name, stamp, os.lstat(path))
        return True

    def finish(self) -> None:
        """Remove what was not added, and date the folders; call it before BuildKit reads."""
        for folder, folders, files in os.walk(self.folder, topdown=False):
            for name in files + folders:
                path = f"{folder}/{name}"
                inner = path[len(self.folder) + 1 :]
                is_folder = name in folders and not os.path.islink(path)
                if inner not in (self._folders if is_folder else self._added):
                    self._discard(inner)
            os.utime(folder, ns=(EPOCH * 10**9,) * 2)
        self._index.save()
        history = {
            "folder": os.path.basename(self.folder),
            "names": len(self._added),
            "contents": self._contents,
        }
        if not cache_file.save(f"{self._home}/history", _KIND, history):
            raise ActionError(
                f"cannot write {self._home}/history", fix=f"df -h {self._home}  # is there space?"
            )

    def _discard(self, name: str) -> None:
        """Remove a file; tell the store if it was a link to a stored one."""
        path = f"{self.folder}/{name}"
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        linked = self._contents.get(name, {}).get(info.st_mtime_ns) if info.st_nlink > 1 else None
        if linked is None:
            _remove(path)
            return
        with self._store.own_change(linked):
            _remove(path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _collision(name: str) -> ActionError:
    return ActionError(
        f"two inputs would both be {name} in the build context", fix="rename one of them"
    )


def _source_changed(name: str) -> InputMovedError:
    return InputMovedError(
        f"{name} changed while it was being built; nothing was recorded", fix="./doitw build"
    )
