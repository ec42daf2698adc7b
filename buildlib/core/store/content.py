"""The content store: files under the sha256 of their content, kept between builds.

One store serves all workspaces of a user, so nothing here knows what a file is for, where it came
from or who wants it; `outside.fetch` fills it, the rules take from it. A build with nothing to do
asks it too: `has` is one stat, and hashlib is imported where something is hashed.

    root/sha256/ab/cdef...   a whole file, read-only, its name proven by its bytes
    root/incoming/           files being written; what a killed process left goes after a day
    root/part/               half downloads, resumed by the next fetch
    root/corrupt/            files whose bytes no longer gave their name
    root/index               which files were seen to be whole, by their stat data

A file gets its final name by one rename, so another process sees all of it or nothing, and two
processes may add the same content. Opening a store writes nothing: it may be on read-only media.

Disks fail, and programs write through hard links. So before a file is used, `check` reads it once
for each state of its inode. Links that we make and remove ourselves are no new state.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import IO, TYPE_CHECKING, NamedTuple

from buildlib.errors import ActionError

if TYPE_CHECKING:
    from _hashlib import HASH
    from types import TracebackType

    from typing_extensions import Self

    from buildlib.core.keys.index import DigestIndex

EPOCH = 1_700_000_000
"""Modification time of every file in a build, in whole seconds: tars hold no more."""

_BILLION = 10**9
_MODE = 0o444
_DAY = 86_400
_CHUNK = 1 << 20
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def stamp_ns(sha256: str) -> int:
    """The modification time of a file with this content, in nanoseconds.

    The second is the same for all files (`EPOCH`), so tars of equal files are equal. The fraction
    depends on the content: a transfer that compares only size and time, such as that of a build
    context to BuildKit, then notices that a file was replaced.
    """
    return EPOCH * _BILLION + int(sha256[:15], 16) % _BILLION


def next_stamp(mtime_ns: int) -> int:
    """Another modification time of the same second, if that of a content is taken."""
    return EPOCH * _BILLION + (mtime_ns + 1) % _BILLION


def default_root(environ: Mapping[str, str] = os.environ) -> str:
    """Where the store is: `$BUILDLIB_STORE`, or `buildlib` in the user's cache folder."""
    chosen = environ.get("BUILDLIB_STORE")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # a relative one is to be ignored (XDG base directory spec)
        cache = os.path.expanduser("~/.cache")
    return os.path.join(cache, "buildlib")


class HashMismatch(ActionError):
    """Content with another sha256 than the expected one."""

    def __init__(self, what: str, *, expected: str, actual: str) -> None:
        super().__init__(
            f"{what} has sha256 {actual}, not {expected}", fix="fetch or copy that file anew"
        )
        self.expected = expected
        self.actual = actual


class Stored(NamedTuple):
    """A file that a `Writer` put into the store."""

    sha256: str
    size: int


class ContentStore:
    """A folder of files by sha256. Cheap to make; any number of processes may share the folder.

    Args:
        root: The folder; made when the first file is added.
        warn: Called with one line for each damaged file.
    """

    def __init__(self, root: str, warn: Callable[[str], None] | None = None) -> None:
        self.root = root
        self._warn = warn or _to_stderr
        self._swept = False
        self.found: dict[str, int] = {}
        """The files that `has` found, with the sizes that they should have."""

    @cached_property
    def _index(self) -> DigestIndex:
        from buildlib.core.keys.index import DigestIndex

        return DigestIndex(self.root, f"{self.root}/index", shared=True)

    def save(self) -> None:
        """Write the index of files that were checked, for the next process."""
        if "_index" in self.__dict__:
            self._index.save()

    def path(self, sha256: str) -> str:
        return f"{self.root}/{_inside(sha256)}"

    def partial(self, sha256: str) -> str:
        """Path of an unfinished download; for `buildlib.outside.fetch` only."""
        return f"{self.root}/part/{_digest(sha256)}.part"

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the store has a file, by one stat: enough to plan, not to build.

        A file of another size, or an empty one that should not be, counts as absent: a crash of the
        machine can leave both. Adding the content again replaces it. A text that is no digest, as
        in a damaged record, counts as absent too.
        """
        try:
            path = self.path(sha256)
            actual = os.stat(path).st_size
        except (OSError, ValueError):
            return False
        self.found[path] = actual
        return actual == size if size is not None else actual > 0 or sha256 == _EMPTY

    def writer(self) -> Writer:
        """A new file: `with store.writer() as out: out.write(...); out.commit()`."""
        return Writer(self)

    def add_bytes(self, data: bytes) -> str:
        """Add a content; returns its sha256."""
        with self.writer() as out:
            out.write(data)
            return out.commit().sha256

    def add_file(self, path: str, expected: str | None = None) -> str:
        """Add a copy of a file; returns its sha256.

        Raises:
            HashMismatch: It has another sha256 than `expected`; nothing was added.
        """
        with open(path, "rb") as source, self.writer() as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
            return out.commit(expected, what=path).sha256

    def adopt(self, path: str, sha256: str) -> None:
        """Give a file on the store's own file system its final name.

        The caller hashed the file while writing it; it is not read here.
        """
        if self.check(sha256, os.stat(path).st_size):
            os.unlink(path)  # keep the other file: it may have links
            return
        os.chmod(path, _MODE)
        stamp = stamp_ns(sha256)
        os.utime(path, ns=(stamp, stamp))
        _rename(path, self.path(sha256))
        with suppress(FileNotFoundError):  # another process removed it
            info = os.lstat(self.path(sha256))
            if info.st_mtime_ns == stamp:
                self._index.note(_inside(sha256), sha256, info)

    def check(self, sha256: str, size: int | None = None, *, what: str = "a file") -> bool:
        """Whether the store has a file and its content fits its name: call this before use.

        A file that was checked is not read again until its inode changes. A damaged one is reported
        (as `what`) and moved to `corrupt/`: it counts as absent and is fetched or made again.
        """
        if not _is_digest(sha256):
            return False
        whole = self._index.unchanged_stamp(_inside(sha256)) == sha256 or self.verify(
            sha256, what=what
        )
        return whole and self.has(sha256, size)

    def require(self, sha256: str, *, what: str = "a file") -> str:
        """The path of a file that `check` has passed; an error if there is none."""
        if not self.check(sha256, what=what):
            raise absent(self.root, sha256)
        return self.path(sha256)

    def verify(self, sha256: str, *, what: str = "a file") -> bool:
        """Like `check`, but always read the file: before it leaves the machine."""
        path = self.path(sha256)
        try:
            with open(path, "rb") as file:
                info = os.fstat(file.fileno())
                if hash_file(file).hexdigest() == sha256:
                    self._note_whole(sha256, info)
                    return True
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise ActionError(
                f"{what} cannot be read from the content store: {error.strerror or error}",
                fix=f"rm -f {path} && ./doitw build",
            ) from None
        self._move_aside(sha256, info, what)
        return False

    def _note_whole(self, sha256: str, info: os.stat_result) -> None:
        """Put a checked file into the index, and restore its mode and mtime.

        It may have lost them, for instance when a tool copied the store.
        """
        path, stamp = self.path(sha256), stamp_ns(sha256)
        if info.st_mtime_ns != stamp or info.st_mode & 0o7777 != _MODE:
            with suppress(OSError):  # a store that cannot be written is used as it is
                os.chmod(path, _MODE)
                os.utime(path, ns=(stamp, stamp))
                now = os.lstat(path)
                if (now.st_ino, now.st_size) == (info.st_ino, info.st_size):
                    info = now
        self._index.note(_inside(sha256), sha256, info)

    def _move_aside(self, sha256: str, bad: os.stat_result, what: str) -> None:
        """Move a damaged file to `corrupt/` and report it, unless it was replaced meanwhile."""
        path, corrupt = self.path(sha256), f"{self.root}/corrupt/{sha256}"
        try:
            now = os.stat(path)
            if (now.st_dev, now.st_ino) != (bad.st_dev, bad.st_ino):
                return
            _rename(path, corrupt)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ActionError(
                f"{what} is damaged in the content store, and cannot be moved away:"
                f" {error.strerror or error}",
                fix=f"rm -f {path}  # or export BUILDLIB_STORE=/another/folder",
            ) from None
        self._warn(
            f"warning: {what} was damaged in the content store; it is fetched or made again"
            f" (the damaged file: {corrupt})"
        )

    def link_to(self, sha256: str, dest: str) -> bool:
        """Make `dest`, which does not exist, a hard link to a file.

        It shares content, mode (0444) and mtime (`stamp_ns`) with the store. Replace it, never
        write into it.

        Returns:
            False if the file system refuses (or has a limit of links), or if the file has another
            mode or mtime.
        """
        source = self.path(sha256)
        with suppress(FileNotFoundError):
            info = os.lstat(source)
            if info.st_mtime_ns != stamp_ns(sha256) or info.st_mode & 0o7777 != _MODE:
                return False
        with self.own_change(sha256):
            try:
                os.link(source, dest)
            except FileNotFoundError:
                if os.path.exists(source):
                    raise
                raise absent(self.root, sha256) from None
            except FileExistsError:
                raise
            except OSError:
                return False
        return True

    @contextmanager
    def own_change(self, sha256: str) -> Iterator[None]:
        """Keep a file's index entry while the caller makes or removes a link: its ctime changes."""
        inside, path = _inside(sha256), self.path(sha256)
        stamp = self._index.unchanged_stamp(inside)
        before = None
        with suppress(FileNotFoundError):
            before = os.lstat(path) if stamp else None
        yield
        if before is not None:
            with suppress(FileNotFoundError):
                after = os.lstat(path)
                same = ("st_ino", "st_size", "st_mtime_ns", "st_mode")
                if all(getattr(before, name) == getattr(after, name) for name in same):
                    self._index.note(inside, stamp, after)

    def temporary(self) -> str:
        """A path for a new file of a `Writer`; removes leftovers of dead processes once."""
        folder = f"{self.root}/incoming"
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise unwritable(self.root, error) from error
        if not self._swept:
            self._swept = True
            _sweep(folder)
        return f"{folder}/{_unique()}"


class Writer:
    """A file being written into the store; without `commit` it is removed on exit."""

    def __init__(self, store: ContentStore) -> None:
        from hashlib import sha256

        self._store = store
        self._path = store.temporary()
        self._file: IO[bytes] = open(self._path, "xb")  # noqa: SIM115  closed by __exit__
        self._hash = sha256()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        _remove(self._path)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def commit(self, expected: str | None = None, *, what: str = "the content") -> Stored:
        """Give the file its final name; nothing may be written afterwards.

        Raises:
            HashMismatch: It has another sha256; nothing was added.
        """
        self._file.close()
        actual = self._hash.hexdigest()
        if expected is not None and actual != expected:
            raise HashMismatch(what, expected=expected, actual=actual)
        self._store.adopt(self._path, actual)
        return Stored(actual, self._size)


def absent(root: str, sha256: str) -> ActionError:
    """The error for a file that the store lacks."""
    return ActionError(f"sha256 {sha256} is not in the content store {root}", fix="./doitw build")


def unwritable(root: str, error: OSError) -> ActionError:
    """The error for a full disk, or a folder that is not ours."""
    return ActionError(
        f"cannot write to the content store {root}: {error.strerror or error}",
        fix="export BUILDLIB_STORE=/folder/with/space  # or free space there",
    )


def hash_file(file: IO[bytes]) -> HASH:
    """The sha256 state of the rest of an open file."""
    from hashlib import sha256

    state = sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _inside(sha256: str) -> str:
    """Path of a file, relative to the store."""
    return f"sha256/{sha256[:2]}/{_digest(sha256)[2:]}"


def _is_digest(text: str) -> bool:
    """Whether a text is a sha256 in lower-case hex: nothing else may become a path."""
    return len(text) == len(_EMPTY) and text.isalnum() and text == text.lower()


def _digest(sha256: str) -> str:
    if not _is_digest(sha256):
        raise ValueError(f"not a sha256 in lower-case hexadecimal: {sha256!r}")
    return sha256


def _unique() -> str:
    """A file name that is unique among processes and threads (`tempfile` takes 10 ms to import)."""
    return f".{os.getpid()}-{os.urandom(6).hex()}"


def _rename(source: str, dest: str) -> None:
    try:
        os.replace(source, dest)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(dest), exist_ok=True)
        os.replace(source, dest)


def _sweep(folder: str) -> None:
    """Remove files of killed processes: nobody writes a file for a day.

    ctime counts: a file that is about to get its final name already has an mtime long past.
    """
    import time

    old = time.time() - _DAY
    for entry in os.scandir(folder):
        with suppress(OSError):  # removed by another process, or not ours
            if entry.stat().st_ctime < old:
                os.unlink(entry.path)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
