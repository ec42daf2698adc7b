"""A parsed Dockerfile as plain tuples, which know nothing of declarations."""

from __future__ import annotations

from typing import NamedTuple

from buildlib.core.dockerfile.lines import Instruction


class Arg(NamedTuple):
    """An `ARG` before the first `FROM`; variables in its default are replaced by earlier ones."""

    name: str
    default: str | None
    line: int


class Source(NamedTuple):
    """A path of the build context that a stage reads.

    Attributes:
        path: Relative to the context, without `./` and `..`; `.` is all of it.
        by: `COPY`, `ADD` or `RUN`.
        glob: Whether it holds wildcards (Go's, see `glob`).
        folder: Whether it ends in a slash.
    """

    path: str
    line: int
    by: str
    glob: bool = False
    folder: bool = False


class StageReference(NamedTuple):
    """A stage or image that an instruction of another one names.

    Attributes:
        by: `COPY` or `RUN`.
        stage: Index of the stage; None for an image.
    """

    name: str
    line: int
    by: str
    stage: int | None = None


class Outside(NamedTuple):
    """An input of a step that no key holds.

    Attributes:
        kind: `address` that `ADD` fetches; `cache` that a mount keeps; `variable` that depends on
            the builder's machine; `image` or stage that `ONBUILD` names in the build of a child.
        by: `ADD`, `ARG`, `COPY`, `FROM` or `RUN`.
        trigger: Whether it is after `ONBUILD`, and so runs in the builds of children.
    """

    kind: str
    name: str
    line: int
    by: str
    trigger: bool = False


class Stage(NamedTuple):
    """One `FROM` and what follows it.

    Attributes:
        name: After `AS`, in small letters; empty for none.
        base: As written.
        image: `base` with variables replaced.
        variables: Names of the variables in `base`.
        parent: Index of the stage that it continues; None if `image` is an image.
        platform: As written after `--platform=`, or empty.
        references: Of `--from` and `from=`.
        user: The last `USER` as written; empty for the base's.
    """

    name: str
    base: str
    image: str
    variables: tuple[str, ...]
    parent: int | None
    platform: str
    line: int
    reads: tuple[Source, ...]
    references: tuple[StageReference, ...]
    user: str
    instructions: tuple[Instruction, ...]


class Dockerfile(NamedTuple):
    """A parsed Dockerfile.

    Attributes:
        syntax: Frontend image of `# syntax=`, or empty.
        syntax_line: Its line number, or 0.
        args: The `ARG`s before the first `FROM`.
        stages: In order.
        reached: The stages that are built, in order: the last of them is the target, the others
            are what it needs. A builder looks at no other stage, and so does no check.
        outside: Inputs of these stages that no key holds.
    """

    file: str
    syntax: str
    syntax_line: int
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    reached: tuple[Stage, ...]
    outside: tuple[Outside, ...]
