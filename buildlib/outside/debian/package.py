"""One Debian package as the lock names it.

Knows nothing of archives or of how the package was found. `path` is relative to the mirror root
of the settings, so a mirror can change without the lock.
"""

from __future__ import annotations

from typing import NamedTuple


class DebPackage(NamedTuple):
    """One package, exactly.

    Attributes:
        name: Binary package name.
        version: Debian version, with its epoch.
        arch: `amd64`, `all` ...
        sha256: Hex digest of the .deb.
        size: Bytes of the .deb.
        path: Below the mirror root, such as `debian/pool/main/b/bash/bash_5.2.15-2_amd64.deb`;
            as in the archive's index, not quoted for a URL.
    """

    name: str
    version: str
    arch: str
    sha256: str
    size: int
    path: str
