"""What the declarations of a tree declared, kept with all that they asked of the tree.

Declarations see a tree and the settings, and nothing else. Where the folders hold the same names,
and each question about a file has the same answer, they would declare the same again, and need not
be run. A tree that cannot say cheaply what its folders hold (a commit) keeps nothing.
"""

from __future__ import annotations

from _hashlib import openssl_sha256
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from buildlib.core.model.label import Label, Reference
from buildlib.core.model.target import Dep, File, Pin, Rule, Target
from buildlib.core.model.tree import Tree
from buildlib.errors import Location

_READ, _EXISTS, _STAMP = "read", "exists", "stamp"


class Asked:
    """A tree, and what it answered."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.index = tree.index
        self.answers: dict[tuple[str, str], Any] = {}
        """Question and path -> answer; that of what cannot be read is None."""

    def read(self, path: str) -> bytes:
        content: bytes | None = self._ask(_READ, path)
        if content is None:
            raise FileNotFoundError(path)
        return content

    def exists(self, path: str) -> bool:
        return bool(self._ask(_EXISTS, path))

    def stamps(self, paths: Iterable[str]) -> list[str]:
        return [self._ask(_STAMP, path) for path in paths]

    def files(self, folder: str) -> list[tuple[str, list[str]]]:
        return self._tree.files(folder)

    def note_folders(self, listing: Iterable[tuple[str, list[str]]]) -> Any:
        return self._tree.note_folders(listing)

    def has_folders(self, noted: Any) -> bool:
        return self._tree.has_folders(noted)

    def _ask(self, question: str, path: str) -> Any:
        answer = self.answers[question, path] = _answer(self._tree, question, path)
        return answer


def _answer(tree: Tree, question: str, path: str) -> Any:
    if question == _EXISTS:
        return tree.exists(path)
    if question == _STAMP:
        return tree.stamps([path])[0]
    try:
        return tree.read(path)
    except FileNotFoundError:
        return None


def to_plain(
    targets: Mapping[Label, Target], asked: Asked, folders: Mapping[str, list[str]]
) -> dict[str, Any] | None:
    """Targets and what they were made from, as plain values; None if that cannot be kept.

    Args:
        folders: The folders that declarations may see, with the names in each.
    """
    noted = asked.note_folders(folders.items())
    if noted is None:
        return None
    plain = [
        (
            target.label.package,
            target.label.name,
            target.rule.kind,
            tuple(target.where),
            target.doc,
            target.attrs,
            tuple(map(tuple, target.files)),
            [
                (dep.kind, dep.name, *_plain_ref(dep.ref), dep.part, dep.by_name)
                for dep in target.deps
            ],
            tuple(map(tuple, target.pins)),
            target[8:],
        )
        for target in targets.values()
    ]
    digest = str(openssl_sha256(repr(plain).encode("utf-8", "surrogateescape")).hexdigest())
    return {"folders": noted, "answers": asked.answers, "targets": plain, "digest": digest}


def _plain_ref(ref: Reference) -> tuple[str, str, tuple[str, ...]]:
    return (*ref.label, ref.parts)


def still_holds(plain: Mapping[str, Any], tree: Tree) -> bool:
    """Whether declarations would find the same in a tree as those did that made these targets."""
    return tree.has_folders(plain["folders"]) and all(
        _answer(tree, question, path) == answer
        for (question, path), answer in plain["answers"].items()
    )


def files_read(plain: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
    """The files that were read, with their contents."""
    return [
        (path, answer)
        for (question, path), answer in plain["answers"].items()
        if question == _READ and answer is not None
    ]


def from_plain(plain: Mapping[str, Any]) -> dict[Label, Target]:
    """The targets of `to_plain`. Hot: a large workspace has 100,000 files."""
    new: Any = tuple.__new__
    as_file, as_pin = partial(new, File), partial(new, Pin)
    rules: dict[str, Rule] = {}
    targets: dict[Label, Target] = {}
    for package, name, kind, where, doc, attrs, files, deps, pins, rest in plain["targets"]:
        rule = rules.get(kind)
        if rule is None:
            rule = rules[kind] = import_module(f"buildlib.core.rules.{kind}").RULE
        label = new(Label, (package, name))
        edges = tuple(
            [
                Dep(kind, named, Reference(Label(of, other), parts), part, by_name)
                for kind, named, of, other, parts, part, by_name in deps
            ]
        )
        fields = (label, rule, new(Location, where), doc, attrs, tuple(map(as_file, files)), edges)
        targets[label] = new(Target, (*fields, tuple(map(as_pin, pins)), *rest))
    return targets
