"""What a test takes of the repository while it runs: files, folders, and programs it starts.

It listens to Python's audit events, so nothing is wrapped and nothing can be forgotten that Python
itself opens. What a child does is not seen. A Python (or a shell, or a script of ours) may import
and read all our code, and any program what its words and its folder name.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.support.kept.closure import CODE
from tests.support.kept.facts import ALL

_OUR_OWN = (".git", ".venv", ".buildlib", ".hypothesis", ".ruff_cache", ".mypy_cache")
"""What no result depends on: caches, and what git keeps."""

LISTING, PROGRAM = "listing:", "program:"
"""Before a folder of which only the names were read; before the path of a program."""


class Watch:
    """Notes what is taken, for the test file that is `current`."""

    def __init__(self, root: str) -> None:
        self.current = ""
        self.seen: dict[str, set[str]] = {}
        self._root = os.path.realpath(root)
        self._within = self._root + os.sep
        self._events: dict[str, Callable[..., None]] = {
            "open": self._opened,
            "os.listdir": self._listed,
            "os.scandir": self._listed,
            "subprocess.Popen": self._started,
            "os.posix_spawn": lambda path, argv, env: self._started(path, argv, None, env),
            "os.exec": lambda path, argv, env: self._started(path, argv, None, env),
            "os.system": lambda command: self._started("sh", ["sh", "-c", command], None, None),
        }

    def start(self) -> None:
        """Listen, until the process ends: audit hooks cannot be taken away."""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self.current and event in self._events and not _by_import(event):
            self._events[event](*args)

    def _note(self, names: Iterable[str]) -> None:
        self.seen.setdefault(self.current, set()).update(names)

    def _inside(self, path: Any, folder: str = "") -> str | None:
        """The path from the root on; None for what lies elsewhere or is our own."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        full = os.path.normpath(os.path.join(folder or os.getcwd(), os.fsdecode(path)))
        if full == self._root:
            return ALL
        if not full.startswith(self._within):
            return None
        name = full[len(self._within) :]
        return None if name.startswith(_OUR_OWN) or "__pycache__" in name else name

    def _opened(self, path: Any, *_: Any) -> None:
        name = self._inside(path)
        if name is not None and name != ALL:
            self._note([name])

    def _listed(self, path: Any = None) -> None:
        name = self._inside("." if path is None else path)
        if name is not None:
            self._note([LISTING + name])

    def _started(self, program: Any, argv: Any, folder: Any, environ: Any) -> None:
        del environ
        given: list[Any] = [argv] if isinstance(argv, (str, bytes)) else list(argv or ())
        words: list[str] = [os.fsdecode(word) for word in given]
        first = str(os.fsdecode(program)) if program else (words[0] if words else "")
        here = str(os.path.abspath(os.fsdecode(folder))) if folder else os.getcwd()
        path: str = shutil.which(first) or first
        self._note([PROGRAM + path])
        self._note(self._named(words[1:], here))
        own = self._inside(path, here)
        if own is not None:
            self._note([own])
        base = os.path.basename(path)
        if own is not None or path.startswith(sys.prefix) or _runs_code(base):
            self._note(CODE)
        if base == "git" and self._inside(here) is not None and "-C" not in words:
            self._note([ALL])

    def _named(self, words: Sequence[str], here: str) -> set[str]:
        """Paths of the repository that words name, alone or as a part (`--volume=A:/b`)."""
        found = set()
        for word in words:
            for part in word.replace("=", ":").replace(",", ":").split(":"):
                if self._root in part:
                    part = part[part.index(self._root) :]  # noqa: PLW2901 - what is looked at
                elif not part or "\n" in part or part.startswith("-"):
                    continue
                name = self._inside(part, here)
                if name is not None and os.path.exists(os.path.join(self._root, name)):
                    found.add(name)
        return found


def _by_import(event: str) -> bool:
    """Whether it is Python that looks where modules are: what a file imports, its sources say."""
    return event == "os.listdir" and sys._getframe(2).f_code.co_filename.startswith(
        "<frozen import"
    )


def _runs_code(program: str) -> bool:
    return program.startswith(("python", "sh", "bash", "dash", "env", "setsid", "unshare"))
