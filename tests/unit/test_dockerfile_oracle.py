"""Our reading of Dockerfiles beside BuildKit's own parser: the same instructions, line for line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from buildlib.core.dockerfile.lines import Instruction, read_lines
from buildlib.errors import InputError
from tests.support.chance import examples
from tests.support.dockerfiles import dockerfiles

buildkit = pytest.importorskip("dockerfile", reason="BuildKit's parser is built for Linux on amd64")

REFUSED = (
    "builders",  # something that released frontends read in different ways
    "control character",
    "engine 20.10 takes # escape",
    "no line follows",
    "has no flag",
    "has no flags",
    "has no value",
    "twice",
    "unknown instruction",
    "cannot stand behind ONBUILD",
    "in the flags",
)
"""Parts of what is said of texts that BuildKit's parser takes, and that we refuse all the same."""


def ours(found: Instruction) -> tuple[object, ...]:
    flags = [f"--{key}={value}" if value else f"--{key}" for key, value in found.flags]
    names = found.heredocs if found.name != "ONBUILD" else ()  # the oracle tells none there
    return found.line, found.end, found.name, flags, names


def theirs(found: Any) -> tuple[object, ...]:
    names = tuple(heredoc.name for heredoc in found.heredocs)
    return found.start_line, found.end_line, found.cmd.upper(), list(found.flags), names


@given(dockerfiles())
@settings(max_examples=examples(100))
def test_instructions_begin_and_end_where_buildkit_says(text: str) -> None:
    try:
        commands = buildkit.parse_string(text)
    except (buildkit.GoParseError, UnicodeDecodeError):
        return  # whatever we say of it: no builder takes it
    try:
        found = read_lines(text, "Dockerfile").instructions
    except InputError as error:
        if not any(part in error.what for part in REFUSED):
            raise
        return
    if not all("".join(each.flags).isascii() for each in commands):
        return  # it reads flags byte by byte
    assert list(map(ours, found)) == list(map(theirs, commands))
    for mine, other in zip(found, commands, strict=True):
        if mine.name in {"RUN", "CMD", "ENTRYPOINT"} and not other.json:
            assert (mine.rest,) == (other.value or ("",))


FAMILY = sorted(Path(__file__).parents[2].glob("images/**/Dockerfile*"))


@pytest.mark.parametrize("file", FAMILY, ids=lambda file: file.parent.name)
def test_the_familys_own_are_read_as_buildkit_reads_them(file: Path) -> None:
    text = file.read_text()
    found = read_lines(text, str(file)).instructions
    assert list(map(ours, found)) == list(map(theirs, buildkit.parse_string(text)))
