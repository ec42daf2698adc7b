"""The no-op cache: what the last run with nothing to do looked at, and what it said.

A run depends on its words, on some variables, on files (of the workspace, the store and our own
code) and on the engine's answers. If all of them are as they were, a run would come to the same
end, so the same is said again, and nothing is loaded: neither declarations nor keys. In all other
cases the run takes its full course, and may be cached anew.

Who looks at something says so in a list (`looked_at`) that the workspace hands to `put`. A file is
what its stat data are; those of sources are in the digest index, so an entry only says which index
it goes with. What else changed after the run began, or so shortly before that a clock tick may hide
a change, is not cached: it may be other than what the run saw.

Each build starts here. So this module, and those that it imports, import nothing but built-ins.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from buildlib.core import cache_file
from buildlib.core.keys.index import DigestIndex, is_old, stat_data
from buildlib.engine.wire import Connection, Pipeline, unix_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from buildlib.core.keys.index import StatData

MARKER = "dodo.py"
VERSION_FILE = "VERSION"
_CACHED = ("build", "plan", "doit")
"""What has an entry: two verbs, and the front door of plain doit."""
_TIMEOUT = 60.0
_VARIABLES = (
    "BUILDLIB_STORE", "CI", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST",
    "DOCKER_TLS_VERIFY", "HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""What a run with nothing to do may read of the environment; a test holds it."""
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BEGAN = time.time_ns()
_read: dict[str, DigestIndex] = {}
"""By root: the index that `repeat` has read in vain."""


def find_root(start: str) -> str | None:
    """The nearest folder, from `start` upwards, with a `dodo.py` and a `VERSION`."""
    folder = os.path.realpath(start)
    while not all(os.path.exists(f"{folder}/{name}") for name in (MARKER, VERSION_FILE)):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder


def repeat(words: Sequence[str]) -> bool:
    """Say what these words said the last time, if they would say the same now.

    Both front doors call it first of all.

    Args:
        words: The command line; the first is the front door, `doitw` or `doit`.
    """
    gc.disable()  # a build with nothing to do ends before anything is worth collecting
    name = _name(words)
    try:
        root = find_root(os.getcwd()) if name else None
        entry = cache_file.load(_file(root, name), _kind()) if root else {}
        if root is None or not entry or entry["run"] != _run(words) or not _holds(entry, root):
            return False
        text: bytes = entry["said"].encode(sys.stdout.encoding)
        while text:
            text = text[os.write(sys.stdout.fileno(), text) :]
    except (AttributeError, OSError, ValueError):  # no folder, no stdout, or one that is full
        return False  # the full course tells what is wrong
    return True


def index_of(root: str) -> DigestIndex:
    """The digest index of a workspace, which `repeat` may have read already."""
    return _read.pop(root, None) or DigestIndex(root, f"{root}/.buildlib/index")


def _holds(entry: Mapping[str, Any], root: str) -> bool:
    """Whether files and engine are as they were; the engine answers while we look at files."""
    pipeline = Pipeline(
        lambda: Connection(unix_socket(entry["socket"], _TIMEOUT)), list(entry["answers"])
    )
    try:
        for path, state in entry["files"].items():
            if _state(path) != state:
                return False
        for path, size in entry["sizes"].items():
            if os.stat(path).st_size != size:
                return False
        index = _read[root] = index_of(root)
        if index.token != entry["index"] or not index.holds(entry["others"]):
            return False
        answers = [(answer.status, answer.body) for answer in pipeline.collect()]
        return answers == list(entry["answers"].values())
    finally:
        pipeline.close()


def put(
    root: str,
    words: Sequence[str],
    said: str,
    *,
    began: int,
    files: Iterable[str],
    index: str,
    others: list[str],
    sizes: dict[str, int],
    socket: str,
    answers: dict[str, tuple[int, bytes]],
) -> None:
    """Cache a run that found nothing to do, if all that it looked at is old enough.

    Args:
        began: When it began to look, in nanoseconds.
        files: What it looked at, absolute; also folders that it listed.
        index: Token of the digest index, which is saved.
        others: Files in it that the run did not look at.
        sizes: Files of which it asked nothing but the size.
        socket: Of the engine; `answers` are what that said to which path.
    """
    name = _name(words)
    states = {path: _state(path) for path in files}
    code = {path: _state(path) for path in _code()}
    if name and _are_old(states, began) and _are_old(code, _BEGAN):
        entry = {
            "run": _run(words),
            "said": said,
            "files": {**code, **states},
            "index": index,
            "others": others,
            "sizes": sizes,
            "socket": socket,
            "answers": answers,
        }
        cache_file.save(_file(root, name), _kind(), entry)


def remove(root: str, words: Sequence[str]) -> None:
    """Remove the entry of a run that found something to do: looking at it only costs time."""
    try:
        os.unlink(_file(root, _name(words)))
    except OSError:
        return


def _name(words: Sequence[str]) -> str:
    name = (words[0] if words[0] == "doit" else [*words, "build"][1]) if words else ""
    return name if name in _CACHED else ""


def _file(root: str, name: str) -> str:
    return f"{root}/.buildlib/noop-{name}"


def _kind() -> str:
    """What an entry of this code is called: other code may put other things into it."""
    return f"no-op of {_state(__file__)}"


def _run(words: Sequence[str]) -> Any:
    """What a run depends on beside files and the engine."""
    environ = os.environ.get
    who = (os.geteuid(), sorted(os.getgroups()))
    return (tuple(words), os.getcwd(), _HOME, who, [environ(name) for name in _VARIABLES])


def _state(path: str) -> StatData | None:
    try:
        return stat_data(os.lstat(path))
    except OSError:
        return None


def _are_old(states: Mapping[str, StatData | None], began: int) -> bool:
    return all(is_old(state, began) for state in states.values() if state)


def _code() -> set[str]:
    """The files of our own code that this process runs, and the folders where they are found."""
    loaded = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = {file for file in loaded if file and file.startswith(f"{_HOME}/")}
    return files | {os.path.dirname(file) for file in files}
