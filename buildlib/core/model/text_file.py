"""Texts and TOML documents of files, with an error at the line that is wrong."""

from __future__ import annotations

import re
import sys
from typing import Any

from buildlib.errors import InputError, Location


def decode(data: bytes, file: str) -> str:
    """The text of a file that people write."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(
            "not UTF-8 text", where=Location(file, 1), fix=f"save {file} as UTF-8"
        ) from None


def parse_toml(text: str, file: str, fix: str) -> dict[str, Any]:
    """The document of a TOML text; `{line}` in a fix becomes the number of the wrong line."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        line = int(match[1]) if match else max(1, len(text.splitlines()))  # at its end
        raise InputError(
            f"{file} is not valid TOML: {error}",
            where=Location(file, line),
            fix=fix.format(line=line),
        ) from None
