"""Errors for users: what is wrong, where, and a line that fixes it.

Every error that a user can cause or meet is a `BuildError`, and shows no traceback. An exception of
any other class is our bug, and does (or asks for `--debug`). Every module imports this one, so it
must import nothing that costs start-up time.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Location(NamedTuple):
    """A place in a file of the workspace.

    Attributes:
        file: Path relative to the workspace, with forward slashes.
        line: From 1; 0 for the whole file.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class BuildError(Exception):
    """An error that stops the build and that its reader can fix.

    Args:
        what: One sentence: what is wrong.
        where: The declaration or line to change.
        declared: Where the BUILD.py comes to it, if that is another place: a macro's or a
            Dockerfile's error is told at its own line, and this is the caller's.
        fix: One line to paste or follow.
        detail: More lines, such as the end of a log; shown indented below the sentence.
    """

    exit_code = 1
    """Exit code of the process, as in doit: 1 a task failed, 3 wrong input."""

    def __init__(
        self,
        what: str,
        *,
        where: Location | None = None,
        declared: Location | None = None,
        fix: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.declared = declared
        self.fix = fix
        self.detail = detail

    def headline(self) -> str:
        """The first line: `file:line: error: what`."""
        return f"{self.where}: error: {self.what}" if self.where else f"error: {self.what}"

    def render(self) -> str:
        """The text for a terminal: `file:line: error: what`, detail, `declared at`, `fix:`."""
        lines = [self.headline()]
        if self.detail:
            lines += ["  " + line for line in self.detail.rstrip().splitlines()]
        if self.declared:
            lines.append(f"  declared at {self.declared}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    def plain(self) -> dict[str, object]:
        """The fields for programs; docs/commands.md documents them."""
        file, line = self.where or (None, None)
        return {
            "what": self.what,
            "file": file,
            "line": line or None,
            "declared": str(self.declared) if self.declared else None,
            "detail": self.detail,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }

    def __str__(self) -> str:
        return self.render()


class InputError(BuildError):
    """The workspace, the settings or the command line are wrong."""

    exit_code = 3


def raise_all(errors: Iterable[InputError]) -> None:
    """Raise errors as one: the first, with a line on each other; nothing if there are none."""
    each = list({error.render(): error for error in errors}.values())
    if not each:
        return
    first, *others = each
    if not others:
        raise first
    more = [f"{it.where}: {it.what}" if it.where else it.what for it in others]
    detail = "\n".join([*([first.detail] if first.detail else []), *(f"also: {it}" for it in more)])
    raise InputError(
        first.what, where=first.where, declared=first.declared, fix=first.fix, detail=detail
    ) from None


class UnknownTarget(InputError):
    """A word names no target.

    Attributes:
        word: As typed.
        meant: The nearest existing name, or None.
    """

    def __init__(self, what: str, *, word: str, meant: str | None) -> None:
        super().__init__(what, fix=f"./doitw build {meant}" if meant else "./doitw list")
        self.word = word
        self.meant = meant


class ActionError(BuildError):
    """An action of the build (a fetch, a docker build, a command) failed."""

    exit_code = 1


class EngineUnavailable(ActionError):
    """A Docker Engine is needed, and none answers."""
