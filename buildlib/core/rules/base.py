"""Code that several rules share.

A rule module `foo.py` beside this one defines the public function `foo(*, name, …)`, which checks
its arguments and calls `declare(...)`, and a `Rule` that makes the declared targets. It needs no
registration: `from buildlib.rules import foo` finds it. Keys, plans, explanations and tasks follow
from the arguments of `declare` (buildlib/core/model/target.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from buildlib.core.dsl.declare import label
from buildlib.core.model.label import Reference
from buildlib.core.model.output import FileOutput
from buildlib.core.model.section import SECTIONS
from buildlib.core.model.target import BASE, MEMBER, SRC, Dep, Request, Rule, Target, Targets
from buildlib.core.rules.context import Context
from buildlib.errors import InputError


def locked_requirements(python: str) -> str:
    """Name of a requirements file's `.lock` file in the build context: without folders."""
    return python.rpartition("/")[2].removesuffix(".in") + ".lock"


def place(files: dict[str, FileOutput], name: str, output: FileOutput, target: Target) -> None:
    """Add a file to those of a target; another file of that name is an error."""
    if files.get(name, output) != output:
        raise InputError(
            f"two inputs of {target.label} would both be {name}",
            where=target.where,
            fix="rename one of them, or take it out",
        )
    files[name] = output


def files_of(dep: Dep, target: Target, context: Context) -> Mapping[str, FileOutput]:
    """The files of a dependency; an error if `dep.name` is the path of one and it has others."""
    files = context.output(dep.ref).files
    if not dep.name.endswith("/") and len(files) != 1:
        raise InputError(
            f"{dep.ref} has {len(files)} files, but {dep.name} is one",
            where=target.where,
            fix=f'end the path with "/": "{dep.name}/"',
        )
    return files


def member_path(dep: Dep, name: str) -> str:
    """The path in a target of a file of a `MEMBER` dependency; a folder's ends in `/`."""
    return dep.name.removeprefix("./") + name if dep.name.endswith("/") else dep.name


def member_files(target: Target, context: Context) -> Iterator[tuple[str, FileOutput]]:
    """The files of a target's members, with their paths in it: those of dependencies first."""
    for dep in target.deps:
        if dep.kind == MEMBER:
            for name, output in files_of(dep, target, context).items():
                yield member_path(dep, name), output
    for file in target.files:
        yield file.name, context.keep_source(file)


def base_deps(bases: Mapping[str, str]) -> list[Dep]:
    """The edges to the images that a Dockerfile builds on, given by labels.

    Args:
        bases: Keys are build arguments, or names of images as a Dockerfile has them.
    """
    for key in bases:
        name = re.sub(r":[^/:]*\Z", "", re.sub(r"[${}\s]", "", key.partition("@")[0]))
        if not name or name != key:
            raise InputError(
                f"{key!r} in bases is neither a build argument nor an image's name without a tag",
                fix=f'bases = {{"{name or "NAME"}": "//…"}}',
            )
    return [Dep(BASE, key, Reference(label(text))) for key, text in bases.items()]


class DockerfileRule(Rule):
    """A rule whose targets have a Dockerfile, and a staged folder as its build context.

    The targets have the attributes `build_args`, `dockerfile`, `network` and `platform`, and
    `target` where another stage than the last is built.
    """

    def request(self, target: Target) -> Request:
        return Request(
            target.attrs["dockerfile"],
            target.attrs["build_args"],
            {dep.name: dep.ref.label for dep in target.deps if dep.kind == BASE},
            target.platform,
            target.attrs["network"],
            target.attrs.get("target", ""),
            secrets=target.secrets,
        )

    def staged_names(self, target: Target, targets: Targets) -> list[str]:
        staged = [file.name for file in target.files]
        python = str(target.attrs.get("python") or "")
        locked = locked_requirements(python)
        if python and locked not in staged:  # it does not exist before the first `lock python`
            staged.append(locked)
        folders = [SECTIONS[pin.section].folder for pin in target.pins]
        staged += [f"{folder}/" for folder in folders if folder]
        for dep in target.deps:
            if dep.kind == SRC:
                other = targets[dep.ref.label]
                staged += other.rule.output_names(other, targets)
        return staged
