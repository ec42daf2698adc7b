"""What a user is told when something cannot go on: what, where, and the line that mends it.

Every error a user can cause or meet is a `BuildError`. It never shows a traceback; an exception
of any other class is a fault of ours and does (or asks for `--debug`). The module must stay free
of imports that cost start-up time: every other module needs it.
"""

from __future__ import annotations

from typing import NamedTuple


class Location(NamedTuple):
    """A place in a file of the workspace.

    Attributes:
        file: Path relative to the workspace, with forward slashes.
        line: Line number, from 1; 0 where no line can be named.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class BuildError(Exception):
    """A condition that stops the build and that its reader can mend.

    Args:
        what: One sentence: what is wrong.
        where: The declaration (or line) that has to change, if there is one.
        fix: One line to paste or follow, if there is one.
        detail: More lines, such as the tail of a log; shown indented below the sentence.
    """

    exit_code = 1
    """What the process exits with, in doit's own numbering: 1 a task failed, 3 wrong input."""

    def __init__(
        self,
        what: str,
        *,
        where: Location | None = None,
        fix: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.detail = detail

    def render(self) -> str:
        """The text for a terminal, without colour: `file:line: error: what`, detail, `fix:`."""
        prefix = f"{self.where}: error: " if self.where else "error: "
        lines = [prefix + self.what]
        if self.detail:
            lines += ["  " + line for line in self.detail.rstrip().splitlines()]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()


class InputError(BuildError):
    """The workspace, the settings or the command line say something that cannot be."""

    exit_code = 3


class UnknownTarget(InputError):
    """A word names no target.

    Attributes:
        word: As typed.
        meant: The nearest name there is, or None.
    """

    def __init__(self, what: str, *, word: str, meant: str | None) -> None:
        super().__init__(what, fix=f"./doitw build {meant}" if meant else "./doitw list")
        self.word = word
        self.meant = meant


class ActionError(BuildError):
    """An action of the build (a fetch, a docker build, a command) did not succeed."""

    exit_code = 1


class EngineUnavailable(ActionError):
    """No Docker Engine answers where one is needed."""
