"""What a download is: a digest, and the place it comes from in principle.

Plain data, as the lock gives it; no address of a mirror and no effect. `locate` makes addresses.
"""

from __future__ import annotations

from typing import NamedTuple


class DebianPath(NamedTuple):
    """A file of the Debian archive.

    Attributes:
        path: Below the apt mirror's root: `debian/pool/main/d/dash/dash_0.5.12-2_amd64.deb`.
    """

    path: str


class PyPIFile(NamedTuple):
    """A file of a Python project.

    Attributes:
        project: As the index names it, in any spelling: `typing_extensions`.
        filename: Name of the wheel or source distribution.
    """

    project: str
    filename: str


INDEX_SCHEME = "pypi:"
"""Begins an address that the simple index knows: `pypi:PROJECT/FILENAME`."""


class Urls(NamedTuple):
    """A file with addresses of its own.

    Attributes:
        urls: Tried in this order, each a whole http or https address, or one of `INDEX_SCHEME`.
    """

    urls: tuple[str, ...]


Source = DebianPath | PyPIFile | Urls
"""Where a download comes from."""


class Download(NamedTuple):
    """One file that a build needs from outside.

    Attributes:
        sha256: What it must hold, in lower-case hexadecimal.
        size: In bytes, or None where the lock does not say.
        filename: What people call it; messages use it.
        source: Where it comes from.
    """

    sha256: str
    size: int | None
    filename: str
    source: Source
