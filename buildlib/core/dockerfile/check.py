"""Checks of a Dockerfile against the declaration of its target.

The checks are pure: declared sources and the existence of files are arguments. Each check raises
the first disagreement, at the declaration. `limits` has the checks for engine 20.10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from buildlib.core.dockerfile.glob import PatternError, glob_regex
from buildlib.core.dockerfile.model import Dockerfile, Source, Stage
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

_ALONE = re.compile(r'"?\$(?:(\w+)|\{(\w+)(?::-[^{}]*)?\})"?\Z')
"""One variable with an optional default, and nothing else."""


def check_sources(
    dockerfile: Dockerfile,
    provided: Collection[str],
    exists: Callable[[str], bool],
    where: Location,
    ignored: Callable[[str], bool] = lambda _: False,
) -> None:
    """Require every path that the Dockerfile reads to be a declared source.

    Args:
        provided: Declared paths (files, or whole folders), relative to the build context.
        exists: Whether the package's folder has this path, declared or not.
        ignored: Whether the ignore file excludes a path.
    """
    sent = {path for path in provided if not ignored(path)}
    for stage in dockerfile.stages:
        for source in stage.reads:
            if source.path in sent or _matches(source, sent, dockerfile):
                continue
            what, fix = _not_provided(source, dockerfile, provided, exists)
            if _matches(source, provided, dockerfile):
                what = (
                    f"{source.path} is in srcs, but the ignore file leaves it out "
                    f"({_at(dockerfile, source.line)} reads it)"
                )
                fix = f"!{source.path}"
            raise InputError(what, where=where, fix=fix)


def _matches(source: Source, paths: Collection[str], dockerfile: Dockerfile) -> bool:
    """Whether a source is, holds, or lies in one of the paths."""
    path = source.path
    if path == ".":
        return bool(paths)
    if source.glob:
        try:
            regex = re.compile(f"{glob_regex(path)}(?:/|\\Z)")
        except PatternError as error:
            raise InputError(
                f"{source.by} reads {path}, which is no valid pattern: {error}",
                where=Location(dockerfile.file, source.line),
                fix=f"{source.by} {path.partition('[')[0]}*",
            ) from None
        return any(regex.match(other) for other in paths)
    if any(other.startswith(path + "/") for other in paths):
        return True
    while path and path not in paths:  # below a declared folder, or behind a declared link to one
        path = path.rpartition("/")[0]
    return bool(path)


def _not_provided(
    source: Source,
    dockerfile: Dockerfile,
    provided: Collection[str],
    exists: Callable[[str], bool],
) -> tuple[str, str]:
    """What is wrong with a source, and the fix."""
    path, at = source.path, _at(dockerfile, source.line)
    if path == ".":
        return f"{at} reads the whole folder, but srcs is empty", 'srcs = glob(["**"])'
    if source.glob:
        fix = f'srcs = [..., *glob(["{path}"])]'
        return f"{path} matches nothing in srcs ({at} reads it)", fix
    if exists(path):
        entry = f'*glob(["{path}/**"])' if source.folder else f'"{path}"'
        return f"{path} exists, but is not in srcs ({at} reads it)", f"srcs = [..., {entry}]"
    guess = nearest(path, provided)
    return (
        f"{path} does not exist ({at} reads it){did_you_mean(path, provided)}",
        f"{at}: {source.by} {guess}" if guess else f"create {path}, or remove it from {at}",
    )


def check_parent(dockerfile: Dockerfile, bases: Mapping[str, str], where: Location) -> None:
    """Require the images that the Dockerfile builds on to be exactly the declared ones.

    Args:
        bases: Build argument of each declared base -> last part of its image's name, such as
            `scipy-notebook`.
    """
    used = _used_bases(dockerfile, bases, where)
    for name in bases:
        if name not in used:
            raise InputError(
                f"the parent {bases[name]} is declared as {name}, but no FROM of "
                f"{dockerfile.file} uses that"
                f"{did_you_mean(name, [arg.name for arg in dockerfile.args])}",
                where=where,
                fix=f"FROM ${{{name}}}",
            )
    for arg in dockerfile.args:
        expected = bases.get(arg.name)
        if expected is None or not arg.default:
            continue
        actual = repository(arg.default)
        if actual != expected:
            raise InputError(
                f"the parent is {expected}, but {_at(dockerfile, arg.line)} says "
                f"{arg.name}={arg.default}",
                where=where,
                fix=f"ARG {arg.name}={_renamed(arg.default, expected)}",
            )


def _used_bases(dockerfile: Dockerfile, bases: Mapping[str, str], where: Location) -> set[str]:
    """The declared bases that the stages use; any other base is an error."""
    used: set[str] = set()
    for stage in dockerfile.stages:
        if stage.parent is None and stage.image != "scratch":
            alone = _ALONE.match(stage.base)
            name = (alone[1] or alone[2]) if alone else ""
            if name not in bases:
                what, fix = _undeclared_base(stage, dockerfile, bases)
                raise InputError(what, where=where, fix=fix)
            used.add(name)
        for reference in stage.references:
            if reference.stage is None and reference.name != "scratch":
                raise InputError(
                    f"{_at(dockerfile, reference.line)} copies from {reference.name}, "
                    "which is neither a stage above it nor a declared base",
                    where=where,
                    fix=f"FROM ${{BASE}} AS {repository(reference.name)}, "
                    f"with ARG BASE={reference.name} above it and BASE declared",
                )
    return used


def repository(image: str) -> str:
    """The last part of an image's name: `elyra/scipy-notebook:dev` is `scipy-notebook`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _renamed(image: str, name: str) -> str:
    """An image's name with another last part; keeps its tag and drops a digest."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    _, colon, tag = last.partition(":")
    return f"{path}{slash}{name}{colon}{tag}"


def _undeclared_base(
    stage: Stage, dockerfile: Dockerfile, bases: Mapping[str, str]
) -> tuple[str, str]:
    """What is wrong with the base of a stage, and the fix."""
    at = _at(dockerfile, stage.line)
    later = [other.name for other in dockerfile.stages if other.line > stage.line and other.name]
    if stage.image in later:
        what = f"{at} builds on the stage {stage.image}, which stands below it"
        return what, f"move FROM ... AS {stage.image} above {at}"
    name = repository(stage.image)
    guess = next(iter([*(arg for arg in bases if bases[arg] == name), *bases]), "")
    mentioned = next((variable for variable in stage.variables if variable in bases), "")
    if mentioned:
        what = f"{at} builds on {stage.base}, which is more than the declared base"
        guess = mentioned
    elif stage.variables:
        first = stage.variables[0]
        what = (
            f"{at} builds on {stage.image or stage.base} (FROM {stage.base}), but {first} is no "
            f"declared base{did_you_mean(first, bases)}"
        )
        guess = nearest(first, bases) or guess
    else:
        what = f"{at} builds on {stage.image or stage.base}, which is not a declared base"
    return what, f"FROM ${{{guess}}}" if guess else f'parent = "//FOLDER/OF/{name}"'


def _at(dockerfile: Dockerfile, line: int) -> str:
    return f"{dockerfile.file}:{line}"
