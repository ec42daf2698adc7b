"""`filegroup`: a named group of files that targets of other packages can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.core.dsl.declare import declare, sources
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.model.target import Rule, Target, Targets
from buildlib.core.rules.base import place

if TYPE_CHECKING:
    from buildlib.core.rules.context import Context


def filegroup(*, name: str, srcs: Sequence[str], doc: str = "") -> None:
    """Declare a group of files.

    Args:
        name: Name of the target.
        srcs: Files of the package (also by `glob`), and labels of other targets whose files join.
        doc: One line for `doit list`.
    """
    files, deps = sources(srcs)
    declare(RULE, name=name, doc=doc, files=files, deps=deps)


class Filegroup(Rule):
    """Files that are used where they are: nothing is built."""

    kind = "filegroup"
    version = 2

    def output_names(self, target: Target, targets: Targets) -> list[str]:
        own = [file.name for file in target.files]
        for dep in target.deps:
            other = targets[dep.ref.label]
            own += other.rule.output_names(other, targets)
        return own

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        files: dict[str, FileOutput] = {}
        for dep in target.deps_of(parts):
            for name, output in context.output(dep.ref).files.items():
                place(files, name, output, target)
        for file in target.files:
            place(files, file.name, context.keep_source(file), target)
        return Output(files=files)


RULE = Filegroup()
