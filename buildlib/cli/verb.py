"""Verbs: what one is, the options that several share, and finding one by name.

Each module in `cli/commands` is a verb of that name; its `VERB` declares the rest. So a new verb is
one new module, for `./doitw` and for plain doit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from buildlib.errors import InputError
from buildlib.suggest import did_you_mean


class Option(NamedTuple):
    """An option of a verb.

    Attributes:
        name: As typed, with two dashes.
        takes: Name of its value, empty for a flag; in brackets if the value is optional.
        short: One-letter form, with one dash, or empty.
    """

    name: str
    help: str
    takes: str = ""
    short: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """All ways to type it."""
        return (self.short, self.name) if self.short else (self.name,)


class Variable(NamedTuple):
    """A `NAME=value` word.

    Attributes:
        name: In upper case; any case may be typed.
        takes: A value, or what it is.
    """

    name: str
    takes: str
    help: str


HELP = Option("--help", "show this help", short="-h")
DEBUG = Option("--debug", "show a traceback where something goes wrong")
EVERYWHERE = (HELP, DEBUG)
"""Options of every verb."""

CONTEXT = Option("--context", "kubernetes: the cluster, by its name for kubectl", "NAME")
JSON = Option("--json", "print the answer as JSON")
JOBS = Option("--jobs", "build N targets at a time", "N", "-n")
VERBOSITY = Option("--verbosity", "2 shows the docker command and what it prints", "N", "-v")
ALWAYS = Option("--always", "build what is up to date, too", short="-a")
DRY_RUN = Option("--dry-run", "show the plan and do nothing")
OFFLINE = Option("--offline", "ask no network")
SINCE = Option("--since", "compare with this commit", "REF")
SHARED = (*EVERYWHERE, CONTEXT, JSON, JOBS, VERBOSITY, ALWAYS, DRY_RUN, OFFLINE, SINCE)
"""Options of several verbs; an option of one verb is declared in its module."""

SETTINGS = (
    Variable("ORGANIZATION", "NAME", "first part of image names, for this run"),
    Variable("REGISTRY", "HOST[:PORT]", "in front of image names, for this run"),
    Variable("FLAVOUR", "NAME", "where bases come from, for this run"),
)
"""Variables that override a setting."""
VERSION = Variable("VERSION", "2.5.0", "the release")
NEXT = Variable("NEXT", "2.6.0.dev0", "the version to go on with after it")
VARIABLES = (VERSION, NEXT, *SETTINGS)


class Call(NamedTuple):
    """One command line.

    Attributes:
        options: Long name without dashes -> value; `True` for a flag.
        folder: The current folder, relative to the workspace.
        typed: The whole line, behind the name of the front door.
    """

    words: tuple[str, ...]
    options: Mapping[str, str | bool]
    variables: Mapping[str, str]
    folder: str
    typed: tuple[str, ...] = ()

    def flag(self, name: str) -> bool:
        return bool(self.options.get(name))

    @property
    def is_verbose(self) -> bool:
        """Whether `-v 2` asks for all there is to say."""
        return self.number("verbosity", 1, least=0) > 1

    def number(self, name: str, default: int, *, least: int = 1) -> int:
        """The value of an option as a number; refuses others."""
        value = str(self.options.get(name, default))
        if not (value.isascii() and value.isdigit() and int(value) >= least):
            raise InputError(
                f"--{name} {value} is not a number from {least}", fix=f"--{name} {default}"
            )
        return int(value)


class Verb(NamedTuple):
    """A command: the `VERB` of its module.

    Attributes:
        name: As typed; also the name of the module.
        run: Returns the exit code.
        words: Positional words, as help shows them; empty if it takes none.
        options: Besides those of every verb.
        passes: Accepts unknown options and variables, to pass them on.
    """

    name: str
    summary: str
    run: Callable[[Call], int]
    words: str = ""
    options: tuple[Option, ...] = ()
    variables: tuple[Variable, ...] = SETTINGS
    passes: bool = False

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own options, then those of every verb."""
        return (*self.options, *EVERYWHERE)


@cache
def names() -> tuple[str, ...]:
    """Names of all verbs, sorted; imports none of them."""
    folder = os.path.join(os.path.dirname(__file__), "commands")
    modules = {entry[:-3] for entry in os.listdir(folder) if entry.endswith(".py")}
    return tuple(sorted(modules - {"__init__"}))


def find(name: str) -> Verb:
    """The verb of a name; imports only its module."""
    import importlib

    if name not in names():
        raise InputError(
            f"there is no command {name}{did_you_mean(name, names())}", fix="./doitw help"
        )
    verb: Verb = importlib.import_module(f"buildlib.cli.commands.{name}").VERB
    return verb
