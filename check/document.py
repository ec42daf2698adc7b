"""A kernel.json as it is written: its values, and on which line each stands."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from buildlib.errors import Location

NAME = "kernel.json"
_COMMENT = re.compile(r"/[/*]|#")


class Broken(Exception):
    """It cannot be read.

    Attributes:
        line: Where; 0 for the whole file.
        fix: A line to paste.
    """

    def __init__(self, what: str, line: int, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.fix = fix


class Twice(NamedTuple):
    """A key that stands twice in an object."""

    key: str
    first: int
    line: int


class Document:
    """A kernel.json.

    Args:
        file: As messages name it.
        text: What is in it.

    Raises:
        Broken: It is no JSON object.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.values: dict[str, Any] = _parsed(file, text)
        # YAML knows the lines, and JSON that could be parsed is YAML but for tabs between values.
        try:
            self._root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            self._root = None

    def where(self, *path: str | int) -> Location:
        """The line of a value: of its key, or of the nearest that there is around it."""
        node, line = self._root, 1 if self._root else 0
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return Location(self.file, line)

    def twice(self) -> Iterator[Twice]:
        """Keys that stand twice in one object: the last one counts."""
        pending = [self._root]
        for node in pending:
            lines: dict[str, int] = {}
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    line = key.start_mark.line + 1
                    if key.value in lines:
                        yield Twice(key.value, lines[key.value], line)
                    lines[key.value] = line
                    pending.append(value)
            elif isinstance(node, yaml.SequenceNode):
                pending += node.value


def read(folder: str) -> Document:
    """The kernel.json of a folder.

    Raises:
        Broken: It is not UTF-8, or no JSON object.
    """
    file = os.path.normpath(os.path.join(folder, NAME))
    try:
        with open(file, "rb") as opened:
            text = opened.read().decode()
    except UnicodeDecodeError:
        raise Broken("is not UTF-8 text", 0, f"save {file} as UTF-8") from None
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror}", 0, f"ls -l {file}") from None
    return Document(file, text)


def _parsed(file: str, text: str) -> dict[str, Any]:
    if text.startswith("\ufeff"):
        raise Broken("begins with a byte order mark", 1, f"sed -i '1s/^\\xEF\\xBB\\xBF//' {file}")
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        what, at, fix = _explained(text, error)
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        raise Broken(f"is no JSON: {what} (line {line}, column {column})", line, fix) from None
    except RecursionError:
        raise Broken(
            "is no JSON: it is nested too deep", 1, "take the outer brackets away"
        ) from None
    if not isinstance(values, dict):
        raise Broken("holds no JSON object", 1, '{"argv": […], "display_name": "…", …}')
    return values


def _explained(text: str, error: json.JSONDecodeError) -> tuple[str, int, str]:
    """What is wrong, at which character, and what mends it."""
    at, ended = error.pos, len(text[: error.pos].rstrip())
    rest, before = text[at:], text[:ended]
    line = text.splitlines()[error.lineno - 1].strip() if rest else ""
    message = error.msg
    # Newer versions of Python point to the comma, older ones to what follows it.
    after = rest.lstrip(", \t\r\n")[:1]
    comma = at if rest.startswith(",") else ended - 1
    last = (before.splitlines() or [""])[-1].strip()
    cases = [
        (not text.strip(), "it is empty", 0, "copy the kernel.json of a kernelspec like it"),
        (not rest.strip(), "it ends too early", max(0, ended - 1), "close what is open: ] and }"),
        (after and after in "}]" and text[comma] == ",",
         f"there is a comma before {after}", comma, "remove the comma"),
        (rest.startswith("'"), "texts stand in double quotes", at, line.replace("'", '"')),
        (_COMMENT.match(rest), "it has a comment", at, f"remove {line}"),
        (message.startswith("Expecting ',' delimiter"), "a comma is missing", ended, f"{last},"),
        (message.startswith("Expecting property name"),
         "a name in double quotes is missing", at, f"quote the name: {line}"),
        (message.startswith("Invalid \\escape"),
         "a backslash in a text is written twice", at, "write \\\\ for \\"),
        (message.startswith("Invalid control character"),
         "a text has no closing quote on its line", at, f'{line}"'),
        (True, message[:1].lower() + message[1:], at, f"mend {line}"),
    ]  # fmt: skip
    return next((what, place, fix) for holds, what, place, fix in cases if holds)


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
