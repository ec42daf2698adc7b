"""Recording declarations: the functions that rules call while a `BUILD.py` runs.

The package being loaded is module state during one `exec`, as in every DSL of this kind: the loader
sets and removes it. Rules use it only through the functions below.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildlib.core.dsl import glob as globs
from buildlib.core.model.label import (
    Label,
    Reference,
    is_label,
    is_name,
    parse_label,
    parse_reference,
)
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.core.model.settings import FLAVOURS, Settings, refuse_choice
from buildlib.core.model.target import SRC, Dep, File, Pin, Rule, Target
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError, Location

BUILD_FILE = "BUILD.py"
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_NOT_IN_REPOSITORY = re.compile(r"[^a-z0-9]+")


def _line_of(ending: str) -> Location | None:
    """The innermost running line of a file whose path ends like this."""
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to a caller's line
    while frame is not None:
        file = frame.f_code.co_filename
        if file == ending or file.endswith("/" + ending):
            return Location(file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


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
        return _line_of(self.build_file) or Location(self.build_file, 0)

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
            where=_line_of("defs.py"),
            fix="move the call into a function, and call that in a BUILD.py",
        )
    return _current


def glob(
    include: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    allow_empty: bool = False,
) -> list[str]:
    """Names of the package's files that match, sorted.

    Args:
        include: Patterns: `*` within a folder, `**` across folders. Packages below are left out.
        exclude: Patterns of what to leave out.
        allow_empty: Do not insist that something matches.
    """
    package = current()
    if isinstance(include, str) or isinstance(exclude, str):
        raise InputError(
            "glob takes lists of patterns", where=package.where(), fix=f'glob(["{include}"])'
        )
    for pattern in (*include, *exclude):
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise InputError(
                f"pattern {pattern!r} leads out of the package",
                where=package.where(),
                fix="make a filegroup there",
            )
        if not globs.is_valid(pattern):
            raise InputError(
                f"pattern {pattern!r} has a class that means nothing",
                where=package.where(),
                fix="a class is [abc], [a-z] or [!abc]",
            )
    matching = globs.match(package.names, include, (BUILD_FILE, *exclude))
    if not matching and not allow_empty:
        raise InputError(
            f"glob({list(include)!r}) matches nothing in {package.path or 'the workspace root'}",
            where=package.where(),
            fix="correct the pattern, or say allow_empty=True",
        )
    return matching


def sources(
    srcs: Iterable[str],
    *,
    attribute: str = "srcs",
) -> tuple[list[File], list[Dep]]:
    """Split a list of sources into files of the package and edges to other targets."""
    package = current()
    if isinstance(srcs, str):
        raise InputError(
            f"{attribute} is a text, not a list",
            where=package.where(),
            fix=f'{attribute} = ["{srcs}"]',
        )
    files: list[File] = []
    deps: list[Dep] = []
    seen: set[str | Reference] = set()
    for src in srcs:
        if not isinstance(src, str):
            raise InputError(
                f"{attribute} holds {src!r}, which is no text",
                where=package.where(),
                fix=f'{attribute} = ["file", "//label"]',
            )
        ref = None
        if is_label(src):  # which can be written in several ways: the key has one of them
            ref = parse_reference(src, package=package.path, where=package.where())
        if (ref or src) in seen:
            raise InputError(
                f"{src} stands twice in {attribute}",
                where=package.where(),
                fix=f"remove one {src!r}",
            )
        seen.add(ref or src)
        if ref is not None:
            deps.append(Dep(SRC, str(ref), ref))
        else:
            files.append(source(src, attribute=attribute))
    return files, deps


def source(
    name: str, *, attribute: str, part: str = "", as_name: str = "", makes: bool = False
) -> File:
    """A single file of the package.

    Args:
        as_name: Its name in the target; by default that in the package.
        makes: If it does not exist, the fix is to write it.
    """
    package = current()
    if name not in package.name_set:
        _refuse_missing(package, name, attribute, makes=makes)
    return File(as_name or name, package.in_workspace(name), part)


def _refuse_missing(package: Package, name: str, attribute: str, *, makes: bool) -> None:
    from buildlib.suggest import did_you_mean, nearest

    where = package.where()
    if globs.is_glob(name):
        raise InputError(
            f"{attribute} holds the pattern {name!r}, but takes names",
            where=where,
            fix=f'{attribute} = glob(["{name}"])',
        )
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(
            f"{name!r} in {attribute} leads out of the package",
            where=where,
            fix="name a target of the other package: //folder:name",
        )
    if package.tree.exists(package.in_workspace(name)):
        inside = [known for known in package.names if known.startswith(name.rstrip("/") + "/")]
        if inside:
            raise InputError(
                f"{name!r} in {attribute} is a folder",
                where=where,
                fix=f'glob(["{name.rstrip("/")}/**"])',
            )
        raise InputError(
            f"{name!r} in {attribute} belongs to another package, or is a tool's leaving",
            where=where,
            fix="name a target of the other package: //folder:name",
        )
    raise InputError(
        f"{name!r} in {attribute} does not exist in {package.path or 'the workspace root'}"
        f"{did_you_mean(name, package.names)}",
        where=where,
        fix=f"write {package.in_workspace(name)}"
        if makes and not nearest(name, package.names)
        else f"{attribute}: {nearest(name, package.names) or 'remove ' + name}",
    )


def leads_out(path: str) -> bool:
    """Whether a path is not one inside of a folder."""
    return not path or path[0] == "/" or (".." in path and ".." in path.split("/")) or "\0" in path


def label(text: str) -> Label:
    """Parse a label of the package being loaded."""
    package = current()
    if not isinstance(text, str):
        raise InputError(f"{text!r} is not a label", where=package.where(), fix='"//images/x"')
    return parse_label(text, package=package.path, where=package.where())


def image_repository(name: str) -> str:
    """Check the name of an image (OCI distribution specification, "name")."""
    if not _REPOSITORY.match(name):
        raise InputError(
            f"{name!r} cannot be the name of an image",
            where=current().where(),
            fix=f'repository = "{_NOT_IN_REPOSITORY.sub("-", name.lower()).strip("-")}"',
        )
    return name


def image_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Check further tags of an image (OCI distribution specification, "tag")."""
    if isinstance(tags, str):
        raise InputError(
            "tags is a text, not a list", where=current().where(), fix=f'tags = ["{tags}"]'
        )
    for tag in tags:
        if not isinstance(tag, str) or not _TAG.match(tag):
            raise InputError(
                f"{tag!r} cannot be a tag",
                where=current().where(),
                fix="letters, digits and _ . -, at most 128, the first a letter, digit or _",
            )
    return tuple(tags)


def known_flavours(flavours: Iterable[str]) -> tuple[str, ...]:
    """Check names of flavours."""
    from buildlib.suggest import did_you_mean

    if isinstance(flavours, str):
        raise InputError(
            "flavours is a text, not a list",
            where=current().where(),
            fix=f'flavours = ["{flavours}"]',
        )
    names = tuple(flavours)
    for flavour in names:
        if flavour not in FLAVOURS:
            raise InputError(
                f"unknown flavour {flavour!r}{did_you_mean(str(flavour), FLAVOURS)}",
                where=current().where(),
                fix=f"flavours: {', '.join(FLAVOURS)}",
            )
    return names


def setting(name: str, choices: Sequence[str] = ()) -> str:
    """A value of the family's own tables in `[tool.buildlib]` of pyproject.toml.

    Args:
        name: Table and name, such as `spark.version`.
        choices: What it may be; by default any text.
    """
    from buildlib.suggest import did_you_mean, nearest

    package = current()
    package.settings_read.add(name)
    known = package.settings.family
    if name not in known:
        table, _, word = str(name).rpartition(".")
        meant = nearest(str(name), sorted(known))
        missing = f'{word} = "…", in the table [tool.buildlib.{table or "TABLE"}] of pyproject.toml'
        raise InputError(
            f"pyproject.toml has no setting {name}{did_you_mean(str(name), sorted(known))}",
            where=package.where(),
            fix=f'setting("{meant}")' if meant else missing,
        )
    if choices and known[name] not in choices:
        refuse_choice(name, known[name], choices, package.tree.read(SETTINGS_FILE).decode())
    return known[name]


def select(by_flavour: Mapping[str, Any]) -> Any:
    """One of several values: that for the flavour of the workspace.

    Args:
        by_flavour: Flavour -> value.
    """
    package = current()
    if not isinstance(by_flavour, Mapping):
        raise InputError(
            f"select takes a value for each flavour, not {by_flavour!r}",
            where=package.where(),
            fix='select({"debian": …, "docker-stacks": …})',
        )
    known_flavours(by_flavour)
    flavour = package.settings.flavour
    if flavour not in by_flavour:
        raise InputError(
            f"select has no value for the flavour {flavour}",
            where=package.where(),
            fix=f'select({{"{flavour}": …, …}})',
        )
    return by_flavour[flavour]


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
        where=current().where(),
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
) -> Label:
    """Add a target to the package being loaded; arguments as for `Target`."""
    package = current()
    where = package.where()
    if not isinstance(name, str) or not name:
        raise InputError(f"{rule.kind} has no name", where=where, fix='name = "kernel-py"')
    parts = tuple(parts)
    for word in (name, *parts):
        if not is_name(word):
            raise InputError(
                f"{word!r} cannot be a name", where=where, fix="letters, digits and _ . + -"
            )
    own = Label(package.path, name)
    taken = package.targets.get(name)
    if taken is not None:
        raise InputError(
            f"{own} is declared twice; first at {taken.where}",
            where=where,
            fix=f'give one of them another name than "{name}"',
        )
    first_line, _, more = doc.partition("\n")
    if more:
        raise InputError(
            f"doc of {own} has more than one line", where=where, fix=f'doc = "{first_line}"'
        )
    package.targets[name] = Target(
        label=own,
        rule=rule,
        where=where,
        doc=doc,
        attrs={key: freeze(value, key) for key, value in sorted((attrs or {}).items())},
        files=tuple(sorted(files)),
        deps=tuple(sorted(deps, key=lambda dep: dep.role)),
        pins=tuple(sorted(pins)),
        parts=tuple(sorted(parts)),
        manual=manual,
        internal=internal,
        flavours=known_flavours(flavours),
        tags=tuple(sorted(tags)),
    )
    return own
