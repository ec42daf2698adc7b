"""Names of targets: labels, references to parts of them, patterns, and task names.

`//images/kernel-py:kernel-py` is a label, `//images/kernel-py` its short form. A reference may
name parts of a target: `//launchers:kernel_image_files[bootstrap, python]`. The task name of a
label is its shortest unique form: for `//images/kernel-py` it is `kernel-py`, and a person types
`doit build:kernel-py` (docs/design/names.md). This module handles text and knows no graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from buildlib.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_.+-]+\Z")
_OTHER = re.compile(r"[^A-Za-z0-9_.+:/-]+")
_PARTS = re.compile(r"(?P<label>[^\[\]]+)\[(?P<parts>[^\[\]]*)\]\Z")
HOME = "images/"
"""The folder that task names leave out."""


class Label(NamedTuple):
    """The name of one target: its package (a folder, no slashes at the ends) and its own name."""

    package: str
    name: str

    @property
    def short(self) -> str:
        """`//images/kernel-py` where the name repeats the folder, else with `:name`."""
        if self.package.rsplit("/", 1)[-1] == self.name:
            return f"//{self.package}"
        return f"//{self.package}:{self.name}"

    def path(self, name: str) -> str:
        """A file of the package, as a path in the workspace."""
        return f"{self.package}/{name}" if self.package else name

    def __str__(self) -> str:
        return self.short


def main_label(package: str) -> Label:
    """The label that is named as a package: `//images/kernel-py`."""
    return Label(package, package.rpartition("/")[2])


class Reference(NamedTuple):
    """A target, or named parts of it (empty: the whole)."""

    label: Label
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.label}[{', '.join(self.parts)}]" if self.parts else str(self.label)


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a target or of a part."""
    return bool(_NAME.match(text)) and bool(text.strip("."))


def is_label(text: str) -> bool:
    """Whether `text` is written as a label (`//…` or `:…`) and not as a path of a file."""
    return text.startswith(("//", ":"))


def parse_label(text: str, *, package: str = "") -> Label:
    """Parse a label; `:name` is a target of `package`."""
    if text.startswith(":"):
        folder, name = package, text[1:]
    elif text.startswith("//"):
        folder, _, name = text[2:].partition(":")
        name = name or (folder.rsplit("/", 1)[-1] if ":" not in text else "")
    else:
        folder, name = "", ""
    pieces = [name, *folder.split("/")] if folder else [name]
    if not all(map(is_name, pieces)):
        if text.startswith(":") and name:
            raise not_a_name(name)
        stem = _OTHER.sub("-", text.strip("/:")).strip("-") or "images/kernel-py"
        raise InputError(f"{text!r} is not a label", fix=f'write "//{stem}"')
    return Label(folder, name)


def not_a_name(text: str) -> InputError:
    """The error that `text` cannot be the name of a target or of a part."""
    plain = _OTHER.sub("-", text.replace("/", "-")).strip("-.").lower() or "kernel-py"
    return InputError(f"{text!r} cannot be a name", fix=f'write "{plain}"')


def parse_reference(text: str, *, package: str = "") -> Reference:
    """Parse a label with an optional list of parts: `//x:y[a, b]`. Parts are sorted."""
    match = _PARTS.match(text)
    if not match:
        return Reference(parse_label(text, package=package))
    parts = [part.strip() for part in match["parts"].split(",")]
    if not all(_NAME.match(part) for part in parts):
        raise InputError(
            f"{text!r} names no parts in its brackets",
            fix=f"{match['label']}[part, part], or {match['label']} for the whole",
        )
    label = parse_label(match["label"], package=package)
    return Reference(label, tuple(sorted(set(parts))))


def match_pattern(pattern: str, labels: Iterable[Label]) -> list[Label]:
    """The labels that a pattern stands for, in the given order.

    `//...` is all, `//images/...` all at and below a folder, `//images/x:all` all of one package.
    """
    if pattern.endswith("..."):
        folder = pattern[2:-3].rstrip("/")
        below = folder + "/"
        return [
            label
            for label in labels
            if not folder or label.package == folder or label.package.startswith(below)
        ]
    if pattern.endswith(":all"):
        return [label for label in labels if label.package == pattern[2:-4]]
    return []


def is_pattern(text: str) -> bool:
    """Whether `text` has the form `//…/...` or `//…:all`."""
    return text.startswith("//") and text.endswith(("/...", ":all"))


def _forms(label: Label) -> tuple[str, ...]:
    """All possible task names of a label, shortest first.

    A proof named `verify` is called by its folder, and one in the folder `verify` by its own name:
    their tasks are `verify:kernel-py` and `verify:swarm`.
    """
    names = [label.short[2:]]
    if label.name == "verify" and label.package:
        names.insert(0, label.package)
    elif label.package == "verify":
        names.insert(0, label.name)
    forms = [form for name in names for form in (name.removeprefix(HOME), name)]
    return tuple(dict.fromkeys(forms))


def task_names(labels: Iterable[Label]) -> dict[Label, str]:
    """The task name of each label: its shortest form that no other label has."""
    labels = list(labels)
    users: dict[str, int] = {}
    for label in labels:
        for form in _forms(label):
            users[form] = users.get(form, 0) + 1
    return {
        label: next((form for form in _forms(label) if users[form] == 1), _forms(label)[-1])
        for label in labels
    }
