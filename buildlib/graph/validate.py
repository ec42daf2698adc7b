"""What only a Dockerfile and its declaration together can show to be wrong.

A source that is copied and not declared, a parent that `FROM` does not name, what an engine
cannot build: found before anything runs, and told at the declaration. Results are remembered by
content, so that a build with nothing to do parses no Dockerfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from buildlib.errors import InputError, Location
from buildlib.graph.graph import Graph
from buildlib.model.target import Target, image_name
from buildlib.model.tree import Tree

if TYPE_CHECKING:
    from buildlib.dockerfile.model import Dockerfile

_VERSION = 2
"""Raised when a check is added or changed."""


def validate(graph: Graph, tree: Tree, memo: Any) -> None:
    """Check every target that has a Dockerfile, and that nobody takes a made file for a source.

    Args:
        graph: All targets.
        tree: Where Dockerfiles are read from.
        memo: Remembers what was found right; anything with `get` and `__setitem__`.

    Raises:
        InputError: A Dockerfile and its declaration disagree, or a source is made by a target.
    """
    _check_exports(graph)
    for target in graph.targets.values():
        name = target.attrs.get("dockerfile")
        if name:
            _validate(target, graph, tree, memo)


def _check_exports(graph: Graph) -> None:
    """What a target writes into the workspace is there or not: no key may depend on it."""
    makers: dict[str, dict[str, Target]] = {}
    for target in graph.targets.values():
        export = target.rule.export(target, "")
        if export is not None:
            makers.setdefault(target.label.package, {})[export.path] = target
    for target in graph.targets.values():
        for file in target.files if target.label.package in makers else ():
            maker = makers[target.label.package].get(file.path)
            if maker is not None:
                raise InputError(
                    f"{file.path} is made by {maker.label} and is no source",
                    where=target.where,
                    fix=f'"{maker.label}" in the place of it, or exclude=["{file.name}"] in a glob',
                )


def _validate(target: Target, graph: Graph, tree: Tree, memo: Any) -> None:
    package = target.label.package
    file = f"{package}/{target.attrs['dockerfile']}" if package else target.attrs["dockerfile"]
    try:
        text = tree.read(file)
    except FileNotFoundError:
        raise InputError(
            f"{file} cannot be read: it is a link that leads nowhere in the workspace",
            where=target.where,
            fix=f"git checkout -- {file}",
        ) from None
    provided = target.rule.staged_names(target, graph)
    bases: dict[str, str] = {}
    for dep in target.deps:
        if dep.role.startswith("base "):
            base = graph[dep.ref.label]
            if base.rule.product != "image":
                raise InputError(
                    f"{dep.ref} is no image, but a {base.rule.kind}",
                    where=target.where,
                    fix="name an image as parent",
                )
            bases[dep.role[len("base ") :]] = str(base.attrs.get("image") or image_name(base))
    args = {**_platform_args(target), **target.attrs.get("build_args", {})}
    folder = f"{package}/" if package else ""
    ignore_file, ignore = _ignore_text(tree, folder, target.attrs["dockerfile"])
    asked = (
        "dockerfile",
        _VERSION,
        text,
        tuple(provided),
        _plain(bases),
        _plain(args),
        ignore,
        bool(target.attrs.get("network")),
    )
    if memo.get(asked):
        return
    from buildlib.dockerfile import check
    from buildlib.dockerfile.ignore import IgnoreRules
    from buildlib.dockerfile.limits import check_engine_limits
    from buildlib.dockerfile.parse import parse

    dockerfile = parse(text.decode(errors="replace"), file, args)
    check_engine_limits(dockerfile)
    if not target.attrs.get("network"):
        _check_hermetic(dockerfile)
    parents = {arg: check.repository(name) for arg, name in bases.items()}
    check.check_parent(dockerfile, parents, target.where)
    ignored = IgnoreRules.parse(ignore.decode(errors="replace"), ignore_file).excludes
    check.check_sources(
        dockerfile, provided, lambda path: tree.exists(folder + path), target.where, ignored
    )
    memo[asked] = True


def _check_hermetic(dockerfile: Dockerfile) -> None:
    """Refuse what reaches a result past its key: fetched addresses, and mounts that remember.

    Raises:
        InputError: An `ADD` of an address, or a cache mount.
    """
    for stage in dockerfile.stages:
        for remote in stage.remotes:
            raise InputError(
                f"ADD fetches {remote.name}, which no pin holds",
                where=Location(dockerfile.file, remote.line),
                fix='declare download(name=…, urls=["…"]), name it in srcs, and ADD the file',
            )
        for instruction in stage.instructions:
            if any(name == "mount" and "type=cache" in value for name, value in instruction.flags):
                raise InputError(
                    "a cache mount keeps what no key holds from one build to the next",
                    where=Location(dockerfile.file, instruction.line),
                    fix="remove --mount=type=cache; what is fetched comes from wheels/ and apt/",
                )


def _ignore_text(tree: Tree, folder: str, dockerfile: str) -> tuple[str, bytes]:
    """The ignore file that counts and its text; it is understood only where checks are made."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if tree.exists(folder + name):
            return folder + name, tree.read(folder + name)
    return "", b""


def _plain(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A dict as something the memo can keep."""
    return tuple(sorted(values.items()))


def _platform_args(target: Target) -> dict[str, str]:
    """The build arguments that BuildKit gives by itself (docs.docker.com, "Global scope")."""
    platform = str(target.attrs.get("platform", ""))
    system, _, rest = platform.partition("/")
    machine, _, variant = rest.partition("/")
    values = {"PLATFORM": platform, "OS": system, "ARCH": machine, "VARIANT": variant}
    return {f"TARGET{name}": value for name, value in values.items()}
