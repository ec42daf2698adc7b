"""What a download is: a digest and a source. Plain data from the lock, without URLs of mirrors."""

from __future__ import annotations

from typing import NamedTuple


class DebianPath(NamedTuple):
    """A file of the Debian archive.

    Attributes:
        path: Below the apt mirror's root: `debian/pool/main/d/dash/dash_0.5.12-2_amd64.deb`.
    """

    path: str


class PyPIFile(NamedTuple):
    """A wheel or source distribution of a Python project, whose name may be in any spelling."""

    project: str
    filename: str


INDEX_SCHEME = "pypi:"
"""`pypi:PROJECT/FILENAME` stands for the URL that the package index has for a file."""


class Urls(NamedTuple):
    """A file with its own http, https or `INDEX_SCHEME` URLs, tried in this order."""

    urls: tuple[str, ...]


Source = DebianPath | PyPIFile | Urls


class Download(NamedTuple):
    """One file that a build needs from outside.

    Attributes:
        sha256: In lower-case hexadecimal.
        size: In bytes, or None where the lock does not say.
        filename: For messages.
    """

    sha256: str
    size: int | None
    filename: str
    source: Source
