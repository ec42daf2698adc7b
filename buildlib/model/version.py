"""Versions: the one under development, and what a release may be called.

`packaging` reads what Python people write (PEP 440: `2.5.0.dev0`, `2.5.0rc1`), `semver` what the
rest writes (`2.5.0-rc.1`). Both libraries are imported only when a version is checked.
"""

from __future__ import annotations

import re

from buildlib.errors import InputError

_LONGEST = 128
"""Characters of a tag (the registries' own limit)."""
_SHAPE = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(.*)\Z", re.DOTALL)


def check_release(text: str) -> str:
    """Refuse what cannot be the version of a release.

    Args:
        text: As typed: `2.5.0`, `2.5.0rc1` (PEP 440) or `2.5.0-rc.1` (semver).

    Returns:
        The same text.

    Raises:
        InputError: It is empty, has a `v`, lacks a number, has leading zeros or build metadata
            (a Docker tag cannot hold `+`), or is a development version.
    """
    right = _suggestion(text)
    fix = f"./doitw release VERSION={right}"
    if not text:
        raise InputError("a release needs a version", fix=fix)
    if "+" in text:
        raise InputError(f"version {text} has build metadata, which no tag can hold", fix=fix)
    shape = _SHAPE.match(text)
    if shape is None:
        raise InputError(
            f"version {text!r} is not three numbers, with an optional pre-release", fix=fix
        )
    rest = shape.group(4)
    if rest[1:2].isdigit() and rest[0] == ".":
        raise InputError(f"version {text!r} has more than three numbers", fix=fix)
    if len(text) > _LONGEST:
        raise InputError(f"version {text!r} is longer than a tag may be", fix=fix)
    if not (_is_semver(text) if rest.startswith("-") else _is_pep440(text)):
        raise InputError(f"version {text!r} is neither PEP 440 nor semver", fix=fix)
    if "dev" in rest:
        raise InputError(
            f"version {text} is a development version; its channel is `dev`",
            fix=fix,
        )
    return text


def _is_semver(text: str) -> bool:
    import semver

    return bool(semver.Version.is_valid(text))


def _is_pep440(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        return False
    return version.epoch == 0 and version.post is None and str(version) == text


def _suggestion(text: str) -> str:
    """The nearest version that would be right."""
    numbers = [str(int(number)) for number in re.findall(r"\d+", text.partition("+")[0])[:3]]
    return ".".join([*numbers, "0", "0", "0"][:3]) if numbers else "2.5.0"
