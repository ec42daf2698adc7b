"""Files of Maven repositories, by their coordinates: `maven:GROUP:ARTIFACT:VERSION[:CLASSIFIER]`.

All of them are jars. Where one lies follows from its coordinates, the same in every repository.
"""

from __future__ import annotations

import re

MAVEN = "maven:"
"""How an address begins that is one of a jar in the Maven repository of the workspace."""
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_COORDINATES = re.compile(rf"{_WORD}(:{_WORD}){{2,3}}\Z")
_EXCLUSION = re.compile(rf"{_WORD}:({_WORD}|\*)\Z")


def are_coordinates(text: str) -> bool:
    """Whether a text is `GROUP:ARTIFACT:VERSION[:CLASSIFIER]`."""
    return _COORDINATES.match(text) is not None


def is_exclusion(text: str) -> bool:
    """Whether a text is `GROUP:ARTIFACT`, or `GROUP:*` for all of a group."""
    return _EXCLUSION.match(text) is not None


def jar_name(coordinates: str) -> str:
    """The file name of a jar: `hadoop-hdfs-3.3.6-tests.jar`."""
    return f"{'-'.join(coordinates.split(':')[1:])}.jar"


def jar_path(coordinates: str) -> str:
    """Where a jar lies below the root of a repository."""
    group, artifact, version = coordinates.split(":")[:3]
    return f"{group.replace('.', '/')}/{artifact}/{version}/{jar_name(coordinates)}"
