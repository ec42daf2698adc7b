"""A memo of what was made before of some content: compiled declarations, the parsed lock.

One marshal file, loaded whole, written only when something new was added, holding only what the
last run used. It saves time and nothing else: a damaged one is ignored, and so is one that other
code has made.
"""

from __future__ import annotations

from typing import Any

from buildlib.core import marshalled


class Memo:
    """A persistent dict whose keys hold the content that their values were made from.

    Args:
        code: Fingerprint of the code that makes the values (`buildlib.core.fingerprint`).
    """

    def __init__(self, file: str, code: str) -> None:
        self._file = file
        self._kind = f"memo of {code}"
        self._entries: dict[Any, Any] = marshalled.load(file, self._kind)
        self._used: dict[Any, Any] = {}

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
        marshalled.save(self._file, self._kind, self._used)
