"""What `parse` finds in a Dockerfile, as small tuples without behaviour.

They hold what the file says and nothing of what a target declares.
"""

from __future__ import annotations

from typing import NamedTuple

from buildlib.core.dockerfile.lines import Instruction


class Arg(NamedTuple):
    """An `ARG` before the first `FROM`.

    Attributes:
        default: The default, variables replaced by the defaults above it; None for none.
    """

    name: str
    default: str | None
    line: int


class Source(NamedTuple):
    """A path of the build context that a stage reads.

    Attributes:
        path: Relative to the context, without `./` and `..`; `.` is all of it.
        by: `COPY`, `ADD` or `RUN`.
        glob: Whether it holds wildcards (Go's, see `glob`).
        folder: Whether it is written with a slash at its end.
    """

    path: str
    line: int
    by: str
    glob: bool = False
    folder: bool = False


class Reference(NamedTuple):
    """A stage or image that an instruction of another one names.

    Attributes:
        by: `COPY` or `RUN`.
        stage: Index of the stage that it is, or None.
    """

    name: str
    line: int
    by: str
    stage: int | None = None


class Outside(NamedTuple):
    """Something that a step takes from where no key looks.

    Attributes:
        kind: `address` that `ADD` fetches; `cache` that a mount keeps; `variable` that the builder
            sets as its machine is; `image` that a trigger names, whose stages are those of a child.
        by: `ADD`, `ARG`, `COPY`, `FROM` or `RUN`.
        trigger: Whether it stands behind `ONBUILD`, and so runs in the builds of children.
    """

    kind: str
    name: str
    line: int
    by: str
    trigger: bool = False


class Stage(NamedTuple):
    """One `FROM` and what follows it.

    Attributes:
        name: What `AS` calls it, in small letters; empty for none.
        base: As written.
        image: `base` with variables replaced.
        variables: Names of the variables in `base`.
        parent: Index of the stage that it continues, or None where `image` is an image.
        platform: As written after `--platform=`, or empty.
        references: Stages and images that `--from` and `from=` name.
        user: The last `USER` as written; empty where it stays the base's.
    """

    name: str
    base: str
    image: str
    variables: tuple[str, ...]
    parent: int | None
    platform: str
    line: int
    reads: tuple[Source, ...]
    references: tuple[Reference, ...]
    user: str
    instructions: tuple[Instruction, ...]


class Dockerfile(NamedTuple):
    """A parsed Dockerfile.

    Attributes:
        syntax: Frontend image of `# syntax=`, or empty.
        syntax_line: Where that line is, or 0.
        args: The `ARG`s before the first `FROM`.
        stages: In order; the last one is what is built.
        outside: All that reaches past a key, in the order of the file.
    """

    file: str
    syntax: str
    syntax_line: int
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    outside: tuple[Outside, ...]
