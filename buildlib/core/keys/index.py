"""The digest index: the sha256 of files, remembered as long as their stat data can be trusted.

An index is one file, loaded whole and written only if it changed. An entry is trusted while size,
mtime, ctime and inode stay the same (ctime catches edits that restore size and mtime). A file with
timestamps so young that a later edit could fall into the same clock tick is hashed again the next
time (git calls these racy). A damaged index is thrown away: it only saves time.

The workspace, the content store and each build context have an index. A build with nothing to do
reads that of the workspace, and has no time for imports.
"""

from __future__ import annotations

import os
import time
from _operator import attrgetter
from stat import S_ISDIR, S_ISGID, S_ISLNK, S_ISREG, S_ISUID

from buildlib.core import cache_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable

    from buildlib.errors import InputError

    StatData = tuple[int, int, int, int, int]
    _Entry = tuple[StatData, str]  # with the stamp of that state

_KIND = "digest index 5"
_TICK_NS = 50_000_000
"""More than a kernel's clock tick (up to 10 ms), in nanoseconds."""
_COARSE_TICK_NS = 2_100_000_000
"""For file systems that hold whole seconds (or two, as FAT does), in nanoseconds."""
_BLOCK = 1 << 20
_READ_ATTEMPTS = 20
"""How often to read a file that changes while it is read."""

stat_data: Callable[[os.stat_result], StatData] = attrgetter(
    "st_mtime_ns", "st_ctime_ns", "st_size", "st_ino", "st_mode"
)


def is_old(data: StatData, now: int) -> bool:
    """Whether no change until `now` (in nanoseconds) can have left these stat data as they are."""
    coarse = data[1] % 1_000_000_000 == 0
    return now - max(data[0], data[1]) > (_COARSE_TICK_NS if coarse else _TICK_NS)


def file_sha256(path: str) -> str:
    """The sha256 of a file's content, in hex."""
    from _hashlib import openssl_sha256  # hashlib itself imports more than it takes to hash a file

    digest = openssl_sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return str(digest.hexdigest())


class DigestIndex:
    """Stamps (as `Tree.stamps` has them) of the files below one folder.

    Args:
        root: The folder that paths are relative to.
        shared: Other processes write the same index: keep what they added meanwhile.
    """

    def __init__(self, root: str, file: str, *, shared: bool = False) -> None:
        self._root = root
        self._file = file
        self._shared = shared
        loaded = cache_file.load(file, _KIND)
        self._entries: dict[str, _Entry] = loaded.get("entries", {})
        self.token: str = loaded.get("token", "")
        """Which index it is: each that is saved has another."""
        self._noted: set[str] = set()
        self._seen: set[str] = set()
        self._asked: list[Collection[str]] = []
        self._changed = False
        self.hashed = 0
        """How many files were read; tests count it."""

    def save(self) -> None:
        """Write the index if it changed, without files that are gone."""
        if not self._changed:
            return
        entries = dict(self._entries)
        if self._shared:
            own = {path: entries[path] for path in list(self._noted) if path in entries}
            entries = {**entries, **cache_file.load(self._file, _KIND).get("entries", {}), **own}
        asked = set().union(*self._asked)  # `stamps` looked at these in this run
        existing = {
            path: entry
            for path, entry in entries.items()
            if path in asked or os.path.lexists(f"{self._root}/{path}")
        }
        token = f"{time.time_ns()} {os.getpid()}"
        if cache_file.save(self._file, _KIND, {"entries": existing, "token": token}):
            self._changed, self.token = False, token
            for path in entries.keys() - existing.keys():
                self._entries.pop(path, None)

    def unchanged_stamp(self, path: str) -> str:
        """The stamp in the index if the file's stat data are unchanged; else an empty text."""
        entry = self._entries.get(path)
        if entry is None:
            return ""
        try:
            return entry[1] if stat_data(os.lstat(f"{self._root}/{path}")) == entry[0] else ""
        except OSError:
            return ""

    def others(self, paths: Iterable[str]) -> list[str] | None:
        """The files in the index that are not among these.

        None if one of these is not in it: an edit could go unseen.
        """
        others = dict.fromkeys(self._entries)
        try:
            for path in dict.fromkeys(paths):
                del others[path]
        except KeyError:
            return None
        return list(others)

    def holds(self, others: Container[str]) -> bool:
        """Whether all files in the index, but for some, are as they were when they were stamped.

        Where they are not, the first `stamps` need not look again at those that were seen here.
        """
        seen: list[str] = []
        before = f"{self._root}/"
        for path, entry in self._entries.items():
            try:
                same = stat_data(os.lstat(before + path)) == entry[0]
            except OSError:
                same = False
            if same:
                seen.append(path)
            elif path not in others:
                self._seen = set(seen)
                return False
        return True

    def note(self, path: str, stamp: str, info: os.stat_result) -> None:
        """Put a file that the caller has read or written whole into the index.

        Only for files whose mtime was set to a time long past. A later write changes that mtime, so
        the ctime need not be old to be trusted.

        Args:
            stamp: What `unchanged_stamp` will return.
            info: Its stat data, from before it was read or after it was written.
        """
        self._remember(path, stat_data(info), stamp)

    def _remember(self, path: str, data: StatData, stamp: str) -> None:
        self._entries[path] = (data, stamp)
        self._noted.add(path)
        self._changed = True

    def stamp(self, path: str) -> str:
        return self.stamps([path])[0]

    def stamps(self, paths: Collection[str]) -> list[str]:
        """The stamps of files. Hot: every file of a workspace goes through this loop."""
        lstat, entry_of, before = os.lstat, self._entries.get, f"{self._root}/"
        seen = self._seen
        stamps: list[str] = []
        self._asked.append(paths)
        for path in paths:
            if path in seen:
                seen.remove(path)
                stamps.append(self._entries[path][1])
                continue
            full = before + path
            try:
                info = lstat(full)
            except PermissionError:  # of a folder above it
                raise unreadable(os.path.dirname(path) or ".", self._root, folder=True) from None
            except OSError:
                self._forget(path)
                stamps.append("-")
                continue
            entry = entry_of(path)
            if entry is not None and entry[0] == stat_data(info):
                stamps.append(entry[1])
            else:
                stamps.append(self._restamp(path, full))
        return stamps

    def _restamp(self, path: str, full: str) -> str:
        """Read a file, and compare its stat data before and after, so that both fit the content."""
        for _ in range(_READ_ATTEMPTS):
            try:
                before = os.lstat(full)
                now = time.time_ns()
                if S_ISDIR(before.st_mode):
                    return "-"
                if S_ISLNK(before.st_mode):
                    stamp = "link " + os.readlink(full)
                elif S_ISREG(before.st_mode):
                    stamp = f"{_mode(path, before.st_mode)} {file_sha256(full)}"
                    self.hashed += 1
                else:
                    return "-"
                after = os.lstat(full)
            except FileNotFoundError:
                return "-"
            except OSError as error:
                raise unreadable(path, self._root, error.strerror or "") from None
            if stat_data(before) == stat_data(after):
                break
        else:  # it changes all the time: remember nothing, actions look again
            return stamp
        if is_old(stat_data(before), now):
            self._remember(path, stat_data(before), stamp)
        else:
            self._forget(path)
        return stamp

    def _forget(self, path: str) -> None:
        if self._entries.pop(path, None) is not None:
            self._changed = True


def unreadable(
    path: str, root: str, why: str = "Permission denied", *, folder: bool = False
) -> InputError:
    """The error for a file or folder of the workspace that the user may not read."""
    import shlex

    from buildlib.errors import InputError, Location

    bits = "rx" if folder else "r"
    try:
        own = os.lstat(f"{root}/{path}").st_uid == os.geteuid()
    except OSError:
        own = True
    change = f"chmod u+{bits}" if own else f"sudo chmod a+{bits}"
    return InputError(
        f"{path} cannot be read: {why}",
        where=Location(path, 0),
        fix=f"{change} {shlex.quote(path)}",
    )


def _mode(path: str, mode: int) -> str:
    """All that git keeps of a file's mode."""
    if mode & (S_ISUID | S_ISGID):
        from buildlib.errors import InputError, Location

        raise InputError(
            f"{path} runs as its owner or group (setuid, setgid), and git keeps no such mode",
            where=Location(path, 0),
            fix=f"chmod ug-s {path}  # and RUN chmod u+s in the Dockerfile",
        )
    return "755" if mode & 0o100 else "644"
