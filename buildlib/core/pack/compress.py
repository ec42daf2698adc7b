"""gzip without name and time: with one version of zlib, equal archives give equal files."""

from __future__ import annotations

from typing import IO

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no system
_LEVEL = 6
_BLOCK = 1 << 20


def compress(source: IO[bytes], out: IO[bytes]) -> None:
    """Write a file in gzip format."""
    import zlib

    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    check = size = 0
    out.write(_HEADER)
    while block := source.read(_BLOCK):
        check = zlib.crc32(block, check)
        size += len(block)
        out.write(compressor.compress(block))
    out.write(compressor.flush())
    out.write(check.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))


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
