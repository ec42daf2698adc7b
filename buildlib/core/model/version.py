"""Versions: valid ones, their order, the next development version.

Two spellings are valid: PEP 440 (`2.5.0.dev0`, `2.5.0rc1`), checked by `packaging`, and semantic
versions (`2.5.0-rc.1`), checked by `semver`. Both kinds share one order. Only a version that is not
obviously right is handed to a library, so a build with nothing to do imports neither.
"""

from __future__ import annotations

import re

from buildlib.errors import InputError, Location

FILE = "VERSION"
DEV = "dev"
"""Channel of all builds but those of a release: the tag of their images."""
_LONGEST = 128
"""Characters of a tag (the registries' own limit)."""
_NUMBERS = 3
_SHAPE = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(.*)\Z"
_JOINED = r"(alpha|a|beta|b|rc|c|preview|pre|dev)([0-9]+)\Z"
_SAME = {"a": "alpha", "b": "beta", "c": "rc", "pre": "rc", "preview": "rc"}
"""Words that are equal in PEP 440."""
_EXAMPLE = "2.5.0"

_DEV, _END, _COUNT, _WORD = range(4)
"""Ranks of the pieces of a pre-release. `dev` comes before all, as in PEP 440."""
_Piece = tuple[int, int, str]
_FINAL: tuple[_Piece, ...] = ((1, 0, ""),)


def check_release(text: str) -> str:
    """Return the version of a release as typed, or raise an error.

    It must not have a `v`, leading zeros or build metadata (a Docker tag cannot hold `+`), nor be a
    development version.
    """
    wrong = "a release needs a version" if not text else _wrong(text)
    if not wrong and is_development(text):
        wrong = f"version {text} is a development version; its channel is `{DEV}`"
    if wrong:
        raise InputError(wrong, fix=f"./doitw release VERSION={_suggestion(text)}")
    return text


def check_file(text: str) -> str:
    """The version in the text of the file VERSION, without white space around it."""
    version = text.strip()
    wrong = f"{FILE} is empty" if not version else _wrong(version)
    if wrong:
        raise InputError(
            wrong,
            where=Location(FILE, 1),
            fix=f"echo {_suggestion(version, development=True)} > {FILE}",
        )
    return version


def is_version(text: str) -> bool:
    """Whether a text is a version of either spelling."""
    return bool(text) and not _wrong(text)


def is_development(version: str) -> bool:
    """Whether a version is a development version: `2.5.0.dev0`, `2.5.0-dev.1`."""
    if _is_plain(version):
        return f".{DEV}" in version
    return any(kind == _DEV for kind, _, _ in _order(version)[1][1:])


def is_prerelease(version: str) -> bool:
    """Whether a version comes before its final release: `2.5.0rc1`, `2.5.0.dev0`."""
    return _order(version)[1] != _FINAL


def is_greater(version: str, other: str) -> bool:
    """Whether a version comes after another one, each in either spelling.

    The order is that of PEP 440 (`2.5.0.dev0 < 2.5.0a1.dev0 < 2.5.0a1 < 2.5.0rc1 < 2.5.0`); other
    words are ordered as in semver (11.). `2.5.0rc1` and `2.5.0-rc.1` are equal.
    """
    return _order(version) > _order(other)


def newest(versions: list[str]) -> str:
    """The greatest version; empty for none."""
    return max(versions, key=_order, default="")


def next_development(version: str, given: str = "") -> str:
    """The development version after a release.

    It is `2.5.1.dev0` after `2.5.0`, and `2.5.0rc2.dev0` after `2.5.0rc1` or `2.5.0-rc.1`: greater
    than the release, and not greater than any release that may come next.

    Args:
        given: A person's choice; empty for the usual.
    """
    numbers, pieces = _order(version)
    usual = f"{numbers[0]}.{numbers[1]}.{numbers[2] + 1}.dev0"
    if [kind for kind, _, _ in pieces[1:]] == [_WORD, _COUNT, _END]:
        letter = {"alpha": "a", "beta": "b", "rc": "rc"}.get(pieces[1][2])
        if letter:
            first = ".".join(map(str, numbers))
            usual = f"{first}{letter}{pieces[2][1] + 1}.dev0"
    if not given:
        return usual
    wrong = _wrong(given)
    if not wrong and not is_development(given):
        wrong = f"NEXT={given} is no development version"
    if not wrong and not is_greater(given, version):
        wrong = f"NEXT={given} is not greater than {version}, which is released"
    if wrong:
        raise InputError(wrong, fix=f"./doitw release VERSION={version} NEXT={usual}")
    return given


def after(version: str) -> str:
    """A version to release after another: `2.5.1` after `2.5.0`, `2.5.0` after `2.5.0rc1`."""
    (major, minor, patch), _ = _order(version)
    return f"{major}.{minor}.{patch if is_prerelease(version) else patch + 1}"


def before(version: str) -> str:
    """A development version that comes before a release: `2.5.0.dev0`."""
    return ".".join(map(str, _order(version)[0])) + ".dev0"


def channel_of(version: str) -> str:
    """The tag that people use for images of a version: `dev` for a development version.

    VERSION holds any other version only at a release's own commit. That version is its own channel,
    so a build of that commit has the keys of the release.
    """
    return DEV if is_development(version) else version


def _wrong(text: str) -> str:
    """Why a text is no version; empty if it is one."""
    if _is_plain(text) and len(text) <= _LONGEST:
        return ""
    shape = re.match(_SHAPE, text, re.DOTALL)
    rest = shape.group(4) if shape else ""
    what = ""
    if len(text) > _LONGEST:
        what = f"version {text!r} is longer than a tag may be"
    elif "+" in text:
        what = f"version {text} has build metadata, which no tag can hold"
    elif text[:1] in ("v", "V") and is_version(text[1:]):
        what = f"version {text} has a v in front, which is for the tag in git alone"
    elif re.match(r"(?:[0-9]+\.){0,2}0[0-9]", text):
        what = f"version {text!r} has a number with a zero in front"
    elif shape is None:
        what = f"version {text!r} is not three numbers, with an optional pre-release"
    elif rest[1:2].isdigit() and rest[0] == ".":
        what = f"version {text!r} has more than three numbers"
    elif not (_is_semver(text) if rest.startswith("-") else _is_pep440(text)):
        what = f"version {text!r} is neither PEP 440 nor semver"
    return what


def _is_plain(text: str) -> bool:
    """Whether a text is three numbers, with an optional `.devN`: nearly every version is."""
    numbers, dev, count = text.partition(f".{DEV}")
    words = [*numbers.split("."), *([count] if dev else ())]
    return len(words) == _NUMBERS + bool(dev) and all(
        word.isascii() and word.isdigit() and (word == "0" or word[0] != "0") for word in words
    )


def _is_semver(text: str) -> bool:
    import semver

    return text.isascii() and bool(semver.Version.is_valid(text))


def _is_pep440(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        return False
    return version.epoch == 0 and version.post is None and str(version) == text


def _order(version: str) -> tuple[tuple[int, ...], tuple[_Piece, ...]]:
    """The sort key of a version: its numbers, then the pieces of the pre-release.

    Neither library can compare all: `packaging` refuses `2.5.0-nightly` and puts `2.5.0-1` after
    2.5.0; `semver` puts `dev` after `beta`.
    """
    wrong = _wrong(version)
    if wrong:
        raise InputError(wrong, fix=f"a version such as {_suggestion(version)}")
    numbers, dash, rest = version.partition("-")
    words: list[str] = []
    if dash:
        for word in rest.split("."):
            joined = re.match(_JOINED, word)
            words += joined.groups() if joined else [word]
    else:
        from packaging.version import Version

        read = Version(version)
        numbers = read.base_version
        words += map(str, read.pre or ())
        words += [DEV, str(read.dev)] if read.dev is not None else []
    pieces = ((0, 0, ""), *map(_piece, words), (_END, 0, "")) if words else _FINAL
    return tuple(map(int, numbers.split("."))), pieces


def _piece(word: str) -> _Piece:
    if word.isdigit():
        return (_COUNT, int(word), "")
    if word.startswith(DEV):
        return (_DEV, 0, word)
    return (_WORD, 0, _SAME.get(word, word))


def _suggestion(text: str, *, development: bool = False) -> str:
    """The nearest valid version.

    Args:
        development: Keep `.devN`; for an empty text, suggest a development version.
    """
    from packaging.version import InvalidVersion, Version

    dev: int | None = 0
    pre = ""
    text = text.strip()[:_LONGEST].partition("+")[0]
    numbers = [int(number) for number in re.findall("[0-9]+", text)[:3]]
    try:  # it takes more spellings than it writes: v2.5, 2.5.0-RC_1
        read = Version(text)
    except InvalidVersion:
        if numbers:
            dev = 0 if DEV in text.lower() else None
    else:
        numbers, dev = list(read.release), read.dev
        pre = "".join(map(str, read.pre)) if read.pre and read.epoch == 0 else ""
    first = ".".join(map(str, [*numbers, 0, 0, 0][:3])) if numbers else _EXAMPLE
    if len(first) > _LONGEST // 2:
        first, pre = _EXAMPLE, ""
    return first + pre + (f".dev{dev}" if development and dev is not None else "")
