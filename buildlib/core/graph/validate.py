"""Validation: checks of Dockerfiles against their declarations, before anything runs.

Errors are, for example: a copied file that is not declared, a parent that `FROM` does not name, an
instruction that an engine cannot build. Results are remembered by content, so a build with nothing
to do parses no Dockerfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from buildlib.core.dockerfile import ignore_files
from buildlib.core.dsl.absent import read_linked, why_absent
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
    """Check every target that has a Dockerfile, and refuse files that no action could take.

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
        elif tree.links:
            from buildlib.core.graph.links import refuse_links

            try:
                refuse_links(target, (), tree)
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
    provided = target.rule.staged_names(target, graph.targets)
    ignore_file, ignore = _ignore_text(tree, target, request.dockerfile)

    def ignored(path: str) -> bool:
        from buildlib.core.dockerfile.ignore import IgnoreRules

        rules = IgnoreRules.parse(ignore.decode(errors="replace"), ignore_file)
        return rules.excludes(path)

    links: Mapping[str, str] = {}
    if tree.links:
        from buildlib.core.graph.links import check_links

        links = check_links(target, request.dockerfile, provided, tree, ignored)
    text = read_linked(tree, file, target.where)
    bases = _bases(target, request, graph)
    memo_key = (
        "dockerfile",
        text,
        tuple(provided),
        _plain(bases),
        _plain(request.known_args),
        request.target,
        ignore,
        request.network,
        _plain(links),
        secrets := tuple(secret.id for secret in request.secrets),
    )
    if memo.get(memo_key):
        return
    context = [name for name in provided if name != request.dockerfile or not ignored(name)]
    decoded = text.decode(errors="replace")
    try:
        dockerfile = _parsed(decoded, file, request)
        _check_images(dockerfile, bases, target, graph)
        from buildlib.core.dockerfile.check import check_sources
        from buildlib.core.dockerfile.secrets import check_secrets

        check_secrets(dockerfile, secrets, target.where, may_declare=target.rule.takes_secrets)

        def why(path: str) -> tuple[str, str] | None:
            return why_absent(tree, target.label.package, path)

        check_sources(
            dockerfile,
            context,
            why,
            target.where,
            ignored=ignored,
            ignore_file=ignore_file,
            links=links,
        )
    except InputError as error:
        _complete(error, target, file, decoded)
        raise
    memo[memo_key] = True


def _bases(target: Target, request: Request, graph: Graph) -> dict[str, str]:
    """The declared bases, each with the name of its image; refuses what only looks declared."""
    for arg in _FETCHING_ARGS:
        if arg in request.args:
            raise InputError(
                f"build_args has {arg}, which makes the builder fetch an image that no pin holds",
                where=target.where,
                fix=f"remove {arg} from build_args",
            )
    bases: dict[str, str] = {}
    for key, label in request.bases.items():
        base = graph[label]
        if not base.rule.is_image:
            raise InputError(
                f"{label} is no image, but a {base.rule.kind}",
                where=target.where,
                fix="name an image as parent",
            )
        bases[key] = base.rule.from_name(base)
    return bases


def _parsed(text: str, file: str, request: Request) -> Dockerfile:
    """A Dockerfile that all engines can build, without inputs that no key holds."""
    from buildlib.core.dockerfile.limits import check_engine_limits
    from buildlib.core.dockerfile.parse import parse

    dockerfile = parse(text, file, request.known_args, request.target)
    check_engine_limits(dockerfile)
    _check_hermetic(dockerfile, network=request.network)
    return dockerfile


def _check_images(
    dockerfile: Dockerfile, bases: Mapping[str, str], target: Target, graph: Graph
) -> None:
    from buildlib.core.dockerfile.bases import check_parent, repository

    def label_of(name: str) -> str:
        for label, each in graph.targets.items():
            if each.rule.is_image and repository(each.rule.from_name(each)) == name:
                return str(label)
        return ""

    names = {key: repository(name) for key, name in bases.items()}
    check_parent(dockerfile, names, target.where, label_of)


def _complete(error: InputError, target: Target, file: str, text: str) -> None:
    """Say of an error where the target is declared, and name a character that nobody sees."""
    error.where = error.where or target.where
    if error.where.file != file:
        return
    error.declared = target.where
    from buildlib.core.dockerfile.invisible import invisible_in

    if error.where.line and (found := invisible_in(text, error.where.line)):
        error.what += f"; there is {found}"
        error.fix = found.removal(file)


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


def _ignore_text(tree: Tree, target: Target, dockerfile: str) -> tuple[str, bytes]:
    """Path and text of the ignore file that applies; it is parsed only for a check."""
    for path in map(target.label.path, ignore_files(dockerfile)):
        if tree.exists(path):
            if tree.links:
                from buildlib.core.graph.links import refuse_link_out

                refuse_link_out(target, path, tree)
            return path, read_linked(tree, path, target.where)
    return "", b""


def _plain(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))
