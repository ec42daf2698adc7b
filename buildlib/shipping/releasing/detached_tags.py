"""Puts the tags of a release in a detached process, which outlives the release that started it.

Between the first and the last tag a release is half visible, for the time of some small requests. A
process that is killed in that time would leave it so. Therefore a child process in a session of its
own puts the tags, and begins when it has the whole request: if its parent is killed, it still puts
the rest. (If the machine itself fails then, the next run of the release puts what is missing.)

    python -I -m buildlib.shipping.releasing.detached_tags < HOST-AND-TAGS

The request is a pickle, of which a part is never taken for the whole.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from buildlib.errors import ActionError, BuildError
from buildlib.outside.registry.protocol import Registry
from buildlib.parallel import map_threads
from buildlib.shipping.releasing.model import Tag

_AT_ONCE = 8
_FAILED = 1


def put_detached(host: str, tags: Sequence[Tag]) -> None:
    """Put tags in a process that outlives this one, and wait for it.

    Args:
        host: The registry; the child finds the credentials by itself.
    """
    child = subprocess.Popen(
        # -I: imports nothing from the current folder
        [sys.executable, "-I", "-m", "buildlib.shipping.releasing.detached_tags"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _, errors = child.communicate(pickle.dumps((host, list(tags))))
    if child.returncode:
        raise ActionError(
            "not all tags of the release could be put",
            detail=errors.decode(errors="replace").strip(),
            fix="run the release again: it puts those that are missing",
        )


def put_all(registry: Registry, tags: Sequence[Tag]) -> None:
    """Put tags, several at once, those of a lower rank first.

    Raises:
        BuildError: A tag could not be put; all others of its rank were tried.
    """

    def put(tag: Tag) -> Exception | None:
        try:
            registry.put_manifest(tag.repository, tag.tag, tag.manifest)
        except Exception as error:  # noqa: BLE001  the others of its rank are put all the same
            return error
        return None

    registry.ping()  # the login and a connection are made before the first tag is visible
    for rank in sorted({tag.rank for tag in tags}):
        results = map_threads(put, [tag for tag in tags if tag.rank == rank], threads=_AT_ONCE)
        failed = next((error for error in results if error), None)
        if failed:
            raise failed


def _connect(host: str) -> Registry:
    from buildlib.outside.registry.client import connect

    return connect(host)


def main(connect: Callable[[str], Registry] = _connect) -> int:
    """Put the tags of the request on standard input; returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    try:
        host, tags = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  from our own parent
    except (EOFError, pickle.UnpicklingError):
        return _FAILED  # the parent was stopped while it sent the request
    try:
        put_all(connect(host), tags)
    except BuildError as error:
        with suppress(OSError):  # the parent may be gone
            sys.stderr.write(error.render() + "\n")
            sys.stderr.flush()
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
