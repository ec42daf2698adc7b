"""What a rule is: a kind, a version, and an action. Each rule is one module beside this one.

A rule module `foo.py` defines the public function `foo(*, name, …)`, which checks its arguments
and calls `declare(...)`, and a `Rule` that builds what was declared. Nothing else has to be told
that it exists: `from buildlib.rules import foo` finds it. Keys, plans, explanations and tasks
come from what `declare` was given (buildlib/model/target.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildlib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildlib.execution.context import Context
    from buildlib.graph.graph import Graph
    from buildlib.model.output import Export, FileOutput, Output
    from buildlib.model.target import Target


PIN_FOLDERS = {"apt": "apt", "python": "wheels"}
"""Where the files of a lock section lie in a build context."""


def locked_requirements(python: str) -> str:
    """What a Dockerfile calls the locked form of a requirements file: its name, without folders."""
    return python.rpartition("/")[2].removesuffix(".in") + ".lock"


def place(files: dict[str, FileOutput], name: str, made: FileOutput, target: Target) -> None:
    """Add a file to those of a target.

    Raises:
        InputError: It has another of that name: which of the two it would be, nothing says.
    """
    if files.get(name, made) != made:
        raise InputError(
            f"two inputs of {target.label} would both be {name}",
            where=target.where,
            fix="rename one of them, or take it out",
        )
    files[name] = made


class Rule:
    """One kind of target.

    Attributes:
        kind: The name of the rule's function.
        version: Raised when the action changes what it makes; part of every key.
        product: `image`, `files`, or `none` where there is nothing to build.
        uses_engine: Whether making it takes an engine though it is no image.
        verb: The verb that makes it, and the group of its tasks: `build` or `verify`.
    """

    kind: str = ""
    version: int = 1
    product: str = "none"
    uses_engine: bool = False
    verb: str = "build"

    def attrs_of(self, target: Target, parts: tuple[str, ...]) -> Mapping[str, Any]:
        """The attributes that can change some parts of a target; they enter the parts' key.

        Args:
            target: What was declared.
            parts: The parts, at least one.
        """
        del parts
        return target.attrs

    def output_names(self, target: Target, graph: Graph) -> list[str]:
        """Names of the files the target will have, as far as declarations tell.

        Args:
            target: What was declared.
            graph: For what it depends on.
        """
        del target, graph
        return []

    def export(self, target: Target, version: str) -> Export | None:
        """The file of a target that is also written into the workspace; None where none is.

        Args:
            target: What was declared.
            version: The version being built.

        Returns:
            The output, and its path relative to the workspace.
        """
        del target, version
        return None

    def staged_names(self, target: Target, graph: Graph) -> list[str]:
        """Paths that the target's Dockerfile finds in its context; a folder's ends in `/`.

        Args:
            target: What was declared.
            graph: For what it depends on.
        """
        staged = [file.name for file in target.files]
        python = str(target.attrs.get("python") or "")
        locked = locked_requirements(python)
        if python and locked not in staged:  # it is not there before the first `lock python`
            staged.append(locked)
        sections = [pin.section for pin in target.pins if pin.section in PIN_FOLDERS]
        staged += [PIN_FOLDERS[section] + "/" for section in sections]
        for dep in target.deps:
            if dep.role.startswith("src "):
                other = graph[dep.ref.label]
                staged += other.rule.output_names(other, graph)
        return staged

    def build(self, target: Target, parts: tuple[str, ...], context: Context) -> Output:
        """Make the target (or some parts of it).

        Args:
            target: What was declared.
            parts: The parts wanted; empty for the whole.
            context: The only way to inputs, engine and store.

        Returns:
            What was made. It is recorded by the caller.
        """
        raise NotImplementedError(self.kind)
