"""Validation: checks of Dockerfiles against their declarations, before anything runs.

Errors are, for example: a copied file that is not declared, a parent that `FROM` does not name, an
instruction that an engine cannot build. Results are remembered by content, so a build with nothing
to do parses no Dockerfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from buildlib.core.graph.graph import Graph
from buildlib.core.model.label import Label
from buildlib.core.model.target import Request, Target
from buildlib.core.model.tree import Tree
from buildlib.errors import InputError, Location

if TYPE_CHECKING:
    from buildlib.core.dockerfile.model import Dockerfile

_FETCHING_ARGS = ("BUILDKIT_SYNTAX", "BUILDKIT_DISABLE_FILEOP")
"""Build arguments that make BuildKit fetch another frontend, or an image to copy with."""

_PAST_THE_KEY = {
    "address": (
        "{by} fetches {name}, which no pin holds",
        'declare download(name=…, urls=["…"]), name it in srcs, and ADD the file',
    ),
    "cache": (
        "a cache mount keeps what no key holds from one build to the next",
        "remove {name}; what is fetched comes from wheels/ and apt/",
    ),
    "image": (
        "{by} takes from {name} of whatever builds on this image, which no key of that holds",
        "COPY the files into this image, or write the line into the Dockerfile of the child",
    ),
    "variable": (
        "{by} uses {name}, which is as the machine and its user are that build",
        'build_args = {{"{name}": "…"}}, or leave it out; TARGETPLATFORM is what it is built for',
    ),
}
"""For each kind of `Outside`: the error and its fix."""


def validate(graph: Graph, tree: Tree, memo: Any) -> dict[Label, InputError]:
    """Check every target that has a Dockerfile, and refuse built files as sources.

    Args:
        memo: Remembers passed checks; it is that of a `View`.

    Returns:
        What is wrong with targets.
    """
    errors = _export_errors(graph)
    for target in graph.targets.values():
        request = target.rule.request(target)
        if request is not None:
            try:
                _validate(target, request, graph, tree, memo)
            except InputError as error:
                errors.setdefault(target.label, error)
    return errors


def _export_errors(graph: Graph) -> dict[Label, InputError]:
    """Targets with exported files as sources: these may be absent, so no key may depend on them."""
    errors: dict[Label, InputError] = {}
    makers: dict[str, dict[str, Target]] = {}
    for target in graph.targets.values():
        export = target.rule.export(target, "")
        if export is not None:
            makers.setdefault(target.label.package, {})[export.path] = target
    for target in graph.targets.values():
        for file in target.files if target.label.package in makers else ():
            maker = makers[target.label.package].get(file.path)
            if maker is not None:
                errors[target.label] = InputError(
                    f"{file.path} is made by {maker.label} and is no source",
                    where=target.where,
                    fix=f'"{maker.label}" in the place of it, or exclude=["{file.name}"] in a glob',
                )
    return errors


def _validate(target: Target, request: Request, graph: Graph, tree: Tree, memo: Any) -> None:
    file = target.label.path(request.dockerfile)
    try:
        text = tree.read(file)
    except FileNotFoundError:
        raise InputError(
            f"{file} cannot be read: it is a link that leads nowhere in the workspace",
            where=target.where,
            fix=f"git checkout -- {file}",
        ) from None
    provided = target.rule.staged_names(target, graph.targets)
    bases: dict[str, str] = {}
    for arg, label in request.bases.items():
        base = graph[label]
        if not base.rule.is_image:
            raise InputError(
                f"{label} is no image, but a {base.rule.kind}",
                where=target.where,
                fix="name an image as parent",
            )
        bases[arg] = base.rule.from_name(base)
    for arg in _FETCHING_ARGS:
        if arg in request.args:
            raise InputError(
                f"build_args has {arg}, which makes the builder fetch an image that no pin holds",
                where=target.where,
                fix=f"remove {arg} from build_args",
            )
    args = {**_platform_args(request.platform), **request.args}
    ignore_file, ignore = _ignore_text(tree, target.label, request.dockerfile)
    memo_key = (
        "dockerfile",
        text,
        tuple(provided),
        _plain(bases),
        _plain(args),
        ignore,
        request.network,
        secrets := tuple(secret.id for secret in request.secrets),
    )
    if memo.get(memo_key):
        return
    from buildlib.core.dockerfile import check
    from buildlib.core.dockerfile.ignore import IgnoreRules
    from buildlib.core.dockerfile.limits import check_engine_limits
    from buildlib.core.dockerfile.parse import parse
    from buildlib.core.dockerfile.secrets import check_secrets

    dockerfile = parse(text.decode(errors="replace"), file, args)
    check_engine_limits(dockerfile)
    _check_hermetic(dockerfile, network=request.network)
    check_secrets(dockerfile, secrets, target.where)
    parents = {arg: check.repository(name) for arg, name in bases.items()}
    check.check_parent(dockerfile, parents, target.where)
    ignored = IgnoreRules.parse(ignore.decode(errors="replace"), ignore_file).excludes
    check.check_sources(
        dockerfile,
        provided,
        lambda path: tree.exists(target.label.path(path)),
        target.where,
        ignored,
    )
    memo[memo_key] = True


def _check_hermetic(dockerfile: Dockerfile, *, network: bool) -> None:
    """Refuse inputs that no key holds, such as an `ADD` of an address or a cache mount.

    A target with a network may have them in its own steps. A step after `ONBUILD` runs in the
    builds of other targets, which may have no network.
    """
    for outside in dockerfile.outside:
        if network and not outside.trigger:
            continue
        by = f"ONBUILD {outside.by}" if outside.trigger else outside.by
        what, fix = (text.format(by=by, name=outside.name) for text in _PAST_THE_KEY[outside.kind])
        raise InputError(what, where=Location(dockerfile.file, outside.line), fix=fix)


def _ignore_text(tree: Tree, label: Label, dockerfile: str) -> tuple[str, bytes]:
    """Path and text of the ignore file that applies; it is parsed only for a check."""
    for path in map(label.path, (f"{dockerfile}.dockerignore", ".dockerignore")):
        if tree.exists(path):
            return path, tree.read(path)
    return "", b""


def _plain(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))


def _platform_args(platform: str) -> dict[str, str]:
    """The build arguments that BuildKit sets by itself (docs.docker.com, "Global scope")."""
    system, _, rest = platform.partition("/")
    machine, _, variant = rest.partition("/")
    values = {"PLATFORM": platform, "OS": system, "ARCH": machine, "VARIANT": variant}
    return {f"TARGET{name}": value for name, value in values.items()}
