"""The dpkg database of packages that are unpacked and not yet configured.

It is made from the packages' control members and is as `dpkg --unpack` leaves it, so that
`dpkg --configure -a` can continue and no file is unpacked twice. Knows neither tar nor the engine.
Format: dpkg 1.21 (`info/format` 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from buildlib.outside.debian.deb import Deb

ROOT = "var/lib/dpkg"
EPOCH_FILE = f"{ROOT}/info/format"
"""A file of the database whose time is the epoch of the root file system."""

_FOLDERS = ("", "/alternatives", "/info", "/parts", "/triggers", "/updates")
_EMPTY = ("available", "diversions", "statoverride", "triggers/Lock", "triggers/Unincorp")
_AWAIT = {"interest": "", "interest-await": "", "interest-noawait": "/noawait"}


class Entry(NamedTuple):
    """The entry of one package.

    Attributes:
        stanza: Its paragraph of `status`.
        info: Base name below `info/` -> content and mode.
        interests: Trigger (a name, or a path with its slash) -> the line that registers it.
    """

    stanza: str
    info: Mapping[str, tuple[bytes, int]]
    interests: Mapping[str, str]


def conffiles(deb: Deb) -> list[str]:
    """Paths of a package's configuration files, without their leading slash."""
    text = deb.control["conffiles"].data.decode() if "conffiles" in deb.control else ""
    # A line that starts with a flag (remove-on-upgrade) names a file that does not exist.
    return [line[1:] for line in text.split("\n") if line[:1] == "/"]


def entry(deb: Deb, paths: Sequence[str], conffile_md5: Mapping[str, str]) -> Entry:
    """The database entry of one package.

    Args:
        deb: The package.
        paths: The members that were written, in the package's order and spelling (`bin/sh`; "" for
            the root). Excluded ones are not in the database, so `dpkg --verify` does not report
            them as missing.
        conffile_md5: Path of each of its `conffiles` -> md5 of the file written.
    """
    same = deb.fields.get("Multi-Arch") == "same"
    stem = f"{deb.name}:{deb.arch}" if same else deb.name
    listed = "".join(f"/{path}\n" if path else "/.\n" for path in paths)
    info = {f"{stem}.list": (listed.encode(errors="surrogateescape"), 0o644)}
    interests: dict[str, str] = {}
    laid = {*paths}
    for member in deb.control.values():
        if not member.info.isfile() or member.name == "control":
            continue
        data = member.data
        if member.name == "md5sums":
            lines = data.decode(errors="surrogateescape").rstrip("\n").split("\n")
            lines = [f"{line}\n" for line in lines if line.partition("  ")[2] in laid]
            data = "".join(lines).encode(errors="surrogateescape")
        elif member.name == "triggers":
            interests = _interests(data.decode(), stem)
        info[f"{stem}.{member.name}"] = (data, member.info.mode & 0o755)
    return Entry(_stanza(deb, conffile_md5), info, interests)


def _stanza(deb: Deb, conffile_md5: Mapping[str, str]) -> str:
    package, *rest = deb.text.splitlines()
    lines = [package, "Status: install ok unpacked", *rest]
    if conffile_md5:
        lines.append("Conffiles:")
        lines += [f" /{path} {md5}" for path, md5 in conffile_md5.items()]
    return "\n".join(lines) + "\n"


def _interests(text: str, stem: str) -> dict[str, str]:
    interests = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2 and words[0] in _AWAIT:  # noqa: PLR2004  (directive, trigger)
            interests[words[1]] = stem + _AWAIT[words[0]]
    return interests


def files(entries: Iterable[Entry]) -> dict[str, tuple[bytes, int]]:
    """All files of the database: path below the root -> content and mode."""
    content_of = {f"{ROOT}/{name}": (b"", 0o644) for name in _EMPTY}
    content_of[EPOCH_FILE] = (b"1\n", 0o644)
    stanzas: list[str] = []
    by_path: list[str] = []
    by_name: dict[str, list[str]] = {}
    for one in entries:
        stanzas.append(one.stanza)
        content_of.update({f"{ROOT}/info/{name}": content for name, content in one.info.items()})
        for trigger, line in one.interests.items():
            if trigger.startswith("/"):
                by_path.append(f"{trigger} {line}\n")
            else:
                by_name.setdefault(trigger, []).append(f"{line}\n")
    content_of[f"{ROOT}/status"] = ("\n".join(stanzas).encode(), 0o644)
    content_of[f"{ROOT}/triggers/File"] = ("".join(sorted(by_path)).encode(), 0o644)
    for trigger, lines in by_name.items():
        content_of[f"{ROOT}/triggers/{trigger}"] = ("".join(sorted(lines)).encode(), 0o644)
    return content_of


def folders() -> list[str]:
    """Folders of the database, parents first."""
    return [ROOT + folder for folder in _FOLDERS]


def md5_of(data: bytes) -> str:
    """The checksum that dpkg records for conffiles; it is not for security."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
