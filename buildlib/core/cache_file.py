"""Cache files: a dict in a file that is read and written whole, and ignored if damaged.

`marshal` is built in and loads faster than anything else, but it may only read its own output. So a
magic line (with the version of Python, as values may hold code objects) and a CRC precede the data,
and a file that does not fit is an empty dict.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:  # a build with nothing to do reads such a file, and has no time for the module
    from typing import Any

_PYTHON = f"{sys.implementation.cache_tag} {sys.hexversion:x}"


def load(file: str, kind: str) -> dict[Any, Any]:
    """The dict that `save` wrote; empty if the file is missing, damaged or of another kind."""
    try:
        with open(file, "rb") as opened:
            data = opened.read()
    except OSError:
        return {}
    magic = _magic(kind)
    head = len(magic)
    payload = data[head + 4 :]
    if data[:head] != magic or data[head : head + 4] != zlib.crc32(payload).to_bytes(4, "big"):
        return {}
    try:
        entries = marshal.loads(payload)  # noqa: S302 - our own file, checked by its CRC
    except (ValueError, EOFError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def save(file: str, kind: str, entries: dict[Any, Any]) -> bool:
    """Write a dict of plain values by rename; returns False if it cannot be written."""
    payload = marshal.dumps(entries)
    temporary = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(temporary, "wb") as opened:
            opened.write(_magic(kind) + zlib.crc32(payload).to_bytes(4, "big") + payload)
        os.replace(temporary, file)
    except OSError:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        return False
    return True


def _magic(kind: str) -> bytes:
    return f"buildlib {kind} {_PYTHON}\n".encode()
