"""Our verbs as commands of plain `doit`: `doit plan`, `doit why kernel-py --json`.

doit knows only its own commands and those of a table in pyproject.toml, and a verb should need no
entry there. So the table replaces three commands of doit: `run`, which gets every line that begins
with no command, `help`, and `forget`.

doit stops reading options at the first positional word, so our commands declare none to it: our own
parser reads all words, and `doit X` and `./doitw X` mean the same.
"""

from __future__ import annotations

import sys
from typing import Any

from doit import cmd_help, cmd_run
from doit.cmd_base import Command
from doit.doit_cmd import DoitMain

from buildlib.build.doit_adapter.tasks import DOCS
from buildlib.cli import main
from buildlib.cli.doit_plugin.variables import doit_variables
from buildlib.cli.help import about
from buildlib.cli.verb import find, names


def verbs() -> list[str]:
    """Our verbs, except those that are tasks or commands of doit."""
    taken = {*DOCS, *(command.get_name() for command in DoitMain.DOIT_CMDS)}
    return [name for name in names() if name not in taken]


def _call(verb: str, words: list[str]) -> int:
    sys.stdout.flush()
    return main.main([verb, *words, *doit_variables()])


class Run(cmd_run.Run):  # type: ignore[misc]
    """Runs tasks as doit does; runs one of our verbs if the line begins with it."""

    doc_purpose = f"run tasks, or one of the verbs {', '.join(verbs())}"

    def parse_execute(self, in_args: list[str]) -> Any:
        if in_args and in_args[0] in verbs():
            return _call(in_args[0], in_args[1:])
        return super().parse_execute(in_args)


class _Verb(Command):  # type: ignore[misc]
    """A verb as a command of doit, which also puts it into the help."""

    def parse_execute(self, in_args: list[str]) -> Any:
        return _call(self.name, in_args)

    def help(self) -> str:
        return about(find(self.name), door=self.bin_name).rstrip()


def _command(verb: str) -> type[Command]:
    summary = find(verb).summary
    return type(verb.capitalize(), (_Verb,), {"name": verb, "doc_purpose": summary})


class Help(cmd_help.Help):  # type: ignore[misc]
    """The help of doit with our verbs."""

    def __init__(self, cmds: Any = None, **given: Any) -> None:
        for verb in verbs():
            cmds[verb] = _command(verb)
        super().__init__(cmds=cmds, **given)


Forget = _command("forget")  # doit's own forgets what it remembers of tasks, which is nothing
