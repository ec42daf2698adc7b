"""gzip without name and time: with one version of zlib, equal archives give equal files."""

from __future__ import annotations

from typing import IO

_LEVEL = 6
_BLOCK = 1 << 20


def compress(source: IO[bytes], out: IO[bytes]) -> None:
    """Write a file in gzip format."""
    import gzip
    import shutil

    with gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed:
        shutil.copyfileobj(source, packed, _BLOCK)


def unpacked_sha256(path: str) -> str:
    """The sha256 of a file's content, uncompressed if it ends in `.gz`; empty if unreadable."""
    import gzip
    import zlib
    from hashlib import sha256

    state = sha256()
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
    except (OSError, EOFError, zlib.error):
        return ""
    return state.hexdigest()
