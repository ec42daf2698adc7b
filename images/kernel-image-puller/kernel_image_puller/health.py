"""The heartbeat: a small file that says how long the puller may be taken to be well.

It is written after each round in which the names were got and the runtime answered, and while pulls
of such a round run; an image that a registry does not have makes nobody ill. Times are those of
the machine's own clock since its start, which nobody sets.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable

log = logging.getLogger("kernel_image_puller")


class Heartbeat:
    """Writes the file; that it cannot is told once and stops nothing.

    Args:
        path: The file.
        seconds: How long a beat is good for.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._told = False
        with contextlib.suppress(OSError):
            os.unlink(path)  # an earlier run's; its times may be of an earlier start of the machine

    def beat(self, said: str) -> None:
        """Be well from now on, and have this to say to who asks."""
        fresh = f"{self._path}.new"
        try:
            with open(fresh, "w", encoding="utf-8") as file:
                json.dump({"until": time.monotonic() + self._seconds, "said": said}, file)
            os.replace(fresh, self._path)
        except OSError as error:
            if not self._told:
                log.warning("no heartbeat, so health checks will fail: %s", error)
            self._told = True


def check(path: str, clock: Callable[[], float] = time.monotonic) -> tuple[bool, str]:
    """Whether the puller that writes this file is well, and what it said last."""
    try:
        with open(path, encoding="utf-8") as file:
            beat = json.load(file)
        until, said = float(beat["until"]), str(beat["said"])
    except FileNotFoundError:
        return False, "no round has succeeded yet"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return False, f"{path} is no heartbeat: {error}"
    late = clock() - until
    if late > 0:
        return False, f"no round has succeeded in the last two intervals; the last one: {said}"
    return True, said
