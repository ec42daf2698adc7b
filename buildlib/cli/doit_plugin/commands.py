"""Our verbs as commands of plain `doit`: `doit plan`, `doit why kernel-py --json`.

doit knows no command but its own and those of a table in pyproject.toml, and a verb is to be found
without an entry there. So the table has three, each in the place of one of doit's own: `run`, which
doit gives all that begins with no command, `help`, and `forget`.

doit stops reading options at the first positional word, so it is told of none: all words are
taken apart by our own parser, and `doit X` and `./doitw X` mean the same.
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
    """Our verbs but those that are tasks or commands of doit's own."""
    taken = {*DOCS, *(command.get_name() for command in DoitMain.DOIT_CMDS)}
    return [name for name in names() if name not in taken]


def _call(verb: str, words: list[str]) -> int:
    sys.stdout.flush()
    return main.main([verb, *words, *doit_variables()])


class Run(cmd_run.Run):  # type: ignore[misc]
    """Tasks are doit's to run; a line that begins with one of our verbs is ours."""

    doc_purpose = f"run tasks, or one of the verbs {', '.join(verbs())}"

    def parse_execute(self, in_args: list[str]) -> Any:
        """Run what was typed."""
        if in_args and in_args[0] in verbs():
            return _call(in_args[0], in_args[1:])
        return super().parse_execute(in_args)


class _Verb(Command):  # type: ignore[misc]
    """A verb, as doit's help asks for it."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Run the verb, before doit would parse its options."""
        return _call(self.name, in_args)

    def help(self) -> str:
        """What `help` shows of it."""
        return about(find(self.name), door=self.bin_name).rstrip()


def _command(verb: str) -> type[Command]:
    summary = find(verb).summary
    return type(verb.capitalize(), (_Verb,), {"name": verb, "doc_purpose": summary})


class Help(cmd_help.Help):  # type: ignore[misc]
    """doit's help, which tells of our verbs, too."""

    def __init__(self, cmds: Any = None, **given: Any) -> None:
        for verb in verbs():
            cmds[verb] = _command(verb)
        super().__init__(cmds=cmds, **given)


Forget = _command("forget")  # doit's own forgets what it remembers of tasks, which is nothing
