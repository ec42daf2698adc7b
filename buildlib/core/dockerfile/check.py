"""Checks of the files that a Dockerfile reads against the declaration of its target.

The checks are pure: what is in the build context and in the package are arguments. Each raises the
first disagreement, at the line of the Dockerfile. `bases` has the check of images, `limits` those
for engine 20.10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from posixpath import dirname, join, normpath

from buildlib.core.dockerfile.glob import PatternError, glob_regex
from buildlib.core.dockerfile.model import Dockerfile, Source
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

Why = Callable[[str], "tuple[str, str] | None"]
"""Why a path of the package is not in the context, and the fix; None where nothing is there."""

_MOST_LINKS = 40
"""Links that a path may lead through, as for Linux."""


def check_sources(
    dockerfile: Dockerfile,
    context: Collection[str],
    why: Why,
    declared: Location,
    *,
    ignored: Callable[[str], bool] = lambda _: False,
    ignore_file: str = "the ignore file",
    links: Mapping[str, str] | None = None,
) -> None:
    """Require every path that the Dockerfile reads to be in the build context.

    Args:
        context: Files in it, and whole folders; relative to it.
        declared: Where the target is declared.
        ignored: Whether the ignore file excludes a path.
        ignore_file: Its path in the workspace.
        links: The symlinks in the context, with what they say.
    """
    for stage in dockerfile.reached:
        for source in stage.reads:
            read = source._replace(path=follow(source.path, links or {}))
            if not _matches(read, context, dockerfile):
                by = ignore_file if ignored(read.path) else ""
                what, fix = _not_there(source, read.path, dockerfile, context, why, by)
                where = Location(dockerfile.file, source.line)
                raise InputError(
                    f"{source.by} reads {what}", where=where, declared=declared, fix=fix
                )


def follow(path: str, links: Mapping[str, str]) -> str:
    """Where a path of a context leads; for builders, an absolute link begins at its root."""
    for _ in range(_MOST_LINKS if links else 0):
        above = path
        while above and above not in links:
            above = dirname(above)
        if not above:
            break
        target = join("/", dirname(above), links[above])
        path = normpath(target + path[len(above) :]).lstrip("/") or "."
    return path


def in_context(path: str, context: Collection[str]) -> bool:
    """Whether a path is, holds, or lies in one of the paths of a context."""
    if path == ".":
        return bool(context)
    if path in context or any(other.startswith(path + "/") for other in context):
        return True
    while path and path not in context and f"{path}/" not in context:  # below a declared folder
        path = path.rpartition("/")[0]
    return bool(path)


def _matches(source: Source, context: Collection[str], dockerfile: Dockerfile) -> bool:
    if not source.glob:
        return in_context(source.path, context)
    try:
        regex = re.compile(f"{glob_regex(source.path)}(?:/|\\Z)")
    except PatternError as error:
        raise InputError(
            f"{source.by} reads {source.path}, which is no valid pattern: {error}",
            where=Location(dockerfile.file, source.line),
            fix=f"{source.by} {source.path.partition('[')[0]}*",
        ) from None
    return any(regex.match(other) for other in context)


def _not_there(
    source: Source,
    path: str,
    dockerfile: Dockerfile,
    context: Collection[str],
    why: Why,
    left_out_by: str,
) -> tuple[str, str]:
    """What is wrong with a source that leads to a path, and the fix."""
    if path == ".":
        return "the whole folder, but srcs is empty", 'srcs = glob(["**"])'
    if source.glob:
        return f"{path}, which matches nothing in srcs", f'srcs = [..., *glob(["{path}"])]'
    shown = path if path == source.path else f"{source.path}, a link to {path}"
    if left_out_by:
        return (
            f"{shown}, which {left_out_by} leaves out",
            f"printf '\\n!{path}\\n' >> {left_out_by}",
        )
    if reason := why(path):
        return f"{shown}, which {reason[0]}", reason[1]
    guess = nearest(path, context)
    line = f"{dockerfile.file}:{source.line}"
    if path != source.path:
        fix = f"write {source.path} as a file, or make the link in the Dockerfile"
        return f"{shown}, which does not exist", fix
    return (
        f"{shown}, which does not exist{did_you_mean(path, context)}",
        f"{source.by} {guess}" if guess else f"create {path}, or remove it from {line}",
    )
