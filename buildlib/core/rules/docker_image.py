"""`docker_image`: an image from a Dockerfile with declared sources.

The Dockerfile is plain Docker. Its build context is a staged folder that holds only what was
declared: the sources, `apt/` with the locked Debian packages, `wheels/` with the locked Python
packages, and the files of targets in `srcs`. The build argument `BASE_CONTAINER` names its parent.
Steps have no network unless the declaration says `network=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.core.dockerfile import ignore_files
from buildlib.core.dsl.absent import read_linked
from buildlib.core.dsl.declare import (
    current,
    declare,
    image_repository,
    image_tags,
    known_flavours,
    label,
    source,
    sources,
)
from buildlib.core.model.output import Output
from buildlib.core.model.requirements import request_of, requirement_files
from buildlib.core.model.secret import parse_secrets
from buildlib.core.model.section import APT, PYTHON
from buildlib.core.model.target import PARENT_ARG, SRC, File, Pin, Target, image_name
from buildlib.core.rules.base import DockerfileRule, base_deps, locked_requirements
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context


def docker_image(
    *,
    name: str,
    parent: str | Mapping[str, str] | None = None,
    bases: Mapping[str, str] | None = None,
    dockerfile: str = "Dockerfile",
    target: str = "",
    srcs: Sequence[str] = (),
    apt: Sequence[str] = (),
    python: str = "",
    build_args: Mapping[str, str] | None = None,
    platform: str = "",
    network: bool = False,
    secrets: Mapping[str, str] | None = None,
    repository: str = "",
    tags: Sequence[str] = (),
    flavours: Sequence[str] = (),
    internal: bool = False,
    description: str = "",
    licenses: str = "",
    doc: str = "",
) -> None:
    """Declare an image.

    Args:
        name: Name of the target.
        parent: The image that `FROM ${BASE_CONTAINER}` stands for: a label, or one for each
            flavour; None for a Dockerfile that starts from scratch.
        bases: Further images: build argument -> label; or, for a Dockerfile that is not to be
            edited, the name of an image in its `FROM` or `--from`, without tag, in which `*` may
            stand for anything -> label.
        dockerfile: The Dockerfile, a file of the package.
        target: The stage to build, by its name; by default the last one. What it does not need is
            neither built nor checked.
        srcs: Files of the package (also by `glob`; `.dockerignore` holds), and labels.
        apt: Debian packages to add to the parent; locked with all they need by
            `./doitw lock apt`, and laid in `apt/`.
        python: A requirements file that ends in `.in`; it may include others (`-r`, `-c`).
            `./doitw lock python` makes the `.lock` file of the same name from it, with hashes. The
            Dockerfile finds that file by its name alone, whatever folder it is in, and its wheels
            in `wheels/`.
        build_args: Values of the Dockerfile's `ARG`s.
        platform: Such as `linux/amd64`; by default the workspace's.
        network: Let steps use the network; the image is then not hermetic, and says so in `plan`.
        secrets: What steps may mount (`RUN --mount=type=secret,id=…`): id -> `env:NAME`, a
            variable of whoever builds, or `file:PATH`, absolute or `~/…`. The key holds the ids
            alone, so the image is not hermetic, and nothing is built when a value changes.
        repository: The image's name without organisation; by default the target's name.
        tags: Tags that it gets beside `dev` or the release's, such as a version of what is in it.
        flavours: Where it exists, if not in all; elsewhere it is left out, and `plan` says so.
        internal: Made to make other images of, and never released.
        description: For the OCI label of the image; it is part of the result, and so of the key.
        licenses: SPDX expression for the OCI label.
        doc: One line for `doit list`; not part of the key.
    """
    files, deps = sources(srcs)
    files = [
        *without_ignored(files, dockerfile),
        source(dockerfile, attribute="dockerfile", makes=True),
    ]
    lent = parse_secrets(secrets or {})
    pins: list[Pin] = []
    own = str(label(f":{name}"))
    parents = dict(bases or {})
    chosen = _by_flavour(parent, known_flavours(flavours))
    if chosen and PARENT_ARG in parents:
        raise InputError(
            f"{PARENT_ARG} stands in bases and is the parent too",
            fix=f"remove {PARENT_ARG} from bases",
        )
    if chosen:
        parents[PARENT_ARG] = chosen
    deps += base_deps(parents)
    if apt:
        if not chosen:
            raise InputError(
                "apt needs a parent to add packages to", fix='parent = "//images/bases/os"'
            )
        pins.append(Pin(APT.name, own, tuple(sorted(set(apt)))))
    if python:
        locked, asked = _requirements(python)
        files += locked
        pins.append(Pin(PYTHON.name, python_entry_name(own, python), asked))
    declare(
        RULE,
        name=name,
        doc=doc,
        attrs={
            "build_args": build_args or {},
            "description": description,
            "dockerfile": dockerfile,
            "licenses": licenses,
            "network": network,
            **({"target": target} if target else {}),
            "python": python,
            "platform": platform or current().settings.platform,
            "repository": image_repository(repository or name),
            **({"secrets": [secret.id for secret in lent]} if lent else {}),
        },
        files=files,
        deps=deps,
        pins=pins,
        flavours=flavours,
        tags=image_tags(tags),
        internal=internal,
        secrets=lent,
    )


def _requirements(python: str) -> tuple[list[File], tuple[str, ...]]:
    """The `.lock` file of a requirements file, if it exists, and the request of the lock entry."""
    package = current()
    if not python.endswith(".in"):
        raise InputError(
            f"python is {python!r}, not a requirements file that ends in .in",
            fix='python = "requirements.in"',
        )
    file = source(python, attribute="python", makes=True)
    name = python.removesuffix(".in") + ".lock"
    locked = package.tree.stamps([package.in_workspace(name)])[0].rpartition(" ")[2]
    files = []
    if name in package.name_set:
        files = [source(name, attribute="python", as_name=locked_requirements(python))]
    included = requirement_files(package.tree, file.path)
    return files, request_of(included, file.path, locked)


def python_entry_name(own: str, python: str) -> str:
    """Name of the lock entry of an image's wheels.

    It names a file other than `requirements.in`, since an image may have different requirements in
    each flavour, and the lock holds all of them.
    """
    return own if python == "requirements.in" else f"{own} {python}"


def _by_flavour(parent: str | Mapping[str, str] | None, flavours: Sequence[str]) -> str | None:
    """The parent for the workspace's flavour, or for the image's own if it is left out."""
    if parent is None or isinstance(parent, str):
        return parent
    known_flavours(parent)
    flavour = current().settings.flavour
    if flavours and flavour not in flavours:
        flavour = flavours[0]
    if flavour not in parent:
        raise InputError(
            f"there is no parent for the flavour {flavour}",
            fix=f'parent = {{"{flavour}": "//…", …}}',
        )
    return parent[flavour]


def without_ignored(files: list[File], dockerfile: str) -> list[File]:
    """Drop files that the package's `.dockerignore` excludes; itself it is a file like others."""
    package = current()
    name = next(filter(package.name_set.__contains__, ignore_files(dockerfile)), None)
    if name is None:
        return files
    from buildlib.core.dockerfile.ignore import IgnoreRules

    path = package.in_workspace(name)
    text = read_linked(package.tree, path).decode(errors="replace")
    rules = IgnoreRules.parse(text, file=path)
    return [file for file in files if not rules.excludes(file.name)]


class DockerImage(DockerfileRule):
    """An image that is staged by us and built by BuildKit."""

    kind = "docker_image"
    version = 2
    product = "image"
    takes_secrets = True

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        stage = stage_image(target, context)
        labels = oci_labels(target, context)
        return context.build_image(target, self.request(target), stage, labels=labels)


def stage_image(target: Target, context: Context) -> Any:
    """Fill the build context of a target's Dockerfile."""
    stage = context.stage(target)
    for file in target.files:
        stage.add_source(file.name, context.source(file))
    for fetched in context.fetch(target):
        stage.add_stored(fetched.path, fetched.sha256)
    for dep in target.deps:
        if dep.kind == SRC:
            for name, output in context.output(dep.ref).files.items():
                stage.add_stored(name, output.sha256, executable=output.executable)
    stage.finish()
    return stage


def oci_labels(target: Target, context: Context) -> dict[str, str]:
    """OCI labels, which do not depend on commit, day, tag or organisation.

    Undeclared ones are empty: without its own label, an image would have its parent's.
    """
    attrs = target.attrs
    parent = target.parent
    return {
        f"org.opencontainers.image.{name}": value
        for name, value in {
            "title": attrs["repository"],
            "description": attrs["description"],
            "licenses": attrs["licenses"],
            "base.name": image_name(context.targets[parent]) if parent else "",
        }.items()
    }


RULE = DockerImage()
