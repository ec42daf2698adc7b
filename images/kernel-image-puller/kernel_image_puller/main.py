"""The loop: ask for names, pull what they name, wait; until told to stop.

`python -m kernel_image_puller` runs it; with `--check` it says whether a running one is well.
Exit codes: 0 stopped as asked (or well), 1 not well, 2 the settings are wrong.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import NoReturn

from kernel_image_puller.errors import FetchFailed, SettingsError
from kernel_image_puller.health import Heartbeat, check
from kernel_image_puller.references import InvalidReference, Reference, parse_reference
from kernel_image_puller.settings import Settings, read_settings

log = logging.getLogger("kernel_image_puller")
HASTE = 5.0  # seconds between rounds until one has succeeded
_SLICE = 10.0  # seconds between heartbeats while images are pulled


class Stopped(BaseException):
    """Raised in the midst of whatever the main thread waits for."""


def main(argv: Sequence[str]) -> int:
    """Run the command line; see the module."""
    if list(argv) not in ([], ["--check"]):
        print("usage: python -m kernel_image_puller [--check]", file=sys.stderr)
        return 2
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for line in str(error).splitlines():
            print(f"kernel_image_puller: {line}", file=sys.stderr)
        return 2
    if argv:
        well, said = check(settings.heartbeat)
        print(said)
        return 0 if well else 1
    logging.basicConfig(
        stream=sys.stderr, format="[%(levelname)1.1s %(asctime)s %(threadName)s] %(message)s"
    )
    log.setLevel(settings.log_level)  # ours only: libraries tell at DEBUG what is nobody's business
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        run(settings)
    except Stopped:
        log.info("stopped")
    logging.shutdown()
    # Not `return`: Python would wait for libraries that wait for pulls.
    os._exit(0)


def run(settings: Settings, sleep: Callable[[float], None] = time.sleep) -> NoReturn:
    """Go round for ever."""
    # Imported here: `--check` runs every minute and needs none of them.
    from kernel_image_puller.credentials import find_credentials
    from kernel_image_puller.fetchers import make_fetcher
    from kernel_image_puller.rounds import Round, Rules
    from kernel_image_puller.runtimes import make_runtime
    from kernel_image_puller.web import TIMEOUT

    fetch = make_fetcher(settings)
    runtime = make_runtime(settings.endpoint)
    rules = Rules(
        always=settings.always,
        retries=settings.num_retries,
        workers=settings.num_pullers,
        keyring=partial(find_credentials, settings.docker_config),
    )
    # Two intervals, and the time that asking for names may take.
    heartbeat = Heartbeat(settings.heartbeat, 2 * settings.interval + TIMEOUT)
    log.info("images for %s from %s", settings.endpoint, ", ".join(settings.fetchers))
    pause = HASTE
    while True:
        sleep(pause)
        begun = time.monotonic()
        try:
            names = fetch()
        except FetchFailed as error:
            log.error("no names of images: %s; asking again in %.0f s", error, pause)  # noqa: TRY400
            continue
        images = wanted(names, settings.default_registry)
        current = Round(runtime, images, rules).start()
        while not current.wait(_SLICE):
            if current.answered:
                heartbeat.beat(f"pulling some of {len(images)} images")
        result = current.result()
        said = (
            f"{len(images)} images: {len(result.pulled)} pulled, {len(result.present)} there,"
            f" {len(result.failed)} failed"
        )
        if not result.unreachable:
            pause = settings.interval
            missing = f"; missing: {', '.join(result.failed)}" if result.failed else ""
            heartbeat.beat(said + missing)
        log.info("%s, in %.1f s; next in %.0f s", said, time.monotonic() - begun, pause)


def wanted(names: Sequence[str], default_registry: str) -> list[Reference]:
    """The images that names stand for, each once; what names none is reported and left out."""
    images: dict[str, Reference] = {}
    for name in dict.fromkeys(names):
        try:
            image = parse_reference(name, default_registry)
        except InvalidReference as error:
            log.warning("left out: %s", error)
        else:
            images.setdefault(str(image), image)
    return list(images.values())


def _stop(number: int, _: FrameType | None) -> None:
    """Leave whatever is being waited for; a second signal changes nothing."""
    signal.signal(number, signal.SIG_IGN)
    # Python drops what is raised while it clears an object away; this is for that chance.
    last_resort = threading.Timer(1.5, os._exit, [0])
    last_resort.daemon = True
    last_resort.start()
    raise Stopped
