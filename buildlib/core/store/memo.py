"""The memo: a cache of parsed files by their content (compiled declarations, the parsed lock).

The memo is one marshal file, loaded whole and written only if something was added. It holds only
what the last run used. It only saves time: a damaged memo, or one of other code, is ignored.
"""

from __future__ import annotations

from typing import Any

from buildlib.core import cache_file


class Memo:
    """A persistent dict whose keys hold the content that their values were made from.

    Args:
        code: Fingerprint of the code that makes the values (`buildlib.core.fingerprint`).
    """

    def __init__(self, file: str, code: str) -> None:
        self._file = file
        self._kind = f"memo of {code}"
        self._entries: dict[Any, Any] = cache_file.load(file, self._kind)
        self._used: dict[Any, Any] = {}

    def get(self, key: Any) -> Any:
        value = self._entries.get(key)
        if value is not None:
            self._used[key] = value
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._used[key] = value

    def save(self) -> None:
        """Write what this run used, if the file holds something else."""
        if self._used.keys() == self._entries.keys():
            return
        cache_file.save(self._file, self._kind, self._used)
