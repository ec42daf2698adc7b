"""Progress of a transfer: one redrawn line on a terminal, else a line every few seconds.

Knows four numbers and a stream, not downloads or images. The rate is that of the last seconds, so
it does not count bytes of an earlier run.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

Observer = Callable[[int, int, int, int], None]
"""Called with bytes done, total bytes (as far as known), files done, total files."""

_WINDOW = 5.0  # seconds that the rate is taken over
_QUIET = 5.0  # seconds between two lines where nobody watches
_CLEAR = "\x1b[K"  # to the end of the line


class Progress:
    """An observer; use it as a context manager, which always ends the line.

    Args:
        stream: Where to write.
        live: Redraw one line; else write a line every few seconds, and the last one.
        clock: Returns seconds.
        verb: The first word of the line.
        things: What is counted, in the plural.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        live: bool,
        clock: Callable[[], float] = time.monotonic,
        verb: str = "fetch",
        things: str = "files",
    ) -> None:
        self._verb = verb
        self._things = things
        self._stream = stream
        self._live = live
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._written = clock()
        self._drawn = False
        self._line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            if self._drawn:
                self._stream.write("\n")
        elif self._line:
            self._stream.write(self._line + "\n")
        self._stream.flush()

    def __call__(self, done: int, total: int, files: int, all_files: int) -> None:
        now = self._clock()
        line = self._text(done, total, files, all_files, self._rate(now, done))
        if self._live:
            if line != self._line:
                self._stream.write(f"\r{line[: _width(self._stream)]}{_CLEAR}")
                self._stream.flush()
                self._drawn = True
            self._line = line
        elif now - self._written >= _QUIET:
            self._stream.write(line + "\n")
            self._stream.flush()
            self._written = now
            self._line = ""
        else:
            self._line = line

    def tell(self, line: str) -> None:
        """Write a line above the progress."""
        self._stream.write(f"\r{_CLEAR}{line}\n" if self._drawn else f"{line}\n")
        self._stream.flush()
        self._drawn, self._line = False, ""

    def _text(self, done: int, total: int, files: int, all_files: int, rate: float) -> str:
        count = f"{files:>{len(str(all_files))}}/{all_files} {self._things}"
        line = f"{self._verb}  {count}"
        if total:  # else nothing has to move
            line += f"  {done / 1e6:.1f}/{total / 1e6:.1f} MB"
        if rate and done < total:
            line += f"  {rate / 1e6:.1f} MB/s  {_duration((total - done) / rate)} left"
        return line

    def _rate(self, now: float, done: int) -> float:
        """Bytes per second over the window; 0 while unknown."""
        samples = self._samples
        samples.append((now, done))
        while now - samples[0][0] > _WINDOW:
            samples.popleft()
        passed = now - samples[0][0]
        return max(0.0, (done - samples[0][1]) / passed) if passed > 0 else 0.0


def progress_for(stream: TextIO, *, verb: str = "fetch", things: str = "files") -> Progress:
    """Live progress on a terminal (but not in a CI run), plain progress elsewhere."""
    terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Progress(stream, live=terminal and not os.environ.get("CI"), verb=verb, things=things)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width(stream: TextIO) -> int:
    """Columns to use: one less than there are, as a full line wraps and cannot be redrawn."""
    try:
        return max(20, os.get_terminal_size(stream.fileno()).columns - 1)
    except (OSError, ValueError):
        return 79
