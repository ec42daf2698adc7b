"""CHANGELOG.md in the form of Keep a Changelog: reading a section, closing the unreleased one.

These are functions of texts; they know neither workspaces nor git.
"""

from __future__ import annotations

import re

from buildlib.errors import InputError, Location

FILE = "CHANGELOG.md"
UNRELEASED = "Unreleased"
NOTHING = "No changes are noted."
_HEADING = re.compile(r"^## +\[?([^\]\s]+)\]?.*$", re.MULTILINE)
_LINKS = re.compile(r"(?:^\[[^\]\n]+\]: .*\n?)+\Z", re.MULTILINE)


def section(text: str, version: str) -> str:
    """What changed in a version: its section, or else the unreleased one.

    Args:
        version: The version, with or without a section of its own.

    Returns:
        The section without its heading and without blank lines around it; maybe empty.
    """
    bodies = _bodies(text)
    return bodies[version] if version in bodies else bodies.get(UNRELEASED, "")


def release_notes(text: str, version: str) -> str:
    """The release notes of a version: the same before and after `roll`."""
    return f"# {version}\n\n{section(text, version) or NOTHING}\n"


def roll(text: str, version: str, date: str) -> str:
    """Turn the unreleased section into that of a version.

    Args:
        date: Its day, `2026-11-24`.

    Returns:
        The changelog, with a new empty section above the version's.
    """
    for heading in _HEADING.finditer(text):
        if heading.group(1) == version:
            raise InputError(
                f"{FILE} has a section of {version} already",
                where=Location(FILE, text.count("\n", 0, heading.start()) + 1),
                fix=f"remove it, or move what it says to [{UNRELEASED}]",
            )
    unreleased = next(
        (heading for heading in _HEADING.finditer(text) if heading.group(1) == UNRELEASED), None
    )
    if unreleased is None:
        raise InputError(
            f"{FILE} has no section [{UNRELEASED}]",
            where=Location(FILE, 0),
            fix=f"## [{UNRELEASED}]  # above the newest version",
        )
    headings = f"## [{UNRELEASED}]\n\n## [{version}] - {date}"
    return text[: unreleased.start()] + headings + text[unreleased.end() :]


def _bodies(text: str) -> dict[str, str]:
    """The text below each heading, without the links at the end of the file."""
    text = _LINKS.sub("", text)
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    return {
        heading.group(1): text[heading.end() : end].strip()
        for heading, end in zip(headings, ends, strict=True)
    }
