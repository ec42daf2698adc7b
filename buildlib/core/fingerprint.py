"""Fingerprints of our own code, so that results of older code are not taken for present ones.

A name is a path in `buildlib`: of a package, such as `core/dsl`, or of a module, such as
`core/view.py`.
"""

from __future__ import annotations

import os
from _hashlib import openssl_sha256  # hashlib itself imports more than a no-op build can spare
from collections.abc import Iterator

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def stamp(*names: str) -> str:
    """Fingerprint of the stat data of files: cheap at each start.

    It differs between checkouts, and changes with each edit, even if that is reverted. By whichever
    path a checkout is reached, such as through a symlink, it is the same.
    """
    stats = [
        (name, info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino, info.st_dev)
        for name in _sources(names)
        for info in (os.stat(f"{_HOME}/{name}"),)
    ]
    return str(openssl_sha256(repr(stats).encode()).hexdigest())


def digest(*names: str) -> str:
    """The sha256 of the contents of files, equal in all checkouts of the same code."""
    state = openssl_sha256()
    for name in _sources(names):
        with open(f"{_HOME}/{name}", "rb") as file:
            state.update(f"{name}\0".encode() + file.read())
    return str(state.hexdigest())


def _sources(names: tuple[str, ...]) -> Iterator[str]:
    """The source files that some names stand for, relative to `buildlib`."""
    for name in names:
        if name.endswith(".py"):
            yield name
        else:
            files = sorted(os.listdir(f"{_HOME}/{name}"))
            yield from (f"{name}/{file}" for file in files if file.endswith(".py"))
