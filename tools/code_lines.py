"""Counts lines of code of Python packages: lines with a token outside docstrings and comments.

    python tools/code_lines.py                       # buildlib, by room
    python tools/code_lines.py --depth 2 buildlib verify --json

It needs only Python, so it runs in any checkout.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import sys
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
TOTAL = "total"


class Count(NamedTuple):
    """Sizes of some files.

    Attributes:
        lines: Also empty ones.
        code: With a token that is neither docstring nor comment; each line of a multi-line string.
        docstrings: Covered by docstrings, also empty ones in them; a string that stands alone is a
            docstring anywhere, as below an attribute (PEP 257).
    """

    files: int = 0
    lines: int = 0
    code: int = 0
    docstrings: int = 0


def count(source: str) -> Count:
    """Count one file."""
    docstrings = {
        (node.lineno, node.col_offset): node.end_lineno or node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
    }
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE and token.start not in docstrings:
            code.update(range(token.start[0], token.end[0] + 1))
    covered = {
        line for (start, _), end in docstrings.items() for line in range(start, end + 1)
    } - code
    return Count(1, len(source.splitlines()), len(code), len(covered))


def add(counts: Iterable[Count]) -> Count:
    """Sum of counts."""
    return Count(*(sum(numbers) for numbers in zip(Count(), *counts, strict=True)))


def by_room(package: Path, depth: int = 1) -> dict[str, Count]:
    """Count the files of a package.

    Args:
        depth: Levels of folders that are rooms; a module beside them is a room of its own.

    Returns:
        Path of the room in the package -> count, the largest first.
    """
    rooms: dict[str, list[Count]] = {}
    for folder, folders, names in os.walk(package):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                room = "/".join(path.relative_to(package).parts[:depth])
                rooms.setdefault(room, []).append(count(path.read_text(encoding="utf-8")))
    added = {room: add(counts) for room, counts in rooms.items()}
    return dict(sorted(added.items(), key=lambda item: (-item[1].code, item[0])))


def table(name: str, rooms: Mapping[str, Count]) -> str:
    """The counts of a package as text, with their total."""
    rows = [*rooms.items(), (TOTAL, add(rooms.values()))]
    width = max(len(name), *(len(room) for room, _ in rows))
    head = f"{name:<{width}}" + "".join(f"{field:>12}" for field in Count._fields)
    return "\n".join(
        [head, *(f"{room:<{width}}" + "".join(f"{n:>12,}" for n in sizes) for room, sizes in rows)]
    )


def main(argv: Sequence[str]) -> int:
    """Print a table per package, or JSON."""
    parser = argparse.ArgumentParser(prog="python tools/code_lines.py")
    parser.add_argument("packages", nargs="*", default=["buildlib"], help="folders of packages")
    parser.add_argument("--depth", type=int, default=1, help="folders that tell rooms apart: 1")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    missing = [name for name in options.packages if not os.path.isdir(name)]
    if missing:
        parser.error(f"not a folder: {', '.join(missing)}")
    packages = {name.rstrip("/"): by_room(Path(name), options.depth) for name in options.packages}
    if options.json:
        answer = {
            name: {room: n._asdict() for room, n in [*rooms.items(), (TOTAL, add(rooms.values()))]}
            for name, rooms in packages.items()
        }
        print(json.dumps(answer, indent=2))
    else:
        print("\n\n".join(table(name, rooms) for name, rooms in packages.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
