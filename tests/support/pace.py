"""Promises of time, on machines that have other things to do as well.

    with promptly(2):
        stop()

Lateness alone fails no test: seconds in which somebody waited for a processor or for the disk are
not counted, as Linux tells them (`/proc/pressure`). The disk counts, since the engine writes back
what other tests have written before a container is gone. Still nothing is prompt that took `BROKEN`
seconds: let what is broken take longer than that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROKEN = 40.0
"""Seconds after which nothing is prompt any more, on any machine."""


@contextmanager
def promptly(seconds: float) -> Iterator[None]:
    """What is done within takes no longer than this on a machine that does nothing else."""
    began, waited = time.monotonic(), _waited()
    yield
    passed = time.monotonic() - began
    alone = passed - (_waited() - waited)
    assert alone < seconds, f"took {passed:.1f} s, {alone:.1f} of them waiting for nothing"
    assert passed < max(seconds, BROKEN), f"took {passed:.1f} s"


def _waited() -> float:
    """Seconds since the start in which somebody waited for processor or disk; 0 if unknown."""
    return _pressure("cpu") + _pressure("io")


def _pressure(resource: str) -> float:
    try:
        told = Path(f"/proc/pressure/{resource}").read_text()
    except OSError:
        return 0.0
    found = re.search(r"some .* total=(\d+)", told)
    return int(found[1]) / 1e6 if found else 0.0
