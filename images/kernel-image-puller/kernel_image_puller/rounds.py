"""One round: a list of images, a few workers, and tries that wait their turn.

Nothing is kept from one round to the next. What is there is asked of the runtime each time, so an
image that somebody removed comes back, and one that left the list is forgotten.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kernel_image_puller.credentials import Credentials
from kernel_image_puller.errors import PullFailed, RuntimeUnreachable
from kernel_image_puller.references import Reference
from kernel_image_puller.runtimes import Runtime

log = logging.getLogger("kernel_image_puller")
FIRST_DELAY = 5.0  # seconds before the second try; doubled for each further one
LONGEST_DELAY = 60.0
Keyring = Callable[[Reference], Credentials | None]


@dataclass(frozen=True)
class Rules:
    """How the images of a round are pulled.

    Attributes:
        always: Pull also what is there.
        retries: Further tries after the first.
        workers: Images pulled at a time.
        keyring: Gives the credentials for an image.
        first_delay: Seconds before the second try.
    """

    always: bool
    retries: int
    workers: int
    keyring: Keyring
    first_delay: float = FIRST_DELAY


@dataclass(frozen=True)
class Result:
    """How a round ended."""

    pulled: tuple[str, ...]
    present: tuple[str, ...]
    failed: tuple[str, ...]
    unreachable: bool  # there was something to ask, and the runtime never answered


@dataclass(order=True)
class _Job:
    """An image that is still to come; ordered by when its turn is."""

    due: float
    number: int  # decides between equal times: as the list has it
    image: Reference = field(compare=False)
    begun: float = field(default=0.0, compare=False)
    tries: int = field(default=0, compare=False)


class Round:
    """A round that runs in threads of its own, from `start` until `wait` says that it is over.

    The threads are daemons: a puller that is told to stop does not wait for them.
    """

    def __init__(self, runtime: Runtime, images: Sequence[Reference], rules: Rules) -> None:
        self._runtime = runtime
        self._rules = rules
        self._waiting = [_Job(0.0, number, image) for number, image in enumerate(images)]
        self._open = len(images)  # neither there nor given up
        self._changed = threading.Condition()
        self._done: dict[str, list[str]] = {"pulled": [], "present": [], "failed": []}
        self._answered = not images

    def start(self) -> Round:
        """Begin."""
        for number in range(min(self._rules.workers, self._open)):
            threading.Thread(target=self._work, name=f"puller-{number + 1}", daemon=True).start()
        return self

    def wait(self, seconds: float) -> bool:
        """Wait so long for the end; whether it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout=seconds)

    @property
    def answered(self) -> bool:
        """Whether the runtime has answered anything yet, be it with a refusal."""
        return self._answered

    def result(self) -> Result:
        """What came of it."""
        with self._changed:
            done = {kind: tuple(sorted(names)) for kind, names in self._done.items()}
            return Result(**done, unreachable=not self._answered)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._try(job)

    def _next(self) -> _Job | None:
        """The next image whose turn it is; None when no work is left."""
        with self._changed:
            while self._open:
                pause = self._waiting[0].due - time.monotonic() if self._waiting else None
                if pause is not None and pause <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(pause)
        return None

    def _try(self, job: _Job) -> None:
        """One try; what may still come is put back to wait without keeping a worker."""
        job.begun = job.begun or time.monotonic()
        job.tries += 1
        credentials: Credentials | None = None
        try:
            present = self._runtime.has(job.image)
            self._answered = True
            if present and not self._rules.always:
                log.debug("%s is there", job.image)
                self._end(job, "present")
                return
            credentials = self._rules.keyring(job.image)
            log.info("pulling %s (try %d) ...", job.image, job.tries)
            self._runtime.pull(job.image, credentials)
        except PullFailed as error:
            message = credentials.hidden_in(str(error)) if credentials else str(error)
            self._failed(job, message, error)
        except Exception as error:  # noqa: BLE001  # one image's surprise is not the others' end
            self._failed(job, type(error).__name__, error)
        else:
            log.info("pulled %s in %.1f s", job.image, time.monotonic() - job.begun)
            self._end(job, "pulled")

    def _failed(self, job: _Job, message: str, error: Exception) -> None:
        """Give up, or say when the next try is."""
        message = " ".join(message.split())[:1000]  # one line, whatever a registry answers
        if getattr(error, "permanent", False) or job.tries > self._rules.retries:
            spent = time.monotonic() - job.begun
            log.error("gave up %s: try %d, %.1f s: %s", job.image, job.tries, spent, message)
            self._end(job, "failed", answered=not isinstance(error, RuntimeUnreachable))
            return
        delay = min(self._rules.first_delay * 2 ** (job.tries - 1), LONGEST_DELAY)
        delay *= random.uniform(0.75, 1.25)  # noqa: S311  # all nodes at once would be too many
        log.warning("%s: try %d failed, next in %.0f s: %s", job.image, job.tries, delay, message)
        with self._changed:
            self._answered |= not isinstance(error, RuntimeUnreachable)
            job.due = time.monotonic() + delay
            heapq.heappush(self._waiting, job)
            self._changed.notify_all()

    def _end(self, job: _Job, kind: str, *, answered: bool = True) -> None:
        with self._changed:
            self._done[kind].append(str(job.image))
            self._answered |= answered
            self._open -= 1
            self._changed.notify_all()
