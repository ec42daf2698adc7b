"""A Debian package, and what counts as a change."""

from __future__ import annotations

from buildlib.debian.package import DebPackage, changes

BASH = DebPackage(
    "bash",
    "5.2.15-2+b13",
    "amd64",
    "ab" * 32,
    1491120,
    "debian/pool/main/b/bash/bash_5.2.15-2+b13_amd64.deb",
)


def test_the_file_is_named_as_in_the_archive() -> None:
    assert BASH.filename == "bash_5.2.15-2+b13_amd64.deb"


def test_changes_name_what_is_new_gone_updated_or_rebuilt() -> None:
    locked = {
        "same": BASH._replace(name="same"),
        "gone": BASH._replace(name="gone"),
        "updated": BASH._replace(name="updated"),
        "rebuilt": BASH._replace(name="rebuilt"),
        "moved": BASH._replace(name="moved"),
    }
    now = {
        "same": locked["same"],
        "new": BASH._replace(name="new"),
        "updated": locked["updated"]._replace(version="6"),
        "rebuilt": locked["rebuilt"]._replace(sha256="cd" * 32),
        "moved": locked["moved"]._replace(path="debian-security/pool/main/b/bash_6.deb"),
    }
    assert [str(change) for change in changes(locked, now)] == [
        "gone 5.2.15-2+b13 -> (none)",
        "new (none) -> 5.2.15-2+b13",
        "rebuilt 5.2.15-2+b13 (same version, other file)",
        "updated 5.2.15-2+b13 -> 6",
    ]
