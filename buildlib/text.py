"""Small texts for people."""

from __future__ import annotations

_TENTHS_BELOW = 10
_MINUTE = 60
_GB = 10**9
LINE = 100
"""Characters of a line at most, where what is left out can be asked for."""


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE} min {whole % _MINUTE} s"


def size(count: int) -> str:
    """Bytes for people: `12.3 MB`, `1.46 GB`."""
    return f"{count / 1e9:.2f} GB" if count >= _GB else f"{count / 1e6:.1f} MB"


def clipped(line: str, end: str = "", *, whole: bool = False) -> str:
    """A line of at most `LINE` characters, with its end; `whole` leaves it as it is."""
    room = LINE - len(end)
    return (line if whole or len(line) <= room else f"{line[: room - 1]}…") + end


def wrapped(line: str) -> list[str]:
    """A line over as many lines as it needs."""
    from textwrap import TextWrapper

    names_whole = TextWrapper(LINE, break_long_words=False, break_on_hyphens=False)
    names_whole.subsequent_indent = "  "
    return names_whole.wrap(line)
