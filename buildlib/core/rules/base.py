"""What several rules share.

A rule module `foo.py` beside this one defines the public function `foo(*, name, …)`, which checks
its arguments and calls `declare(...)`, and a `Rule` that makes what was declared. Nothing else has
to be told that it exists: `from buildlib.rules import foo` finds it. Keys, plans, explanations and
tasks come from what `declare` was given (buildlib/core/model/target.py).
"""

from __future__ import annotations

from buildlib.core.model.output import FileOutput
from buildlib.core.model.section import SECTIONS
from buildlib.core.model.target import BASE, SRC, Request, Rule, Target, Targets
from buildlib.errors import InputError


def locked_requirements(python: str) -> str:
    """What a Dockerfile calls the locked form of a requirements file: its name, without folders."""
    return python.rpartition("/")[2].removesuffix(".in") + ".lock"


def place(files: dict[str, FileOutput], name: str, made: FileOutput, target: Target) -> None:
    """Add a file to those of a target."""
    if files.get(name, made) != made:
        raise InputError(
            f"two inputs of {target.label} would both be {name}",
            where=target.where,
            fix="rename one of them, or take it out",
        )
    files[name] = made


class DockerfileRule(Rule):
    """A rule whose targets have a Dockerfile, which sees a staged folder and nothing else.

    They have the attributes `build_args`, `dockerfile`, `network` and `platform`.
    """

    def request(self, target: Target) -> Request:
        return Request(
            target.attrs["dockerfile"],
            target.attrs["build_args"],
            {dep.name: dep.ref.label for dep in target.deps if dep.kind == BASE},
            target.platform,
            target.attrs["network"],
        )

    def staged_names(self, target: Target, targets: Targets) -> list[str]:
        staged = [file.name for file in target.files]
        python = str(target.attrs.get("python") or "")
        locked = locked_requirements(python)
        if python and locked not in staged:  # it is not there before the first `lock python`
            staged.append(locked)
        folders = [SECTIONS[pin.section].folder for pin in target.pins]
        staged += [f"{folder}/" for folder in folders if folder]
        for dep in target.deps:
            if dep.kind == SRC:
                other = targets[dep.ref.label]
                staged += other.rule.output_names(other, targets)
        return staged
