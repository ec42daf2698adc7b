"""One Debian package as the lock names it.

Knows nothing of archives or of how the package was found. `path` is relative to the mirror root
of the settings, so a mirror can change without the lock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from buildlib.errors import InputError, Location

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+\Z")
_ARCH = re.compile(r"[a-z0-9-]+\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SIZE = re.compile(r"[1-9][0-9]*\Z")
_PATH = re.compile(r"[A-Za-z0-9_-]+/pool/[A-Za-z0-9+._~/-]+\.deb\Z")


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

    def to_lock(self) -> str:
        """The one line that stands beside the name in `images.lock`."""
        return f"{self.version} {self.arch} {self.sha256} {self.size} {self.path}"

    @classmethod
    def from_lock(cls, name: str, text: str, where: Location | None = None) -> DebPackage:
        """Read what `to_lock` wrote.

        Args:
            name: Package name, the key of the line.
            text: `version arch sha256 size path`.
            where: Place of the line, for the error.

        Raises:
            InputError: A part is missing or not of its form (a damaged or hand-edited lock).
        """
        words = text.split()
        forms = (_VERSION, _ARCH, _SHA256, _SIZE, _PATH)
        good = (
            _NAME.match(name)
            and len(words) == len(forms)
            and all(form.match(word) for form, word in zip(forms, words, strict=True))
            and ".." not in words[4].split("/")
        )
        if not good:
            raise InputError(
                f"the lock's entry for Debian package {name!r} is not of the form "
                "'version arch sha256 size path'",
                where=where,
                fix="./doitw lock",
            )
        version, arch, sha256, size, path = words
        return cls(name, version, arch, sha256, int(size), path)


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
