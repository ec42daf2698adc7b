"""Recording declarations: the functions that rules call while a `BUILD.py` runs.

The package being loaded is module state during one `exec`, as in every DSL of this kind: the loader
sets and removes it. Rules use it only through the functions below.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from posixpath import normpath, splitext
from typing import Any

from buildlib.core.dsl import absent
from buildlib.core.dsl.glob import is_glob
from buildlib.core.model.label import (
    HOME,
    Label,
    Reference,
    is_label,
    is_name,
    not_a_name,
    parse_reference,
)
from buildlib.core.model.secret import Secret
from buildlib.core.model.settings import FLAVOURS, Settings
from buildlib.core.model.target import MEMBER, SRC, Dep, File, Pin, Rule, Target
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

BUILD_FILE = absent.BUILD_FILE
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")


class Package:
    """One `BUILD.py` while it runs.

    Args:
        path: Folder, relative to the workspace.
        names: All files of the package, relative to it, without those of packages below it.
    """

    def __init__(self, path: str, tree: Tree, names: Sequence[str], settings: Settings) -> None:
        self.path = path
        self._before = f"{path}/" if path else ""
        self.tree = tree
        self.names = names
        self.name_set = frozenset(names)
        self.settings = settings
        self.targets: dict[str, Target] = {}
        self.settings_read: set[str] = set()
        self.build_file = f"{path}/{BUILD_FILE}" if path else BUILD_FILE

    def where(self) -> Location:
        """The line of this `BUILD.py` that runs now."""
        frame = sys._getframe(1)  # noqa: SLF001 - the only way to a caller's line
        while frame.f_code.co_filename != self.build_file and frame.f_back:
            frame = frame.f_back
        return Location(self.build_file, frame.f_lineno)

    def in_workspace(self, name: str) -> str:
        """The path in the workspace of a file of the package."""
        return self._before + name


_current: Package | None = None


def enter(package: Package | None) -> None:
    """Set the package that declarations go to."""
    global _current  # noqa: PLW0603 - see the module's docstring
    _current = package


def peek() -> Package | None:
    """The package being loaded, or None."""
    return _current


def current() -> Package:
    """The package being loaded; an error outside of a `BUILD.py`."""
    if _current is None:
        raise InputError(
            "rules are called while a BUILD.py is read, not by the file of macros itself",
            fix="move the call into a function, and call that in a BUILD.py",
        )
    return _current


def sources(srcs: Iterable[str], *, attribute: str = "srcs") -> tuple[list[File], list[Dep]]:
    """Split a list of sources into files of the package and edges to other targets."""
    files: list[File] = []
    deps: list[Dep] = []
    seen: set[str | Reference] = set()
    for src in srcs:
        if not isinstance(src, str):
            raise InputError(
                f"{attribute} holds {src!r}, which is no text",
                fix=f'{attribute} = ["file", "//label"]',
            )
        ref = reference(src) if is_label(src) else None
        if (ref or src) in seen:  # a label can be written in several ways
            raise InputError(f"{src} stands twice in {attribute}", fix=f"remove one {src!r}")
        seen.add(ref or src)
        if ref is not None:
            deps.append(Dep(SRC, str(ref), ref))
        else:
            files.append(source(src, attribute=attribute))
    return files, deps


def members(
    given: Mapping[str, str], *, attribute: str, whole: str, part: str = ""
) -> tuple[list[File], list[Dep]]:
    """Split the members of a target into files of the package and edges to other targets.

    Args:
        given: Path in the target -> file or label.
        whole: What the paths are in, for messages.
        part: The part of the target that they belong to.
    """
    files: list[File] = []
    deps: list[Dep] = []
    for path, origin in given.items():
        if leads_out(path):
            raise InputError(f"{path!r} leads out of the {whole}", fix="write a relative path")
        if is_label(origin):
            deps.append(Dep(MEMBER, path, reference(origin), part))
        else:
            files.append(source(origin, attribute=attribute, part=part, as_name=path))
    return files, deps


def source(
    name: str, *, attribute: str, part: str = "", as_name: str = "", makes: bool = False
) -> File:
    """A single file of the package.

    Args:
        as_name: Its name in the target; by default that in the package.
        makes: If it does not exist, the fix is to write it, or to name another of its kind.
    """
    package = current()
    if name not in package.name_set:
        _refuse_missing(package, name, attribute, makes=makes)
    return File(as_name or name, package.in_workspace(name), part)


def _refuse_missing(package: Package, name: str, attribute: str, *, makes: bool) -> None:
    if is_glob(name):
        raise InputError(
            f"{attribute} holds the pattern {name!r}, but takes names",
            fix=f'{attribute} = glob(["{name}"])',
        )
    folder = "" if normpath(name) == "." else normpath(name) + "/"
    if leads_out(name):
        what, fix = "leads out of the package", "name a target of the other package: //folder:name"
    elif any(known.startswith(folder) for known in package.names):
        what, fix = "is a folder", f'glob(["{folder}**"])'
    elif reason := absent.why_absent(package.tree, package.path, normpath(name)):
        what, fix = reason
    else:
        kind = splitext(name)[1]
        known = [each for each in package.names if not makes or splitext(each)[1] == kind]
        home, meant = package.path or "the workspace root", nearest(name, known)
        what = f"does not exist in {home}{did_you_mean(name, known)}"
        fix = f"{attribute}: {meant or 'remove ' + name}"
        if makes and not meant:
            fix = f"write {package.in_workspace(name)}"
    raise InputError(f"{name!r} in {attribute} {what}", fix=fix)


def leads_out(path: str) -> bool:
    """Whether a path is not one inside of a folder."""
    return not path or path[0] == "/" or (".." in path and ".." in path.split("/")) or "\0" in path


def label(text: str) -> Label:
    """Parse a label of the package being loaded."""
    ref = reference(text)
    if ref.parts:
        raise InputError(f"{text!r} is not a label", fix=str(ref.label))
    return ref.label


def reference(text: str) -> Reference:
    """Parse a label of the package being loaded, with an optional list of parts."""
    if not isinstance(text, str):
        raise InputError(f"{text!r} is not a label", fix='"//images/x"')
    if not is_label(text):
        raise InputError(f"{text!r} is not a label", fix=f'write "{_meant(text)}"')
    return parse_reference(text, package=current().path)


def _meant(text: str) -> str:
    """The label that a path, a task name or the name of an image stands for most likely."""
    stem = text.strip("/:") or "images/kernel-py"
    tree, name = current().tree, stem.rpartition("/")[2].partition(":")[0]
    for folder in (stem, HOME + stem):
        if tree.exists(f"{folder.partition(':')[0]}/{BUILD_FILE}"):
            return f"//{folder}"
    homes = sorted(folder for folder, names in tree.files("") if BUILD_FILE in names)
    same = [f"//{folder}" for folder in homes if folder.rpartition("/")[2] == name]
    return (
        same[0] if same else nearest(f"//{HOME}{name}", [f"//{it}" for it in homes]) or f"//{stem}"
    )


def image_repository(name: str) -> str:
    """Check the name of an image (OCI distribution specification, "name")."""
    if not _REPOSITORY.match(name):
        plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        raise InputError(f"{name!r} cannot be the name of an image", fix=f'repository = "{plain}"')
    return name


def image_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Check further tags of an image (OCI distribution specification, "tag")."""
    for tag in tags:
        if not isinstance(tag, str) or not _TAG.match(tag):
            raise InputError(
                f"{tag!r} cannot be a tag",
                fix="letters, digits and _ . -, at most 128, the first a letter, digit or _",
            )
    return tuple(tags)


def known_flavours(flavours: Iterable[str]) -> tuple[str, ...]:
    """Check names of flavours."""
    names = tuple(flavours)
    for flavour in names:
        if flavour not in FLAVOURS:
            raise InputError(
                f"unknown flavour {flavour!r}{did_you_mean(str(flavour), FLAVOURS)}",
                fix=f"flavours: {', '.join(FLAVOURS)}",
            )
    return names


def freeze(value: Any, attribute: str) -> Any:
    """Freeze an attribute's value: lists become tuples, dicts sorted copies; others are refused."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        if "\0" not in value and " at 0x" not in value:
            return value
    elif isinstance(value, (list, tuple)):
        return tuple(freeze(item, attribute) for item in value)
    elif isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: freeze(value[key], attribute) for key in sorted(value)}
    raise InputError(
        f"{attribute} holds {value!r}, which is no text, number, truth value, list or dict of them",
        fix=f"correct {attribute}",
    )


def declare(
    rule: Rule,
    *,
    name: str,
    doc: str = "",
    attrs: Mapping[str, Any] | None = None,
    files: Iterable[File] = (),
    deps: Iterable[Dep] = (),
    pins: Iterable[Pin] = (),
    parts: Iterable[str] = (),
    manual: bool = False,
    flavours: Iterable[str] = (),
    tags: Iterable[str] = (),
    internal: bool = False,
    secrets: tuple[Secret, ...] = (),
) -> Label:
    """Add a target to the package being loaded; arguments as for `Target`."""
    package = current()
    if not isinstance(name, str) or not name:
        raise InputError(f"{rule.kind} has no name", fix='name = "kernel-py"')
    parts = tuple(parts)
    for word in (name, *parts):
        if not is_name(word):
            raise not_a_name(word)
    own = Label(package.path, name)
    taken = package.targets.get(name)
    if taken is not None:
        raise InputError(
            f"{own} is declared twice; first at {taken.where}",
            fix=f'give one of them another name than "{name}"',
        )
    first_line, _, more = doc.partition("\n")
    if more:
        raise InputError(f"doc of {own} has more than one line", fix=f'doc = "{first_line}"')
    package.targets[name] = Target(
        label=own,
        rule=rule,
        where=package.where(),
        doc=doc,
        attrs={key: freeze(value, key) for key, value in sorted((attrs or {}).items())},
        files=tuple(sorted(set(files))),  # srcs may name a Dockerfile, too
        deps=tuple(sorted(deps, key=lambda dep: dep.role)),
        pins=tuple(sorted(pins)),
        parts=tuple(sorted(parts)),
        manual=manual,
        internal=internal,
        flavours=known_flavours(flavours),
        tags=tuple(sorted(tags)),
        secrets=secrets,
    )
    return own
