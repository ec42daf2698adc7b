"""The one module that runs git.

Arguments name the repository, the environment sets the language to English, and stdin is empty, so
git never waits for a person.
"""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from buildlib.errors import InputError

_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Variables that a calling hook may set, and that would lead git to another repository."""


Running = subprocess.Popen[bytes]


class NoGit(InputError):
    """git is not installed."""

    def __init__(self, what: str = "there is no git here") -> None:
        super().__init__(what, fix="sudo apt-get install git")


class Answer(NamedTuple):
    """The exit code of a finished git, and its output."""

    code: int
    out: str
    err: str


def git(root: str, *words: str) -> Answer:
    """Run git to its end, in a folder of the repository; invalid UTF-8 becomes surrogates.

    Raises:
        NoGit: It is not installed.
    """
    with _start(root, words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        out, err = (text.decode("utf-8", "surrogateescape") for text in child.communicate())
    return Answer(child.returncode, out, err)


def start_git(root: str, *words: str) -> Running:
    """Start a git with pipes for stdin and stdout; raises `NoGit` too."""
    return _start(root, words, stdin=subprocess.PIPE, stderr=None)


def _start(root: str, words: tuple[str, ...], *, stdin: int, stderr: int | None) -> Running:
    environ = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        return subprocess.Popen(
            ["git", "-C", root, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise NoGit from None
