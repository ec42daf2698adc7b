"""What a verb is, what several of them share, and how they are found.

Each module in `cli/commands` is one verb: its name is the module's, and its `VERB` says all else.
So a new verb is one new module, for `./doitw` and for plain doit.
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
        takes: Name of its value, empty for a flag; in brackets where the value may be left out.
        short: One-letter form, with one dash, or empty.
    """

    name: str
    help: str
    takes: str = ""
    short: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """All that may be typed for it."""
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
"""What every verb takes."""

JSON = Option("--json", "print the answer as JSON")
JOBS = Option("--jobs", "build N targets at a time", "N", "-n")
VERBOSITY = Option("--verbosity", "2 shows the docker command and what it prints", "N", "-v")
ALWAYS = Option("--always", "build what is up to date, too", short="-a")
DRY_RUN = Option("--dry-run", "show the plan and do nothing")
OFFLINE = Option("--offline", "ask no network")
SINCE = Option("--since", "compare with this commit", "REF")
SHARED = (*EVERYWHERE, JSON, JOBS, VERBOSITY, ALWAYS, DRY_RUN, OFFLINE, SINCE)
"""What several verbs take; what one verb alone takes is declared in its module."""

SETTINGS = (
    Variable("ORGANIZATION", "NAME", "first part of image names, for this run"),
    Variable("REGISTRY", "HOST[:PORT]", "in front of image names, for this run"),
    Variable("FLAVOUR", "NAME", "where bases come from, for this run"),
)
"""Variables that stand for a setting."""
VERSION = Variable("VERSION", "2.5.0", "the release")
NEXT = Variable("NEXT", "2.6.0.dev0", "the version to go on with after it")
VARIABLES = (VERSION, NEXT, *SETTINGS)


class Call(NamedTuple):
    """One command line.

    Attributes:
        options: Long name without dashes -> value; `True` for a flag.
        folder: The folder the person stands in, relative to the workspace.
    """

    words: tuple[str, ...]
    options: Mapping[str, str | bool]
    variables: Mapping[str, str]
    folder: str

    def flag(self, name: str) -> bool:
        """Whether a flag was given."""
        return bool(self.options.get(name))

    def number(self, name: str, default: int, *, least: int = 1) -> int:
        """An option's value as a number."""
        value = str(self.options.get(name, default))
        if not (value.isascii() and value.isdigit() and int(value) >= least):
            raise InputError(
                f"--{name} {value} is not a number from {least}", fix=f"--{name} {default}"
            )
        return int(value)


class Verb(NamedTuple):
    """A command; `VERB` of its module.

    Attributes:
        name: As typed, and as the module is called.
        run: Does it; returns the exit code.
        words: What follows the name, as help shows it; empty where no word may.
        options: What it takes, beside what every verb takes.
        passes: Takes words that it does not know, options and variables too, to hand them on.
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
        """Its own, then those of every verb."""
        return (*self.options, *EVERYWHERE)


@cache
def names() -> tuple[str, ...]:
    """All verbs, sorted; none is imported."""
    folder = os.path.join(os.path.dirname(__file__), "commands")
    modules = {entry[:-3] for entry in os.listdir(folder) if entry.endswith(".py")}
    return tuple(sorted(modules - {"__init__"}))


def find(name: str) -> Verb:
    """The verb of a name; only its own module is imported."""
    import importlib

    if name not in names():
        raise InputError(
            f"there is no command {name}{did_you_mean(name, names())}", fix="./doitw help"
        )
    found: Verb = importlib.import_module(f"buildlib.cli.commands.{name}").VERB
    return found
