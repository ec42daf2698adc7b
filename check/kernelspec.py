"""One kernelspec: a folder with a kernel.json, and the class that starts its kernel."""

from __future__ import annotations

import json
import os
from shlex import quote
from typing import Any, NamedTuple

from buildlib.errors import Location
from buildlib.suggest import did_you_mean, nearest
from check.document import NAME, Broken, Document, read
from check.findings import Findings
from check.known import (
    CLASSES,
    LOCAL,
    PROXIES,
    Proxy,
)

_LONG = 80  # characters
PROXY = ("metadata", "process_proxy")
CLASS, CONFIG = (*PROXY, "class_name"), (*PROXY, "config")
_EXAMPLES: dict[type, tuple[str, str]] = {
    str: ("a text in quotes", '"…"'),
    list: ("a list of texts", '["…"]'),
    dict: ("an object", "{}"),
}


class Kernelspec(NamedTuple):
    """A folder with a kernel.json that could be read.

    Attributes:
        folder: As it was named.
        path: Absolute.
    """

    folder: str
    path: str
    document: Document
    findings: Findings

    @property
    def name(self) -> str:
        """Of the folder, which is the kernel's."""
        return os.path.basename(self.path)

    def take(self, *path: str, kind: type = str) -> Any:
        """A value, or None where there is none or one of another kind, which is told."""
        value: Any = self.document.values
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None or isinstance(value, kind):
            return value
        form, example = _EXAMPLES[kind]
        if kind is str and not isinstance(value, list | dict):
            example = f'"{json.dumps(value)}"'
        self.findings.error(
            f"{'.'.join(path)} is not {form}",
            self.document.where(*path),
            f'"{path[-1]}": {example}',
        )
        return None

    @property
    def class_name(self) -> str:
        """The class that starts it, or that is meant, below Enterprise Gateway's package.

        The local one where none is named.
        """
        value: Any = self.document.values
        for step in CLASS:
            value = value.get(step) if isinstance(value, dict) else None
        return (
            meant_class(value) or value.removeprefix(PROXIES) if isinstance(value, str) else LOCAL
        )

    @property
    def proxy(self) -> Proxy | None:
        """What is known of that class; None for one that is not Enterprise Gateway's."""
        return CLASSES.get(self.class_name)

    @property
    def is_remote(self) -> bool:
        """Whether the gateway waits for the kernel's report."""
        return self.proxy is not None and self.class_name != LOCAL

    @property
    def short_class_name(self) -> str:
        """The same without modules, for messages."""
        return short(self.class_name)


def meant_class(class_name: str) -> str | None:
    """The class of Enterprise Gateway that a name stands for, or is nearest to."""
    name = class_name.removeprefix(PROXIES)
    if name in CLASSES:
        return name
    if "." in name and not class_name.startswith(PROXIES.partition(".")[0][:8]):
        return None  # of another package
    same = [each for each in CLASSES if short(each) == short(name)]
    return same[0] if same else nearest(name, CLASSES) or nearest(short(name), CLASSES)


def setting(key: str, value: Any) -> str:
    """How a value is written in kernel.json; a long one is left to its reader."""
    text = json.dumps(value, ensure_ascii=False)
    return f'"{key}": {text if len(text) <= _LONG else "…"}'


def short(class_name: str) -> str:
    """The name of a class without its modules."""
    return class_name.rpartition(".")[2]


def open_kernelspec(folder: str, findings: Findings) -> Kernelspec | None:
    """The kernelspec in a folder; None where there is none, or it cannot be read: that is told."""
    path = os.path.abspath(folder)
    here = Location(folder, 0)
    if os.path.isfile(path):
        parent = os.path.dirname(folder) or "."
        findings.error(
            "is a file, not the folder of a kernelspec", here, f"./doitw check kernelspec {parent}"
        )
        return None
    if not os.path.isdir(path):
        beside = os.path.dirname(path)
        known = sorted(os.listdir(beside)) if os.path.isdir(beside) else []
        meant = nearest(os.path.basename(path), known)
        other = os.path.join(os.path.dirname(folder), meant) if meant else "DIR"
        findings.error(
            f"there is no such folder{did_you_mean(os.path.basename(path), known)}",
            here,
            f"./doitw check kernelspec {quote(other) if meant else other}",
        )
        return None
    if not os.path.exists(os.path.join(path, NAME)):
        _tell_no_kernelspec(folder, path, findings)
        return None
    try:
        document = read(folder)
    except Broken as broken:
        file = os.path.normpath(os.path.join(folder, NAME))
        findings.error(broken.what, Location(file, broken.line), broken.fix)
        return None
    return Kernelspec(folder, path, document, findings)


def _tell_no_kernelspec(folder: str, path: str, findings: Findings) -> None:
    here = Location(folder, 0)
    names = sorted(os.listdir(path))
    inner = [name for name in names if os.path.exists(os.path.join(path, name, NAME))]
    misspelt = nearest(NAME, names)
    if inner:
        what = f"is no kernelspec, but has {len(inner)} in it: {NAME} is a level deeper"
        findings.error(what, here, f"./doitw check kernelspec {quote(folder)}/*")
    elif misspelt:
        old, new = (quote(os.path.join(folder, name)) for name in (misspelt, NAME))
        findings.error(f"is no kernelspec: {NAME} is called {misspelt}", here, f"mv {old} {new}")
    else:
        findings.error(
            f"is no kernelspec: it has no {NAME}",
            here,
            f"cp -r python_kubernetes/. {quote(folder)}/",
        )
