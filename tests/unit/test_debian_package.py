"""The lock's form of a Debian package, and what counts as a change."""

from __future__ import annotations

import pytest

from buildlib.debian.package import DebPackage, changes
from buildlib.errors import InputError, Location

BASH = DebPackage(
    "bash",
    "5.2.15-2+b13",
    "amd64",
    "ab" * 32,
    1491120,
    "debian/pool/main/b/bash/bash_5.2.15-2+b13_amd64.deb",
)


def test_a_lock_line_reads_back() -> None:
    assert DebPackage.from_lock("bash", BASH.to_lock()) == BASH
    assert BASH.to_lock().count("\n") == 0
    assert BASH.filename == "bash_5.2.15-2+b13_amd64.deb"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bash", ""),
        ("bash", BASH.to_lock() + " more"),
        ("Bash", BASH.to_lock()),
        ("bash", BASH.to_lock().replace("ab", "xy", 1)),
        ("bash", BASH.to_lock().replace("1491120", "0")),
        ("bash", BASH.to_lock().replace("debian/pool", "/debian/pool")),
        ("bash", BASH.to_lock().replace("main/b", "main/../../b")),
        ("bash", BASH.to_lock().replace("debian/pool", "http://elsewhere/pool")),
    ],
)
def test_a_damaged_line_is_refused_with_its_place(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        DebPackage.from_lock(name, text, Location("images.lock", 7))
    assert "images.lock:7" in caught.value.render()
    assert "fix: ./doitw lock" in caught.value.render()


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
