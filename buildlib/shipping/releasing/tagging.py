"""Puts the tags of a release: a process of its own, which nothing that stops a release stops.

Between the first and the last tag a release is half there, for as long as some small requests take.
A process that is killed in that time would leave it so. Therefore the tags are put by a child
that leads a session of its own and was told everything before it begins: if its parent is killed
meanwhile, it still puts the rest. (The machine itself may fail in that time; the next run of the
release then puts what is missing.)

    python -I -m buildlib.shipping.releasing.tagging < what-to-put.json
"""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from buildlib.errors import ActionError, BuildError
from buildlib.outside.registry.protocol import Manifest, Registry
from buildlib.parallel import map_threads
from buildlib.shipping.releasing.model import Tag

_AT_ONCE = 8
_END = "\n.\n"
"""Ends what the child is told: half of it is never acted on."""
_REFUSED = 1


def run_apart(host: str, tags: Sequence[Tag]) -> None:
    """Put tags in a process that outlives this one; wait for its end.

    Args:
        host: The registry; the child finds its credentials as this process did.
    """
    told = {
        "host": host,
        "tags": [
            {
                "repository": tag.repository,
                "tag": tag.tag,
                "media_type": tag.manifest.media_type,
                "data": base64.b64encode(tag.manifest.data).decode(),
                "rank": tag.rank,
            }
            for tag in tags
        ],
    }
    child = subprocess.Popen(
        # -I: no module of the cwd
        [sys.executable, "-I", "-m", "buildlib.shipping.releasing.tagging"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, errors = child.communicate(json.dumps(told) + _END)
    if child.returncode:
        raise ActionError(
            "not all tags of the release could be put",
            detail=errors.strip(),
            fix="run the release again: it puts those that are missing",
        )


def put_all(registry: Registry, tags: Sequence[dict[str, Any]]) -> None:
    """Put tags, several at once, those of a lower rank first.

    Args:
        tags: As `run_apart` writes them.

    Raises:
        BuildError: One could not be put; those of its rank were all tried.
    """

    def put(tag: Mapping[str, Any]) -> Exception | None:
        manifest = Manifest(tag["media_type"], base64.b64decode(tag["data"]))
        try:
            registry.put_manifest(tag["repository"], tag["tag"], manifest)
        except Exception as error:  # noqa: BLE001  the others of its rank are put all the same
            return error
        return None

    registry.ping()  # the login and a connection are made before the first tag is visible
    for rank in sorted({tag["rank"] for tag in tags}):
        ended = map_threads(put, [tag for tag in tags if tag["rank"] == rank], threads=_AT_ONCE)
        failed = next((error for error in ended if error), None)
        if failed:
            raise failed


def _connect(host: str) -> Registry:
    from buildlib.outside.registry.client import connect

    return connect(host)


def main(connect: Callable[[str], Registry] | None = None) -> int:
    """Put the tags that standard input holds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    text = sys.stdin.read()
    if not text.endswith(_END):
        return _REFUSED  # whoever started this was stopped before all was told
    told = json.loads(text.removesuffix(_END))
    try:
        put_all((connect or _connect)(told["host"]), told["tags"])
    except BuildError as error:
        with suppress(OSError):  # nobody may be there any more to read it
            sys.stderr.write(error.render() + "\n")
            sys.stderr.flush()
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
