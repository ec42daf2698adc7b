"""Requirements files as people write them: their includes, and the lines that are refused.

A lock must follow from the tree alone, so that a commit's lock can be checked too. A line that
refers to anything else (another index, an address, a path on this machine, a variable) is refused.
"""

from __future__ import annotations

import posixpath
import re
from _hashlib import openssl_sha256
from collections.abc import Iterator, Mapping

from buildlib.core.model.text_file import decode
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError, Location

_INCLUDE = r"(?:-r|--requirement|-c|--constraint)(?:=|\s+)([^#]+)"  # compiled where it is used
_NAME = r"[^/~$\"'\\:][^$\"'\\:]*"
"""A plain relative path: no address, no variable, no quotes."""
_BOM = b"\xef\xbb\xbf"
_INDEX = ("-i", "-f", "--index-url", "--extra-index-url", "--find-links", "--no-index")


def requirement_files(tree: Tree, path: str) -> dict[str, bytes]:
    """A requirements file and all that it includes: path in the workspace -> content."""
    files: dict[str, bytes] = {}
    pending: list[tuple[str, Location | None]] = [(path, None)]
    while pending:
        name, where = pending.pop()
        if name in files:
            continue
        data = _read(tree, name)
        if data is None:
            raise InputError(
                f"the requirements name {name}, which does not exist",
                where=where,
                fix=f"write {name}, or remove the line",
            )
        files[name] = data
        pending += _includes(name, data)
    return files


def _read(tree: Tree, path: str) -> bytes | None:
    """A file's content; None if the tree of a commit would not have the file."""
    try:
        return tree.read(path) if tree.exists(path) else None
    except FileNotFoundError:
        return None


def request_of(files: Mapping[str, bytes], path: str, locked: str) -> tuple[str, ...]:
    """The request of a lock entry: what its pins are made from.

    Args:
        files: A requirements file and all that it includes, as `requirement_files` gives them.
        path: The file that includes the others.
        locked: The sha256 of the `.lock` file made from it.

    Returns:
        The digest of the file, that of its `.lock` file, then each included file with its own.
    """
    digests = {name: str(openssl_sha256(data).hexdigest()) for name, data in files.items()}
    own = digests.pop(path)
    return (own, locked, *(f"{name} {digest}" for name, digest in sorted(digests.items())))


def _includes(path: str, data: bytes) -> Iterator[tuple[str, Location]]:
    """The files that a file includes, each with the line that includes it.

    Every line that uv reads as an include counts, and some more: pip and uv differ in what is white
    space and what ends a line.
    """
    for number, row in enumerate(decode(data.removeprefix(_BOM), path).splitlines(), 1):
        line = row.strip()
        if line.startswith("-"):
            if not line.startswith("--hash="):  # of the requirement on the lines before
                where = Location(path, number)
                yield _included(path, line, where), where
        elif ("/" in line or "@" in line) and not line.startswith("#"):
            requirement = line.partition("#")[0].partition(";")[0]
            if "/" in requirement or "@" in requirement:
                raise _by_place(Location(path, number))


def _included(path: str, line: str, where: Location) -> str:
    """The file that a line includes; any other option is an error."""
    match = re.match(_INCLUDE, line)
    option = re.split(r"[=\s]", line, maxsplit=1)[0]
    if match is None:
        if option in ("-e", "--editable"):
            raise _by_place(where)
        raise InputError(
            f"{option} is nothing that a lock can be made from",
            where=where,
            fix="remove the line; the index is pypi in [tool.buildlib.network] of pyproject.toml"
            if option in _INDEX
            else "remove the line, or write: -r FILE, or: -c FILE",
        )
    name = match[1].strip()
    included = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    if not re.fullmatch(_NAME, name) or included.split("/", 1)[0] == "..":
        raise InputError(
            f"{option} names no file of the workspace by a plain path",
            where=where,
            fix=f"{option} FILE, in the workspace and relative to {path}",
        )
    return included


def _by_place(where: Location) -> InputError:
    return InputError(
        "a package is wanted from a place of its own, and a lock names files of the index alone",
        where=where,
        fix="name the project and its versions, as in: project>=1.2",
    )
