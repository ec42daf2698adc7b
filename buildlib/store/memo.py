"""A memo of what was parsed before, by content: compiled declarations and the parsed lock.

One marshal file, loaded whole, written only when something new was added, holding only what the
last run used. It saves time and nothing else: a damaged or foreign one is ignored.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from typing import Any

_MAGIC = f"buildlib memo 1 {sys.implementation.cache_tag} {sys.hexversion:x}\n".encode()


class Memo:
    """A persistent dict whose keys hold the content that their values were made from.

    Args:
        file: Where it is kept.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._entries: dict[Any, Any] = self._load()
        self._used: dict[Any, Any] = {}

    def _load(self) -> dict[Any, Any]:
        try:
            with open(self._file, "rb") as file:
                data = file.read()
        except OSError:
            return {}
        head = len(_MAGIC)
        payload = data[head + 4 :]
        if data[:head] != _MAGIC or data[head : head + 4] != zlib.crc32(payload).to_bytes(4, "big"):
            return {}
        try:
            entries = marshal.loads(payload)  # noqa: S302 - our own file, checked by its CRC
        except (ValueError, EOFError, TypeError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def get(self, key: Any) -> Any:
        """What was kept for a key, or None."""
        value = self._entries.get(key)
        if value is not None:
            self._used[key] = value
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._used[key] = value

    def save(self) -> None:
        """Write what this run used, where it differs from what the file holds."""
        if self._used.keys() == self._entries.keys():
            return
        payload = marshal.dumps(self._used)
        temporary = f"{self._file}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._file), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(_MAGIC + zlib.crc32(payload).to_bytes(4, "big") + payload)
            os.replace(temporary, self._file)
        except OSError:
            return
