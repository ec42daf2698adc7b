"""CHANGELOG.md, as Keep a Changelog has it: the section of a release, and a section closed by one.

Texts in, texts out; it knows nothing of workspaces and of git.
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
    """What changed in a version: its section, or what is not released yet.

    Args:
        version: The version, with or without a section of its own.

    Returns:
        The section without its heading, and no blank lines around it; empty where nothing is noted.
    """
    bodies = _bodies(text)
    return bodies[version] if version in bodies else bodies.get(UNRELEASED, "")


def release_notes(text: str, version: str) -> str:
    """The release notes of a version: the same before and after `roll`."""
    return f"# {version}\n\n{section(text, version) or NOTHING}\n"


def roll(text: str, version: str, date: str) -> str:
    """Close the section of what is not released: it becomes the version's.

    Args:
        date: Its day, `2026-11-24`.

    Returns:
        The changelog, with a new empty section above the version's.
    """
    for heading in _HEADING.finditer(text):
        if heading.group(1) == version:
            raise InputError(
                f"{FILE} has a section of {version} already",
                where=Location(FILE, _line(text, heading.start())),
                fix=f"remove it, or move what it says to [{UNRELEASED}]",
            )
    found = next((it for it in _HEADING.finditer(text) if it.group(1) == UNRELEASED), None)
    if found is None:
        raise InputError(
            f"{FILE} has no section [{UNRELEASED}]",
            where=Location(FILE, 0),
            fix=f"## [{UNRELEASED}]  # above the newest version",
        )
    headings = f"## [{UNRELEASED}]\n\n## [{version}] - {date}"
    return text[: found.start()] + headings + text[found.end() :]


def _bodies(text: str) -> dict[str, str]:
    """What stands below each heading; the links at the end of the file are no part of one."""
    text = _LINKS.sub("", text)
    found = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in found), len(text)][1:]
    return {
        heading.group(1): text[heading.end() : end].strip()
        for heading, end in zip(found, ends, strict=True)
    }


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
