"""Small texts for people."""

from __future__ import annotations

_TENTHS_BELOW = 10
_MINUTE = 60


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE} min {whole % _MINUTE} s"
