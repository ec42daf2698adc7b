"""Our verbs as commands of plain `doit`, and doit's own commands, with errors as ours are told.

doit knows only its own commands and those of a table in pyproject.toml, and a verb should need no
entry there. So the table replaces doit's own commands: `run` gets every line that begins with no
command, and with it our verbs; `help` shows them; `forget` is ours. The others are doit's, or are
refused where doit would read or write its database, which holds nothing here.

doit stops reading options at the first positional word, so our commands declare none to it: our own
parser reads all words, and `doit X` and `./doitw X` mean the same.
"""

from __future__ import annotations

import sys
from typing import Any

from doit import cmd_clean, cmd_completion, cmd_help, cmd_info, cmd_list, cmd_run
from doit.cmd_base import Command, check_tasks_exist
from doit.cmdparse import CmdParseError
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidCommand, InvalidDodoFile

from buildlib.build.doit_adapter.reporter import Reporter, begin
from buildlib.build.doit_adapter.run import exit_code
from buildlib.build.doit_adapter.tasks import DOCS
from buildlib.cli import main
from buildlib.cli.doit_plugin.variables import doit_variables, options
from buildlib.cli.help import about
from buildlib.cli.verb import find, names
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

DOIT = ".venv/bin/doit"
"""doit as it is typed in the root of the workspace: it is not on PATH."""


def verbs() -> list[str]:
    """Our verbs, except those that are tasks or commands of doit."""
    taken = {*DOCS, *(command.get_name() for command in DoitMain.DOIT_CMDS)}
    return [name for name in names() if name not in taken]


def _call(verb: str, words: list[str]) -> int:
    sys.stdout.flush()
    return main.main([verb, *words, *doit_variables()])


class _Told:
    """A command of doit, of which a wrong word is told as ours are, and a closed pipe is none."""

    name: str
    task_list: Any = ()

    def parse_execute(self, in_args: list[str]) -> Any:
        return main.run_and_tell(lambda: self._run(in_args), ())

    def _run(self, in_args: list[str]) -> int:
        try:
            return super().parse_execute(in_args) or 0  # type: ignore[misc]
        except CmdParseError as error:  # doit adds all that it takes, as Python shows it
            what = str(error).partition(" (parsing options")[0].strip()
            raise InputError(what, fix=f"{DOIT} help {self.name}") from None
        except InvalidDodoFile as error:  # of -f or -d: ours is there
            raise InputError(str(error).strip(), fix=f"{DOIT} {self.name}") from None
        except InvalidCommand as error:
            word = error.not_found or str(error).removeprefix("'").removesuffix("' is not a task.")
            if " " in word:
                raise InputError(word, fix=f"{DOIT} help {self.name}") from None
            raise self._unknown(word) from None

    def _unknown(self, word: str) -> InputError:
        """The error that a word names no task, with the nearest one that does."""
        tasks, first = [task.name for task in self.task_list], f"{DOIT} {self.name} "
        if self.name == Run.name:
            tasks += [*names(), *(command.get_name() for command in DoitMain.DOIT_CMDS)]
            first = f"{DOIT} "
        meant = nearest(word, tasks)
        if word in tasks:
            return InputError(f"{word} must be the first word", fix=f"{DOIT} {word}")
        return InputError(
            f"there is no task or command {word}{did_you_mean(word, tasks)}",
            fix=f"{first}{meant}" if meant else f"{DOIT} list",
        )


_IN_THREADS = {
    **cmd_run.opt_parallel_type,
    "default": "thread",
    "choices": [("thread", "")],
    "help": "tasks run in threads: their work is in the engine",
}


class Run(_Told, cmd_run.Run):  # type: ignore[misc]
    """Runs tasks as doit does; runs one of our verbs if the line begins with it."""

    name = "run"
    doc_purpose = f"run tasks, or one of the verbs {', '.join(verbs())}"
    cmd_options = tuple(
        _IN_THREADS if option is cmd_run.opt_parallel_type else option
        for option in cmd_run.Run.cmd_options
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        if in_args and in_args[0] in verbs():
            return _call(in_args[0], in_args[1:])
        return super().parse_execute(in_args)

    def execute(self, params: Any, args: list[str]) -> int:
        options.update(params)
        code = super().execute(params, args)
        return exit_code(Reporter.session, code)

    def get_reporters(self) -> Any:
        """The reporters of doit, which begin as ours does."""
        return {
            name: type(name, (_Begins, reporter), {})
            for name, reporter in super().get_reporters().items()
        }


class _Begins:
    """A reporter that plans what was selected, and what it needs, before doit starts."""

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        begin(Reporter.session, tasks, selected_tasks)
        if further := getattr(super(), "initialize", None):
            further(tasks, selected_tasks)


class List(_Told, cmd_list.List):  # type: ignore[misc]
    """doit's own."""


class Info(_Told, cmd_info.Info):  # type: ignore[misc]
    """doit's own, for tasks that there are."""

    def _execute(self, pos_args: list[str], hide_status: bool = False) -> int:
        check_tasks_exist({task.name for task in self.task_list}, pos_args)
        return int(super()._execute(pos_args, hide_status))


class Clean(_Told, cmd_clean.Clean):  # type: ignore[misc]
    """doit's own."""


class TabCompletion(_Told, cmd_completion.TabCompletion):  # type: ignore[misc]
    """doit's own."""


class _Verb(Command):  # type: ignore[misc]
    """A verb as a command of doit, which also puts it into the help."""

    def parse_execute(self, in_args: list[str]) -> Any:
        return _call(self.name, in_args)

    def help(self) -> str:
        return about(find(self.name), door=self.bin_name).rstrip()


def _command(verb: str) -> type[Command]:
    summary = find(verb).summary
    return type(verb.capitalize(), (_Verb,), {"name": verb, "doc_purpose": summary})


class Help(_Told, cmd_help.Help):  # type: ignore[misc]
    """The help of doit with our verbs."""

    def __init__(self, cmds: Any = None, **given: Any) -> None:
        for verb in verbs():
            cmds[verb] = _command(verb)
        super().__init__(cmds=cmds, **given)


Forget = _command("forget")  # doit's own forgets what it remembers of tasks, which is nothing


class _Refused(_Told, Command):  # type: ignore[misc]
    """A command of doit that can do nothing here: doit remembers nothing of our tasks."""

    instead: str

    def _run(self, in_args: list[str]) -> int:
        del in_args
        raise InputError(
            f"doit {self.name} can do nothing here: {self.doc_purpose}", fix=self.instead
        )


def _refused(command: str, why: str, instead: str) -> type[Command]:
    return type(command, (_Refused,), {"name": command, "doc_purpose": why, "instead": instead})


_NO_DATABASE = "doit's database is empty, for records are ours"
Ignore = _refused("ignore", _NO_DATABASE, f"{DOIT} list  # then name what is to be built")
ResetDep = _refused("reset-dep", _NO_DATABASE, f"{DOIT} plan")
DumpDB = _refused("dumpdb", _NO_DATABASE, f"{DOIT} plan")
Strace = _refused("strace", "tasks run no commands of a shell", "./doitw build -v 2")
