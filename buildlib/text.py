"""Small texts for people."""

from __future__ import annotations

_TENTHS_BELOW = 10
_MINUTE = 60
_GB = 10**9


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE} min {whole % _MINUTE} s"


def size(count: int) -> str:
    """Bytes for people: `12.3 MB`, `1.46 GB`."""
    return f"{count / 1e9:.2f} GB" if count >= _GB else f"{count / 1e6:.1f} MB"
