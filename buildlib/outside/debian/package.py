"""One Debian package as the lock pins it; plain data."""

from __future__ import annotations

from typing import NamedTuple


class DebPackage(NamedTuple):
    """One version of a binary package.

    Attributes:
        version: With its epoch.
        arch: `amd64`, `all` ...
        size: Bytes of the .deb.
        path: Below the root of the mirror, so that the mirror can change without the lock:
            `debian/pool/main/b/bash/bash_5.2.15-2_amd64.deb`; not quoted for a URL.
    """

    name: str
    version: str
    arch: str
    sha256: str
    size: int
    path: str
