"""A partial download: a file that is locked against other processes and resumed after a kill.

It lies in the store's `part/` folder under its final digest. The lock is on that file itself, so it
ends with its process, even when killed. A `.from` file beside it keeps the URL and the validator
(ETag or Last-Modified), so that a resumed request asks for the rest of the same content only.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from buildlib.core.store.content import ContentStore, hash_file
from buildlib.outside.web.retry import Stopped

if TYPE_CHECKING:
    from typing_extensions import Self

_POLL = 0.05  # seconds between looks at a lock that another process holds


class PartFile:
    """A context manager in which this process alone fetches a digest.

    Entering waits for another process that fetches it; look into the store again afterwards. The
    partial file stays for the next attempt.

    Attributes:
        size: Bytes that have arrived.
        expected: Whole size in bytes by the server's headers; 0 where they do not tell.
        resumed: Whether it holds bytes of more than one response.
    """

    def __init__(self, store: ContentStore, digest: str, stop: threading.Event) -> None:
        self._store = store
        self._digest = digest
        self._stop = stop
        self._path = store.partial(digest)
        self._origin_path = f"{self._path[: -len('.part')]}.from"
        self._fd = -1
        self._state = sha256()
        self.size = 0
        self.expected = 0
        self.resumed = False

    def __enter__(self) -> Self:
        self._fd = self._lock()
        with open(self._path, "rb") as file:
            self._state = hash_file(file)
            self.size = file.tell()
        self.resumed = self.size > 0
        return self

    def __exit__(self, *_: object) -> None:
        if not self.size and _is_file(self._fd, self._path):
            for path in (self._origin_path, self._path):
                with suppress(FileNotFoundError):
                    os.unlink(path)
        os.close(self._fd)

    def write(self, data: bytes) -> None:
        """Append without buffering."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._state.update(data)
        self.size += len(data)

    def restart(self) -> None:
        os.ftruncate(self._fd, 0)
        self._state = sha256()
        self.size = 0
        self.resumed = False

    def digest(self) -> str:
        """The sha256 of what has arrived."""
        return self._state.hexdigest()

    def finish(self) -> None:
        """Move it to its final name in the store; the caller has checked `digest`."""
        self._store.adopt(self._path, self._digest)
        with suppress(FileNotFoundError):
            os.unlink(self._origin_path)

    def validator(self, url: str) -> str:
        """The validator of the content at this URL, for If-Range; "" if unknown."""
        try:
            with open(self._origin_path, encoding="utf-8") as file:
                origin, _, name = file.read().partition("\n")
        except (FileNotFoundError, UnicodeDecodeError):
            return ""
        return name if origin == url else ""

    def remember(self, url: str, validator: str) -> None:
        """Keep where the bytes come from; `url` has to be redacted."""
        with open(self._origin_path, "w", encoding="utf-8") as file:
            file.write(f"{url}\n{validator}")

    def _lock(self) -> int:
        """Open (or create) and lock the file.

        The process that held the lock may have renamed or removed the file. Then our lock is on a
        file without that name, and the file is opened again.
        """
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                self._wait_for(fd)
            except BaseException:
                os.close(fd)
                raise
            if _is_file(fd, self._path):
                return fd
            os.close(fd)

    def _wait_for(self, fd: int) -> None:
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._stop.wait(_POLL):
                    raise Stopped from None


def _is_file(fd: int, path: str) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
