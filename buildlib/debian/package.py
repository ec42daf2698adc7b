"""One Debian package as the lock names it.

Knows nothing of archives or of how the package was found. `path` is relative to the mirror root
of the settings, so a mirror can change without the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    @property
    def filename(self) -> str:
        """Base name of the .deb."""
        return self.path.rsplit("/", 1)[-1]


class Change(NamedTuple):
    """A package whose locked state is not the state found now.

    Attributes:
        name: Package name.
        old: Locked version, or None where the package is new.
        new: Version now, or None where the package is not needed any more.
    """

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old == self.new:
            return f"{self.name} {self.old} (same version, other file)"
        return f"{self.name} {self.old or '(none)'} -> {self.new or '(none)'}"


def changes(locked: Mapping[str, DebPackage], now: Mapping[str, DebPackage]) -> list[Change]:
    """What refreshing would change, sorted by name. A moved path alone is no change.

    Args:
        locked: Name to package, from the lock.
        now: The same, resolved anew.
    """
    found = []
    for name in sorted({*locked, *now}):
        old, new = locked.get(name), now.get(name)
        same = old and new and (old.version, old.sha256) == (new.version, new.sha256)
        if not same:
            found.append(Change(name, old and old.version, new and new.version))
    return found
