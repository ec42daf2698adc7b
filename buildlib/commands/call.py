"""What was typed, taken apart: the verb, the targets, the options, the variables.

Options may stand before or after targets. Whatever is not known is refused with the nearest name
that is: doit by itself would take `VERSON=2.5.0` for a variable and say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest


class Option(NamedTuple):
    """An option that some verbs take.

    Attributes:
        name: As typed, with two dashes.
        short: One-letter form, with one dash, or empty.
        takes: Name of its value, or empty for a flag; in brackets where it may be left out.
        doc: One line of help.
    """

    name: str
    short: str
    takes: str
    doc: str


OPTIONS = {
    option.name: option
    for option in (
        Option("--help", "-h", "", "show this help"),
        Option("--debug", "", "", "show a traceback where something goes wrong"),
        Option("--json", "", "", "print the answer as JSON"),
        Option("--jobs", "-n", "N", "build N targets at a time"),
        Option("--verbosity", "-v", "N", "2 shows the docker command and what it prints"),
        Option("--always", "-a", "", "build what is up to date, too"),
        Option("--dry-run", "", "", "show the plan and do nothing"),
        Option("--remote", "", "", "only tag what the registry has; nothing is transferred"),
        Option("--offline", "", "", "ask no network"),
        Option("--remote", "", "", "ask the registry what would be pulled"),
        Option("--against", "", "[REGISTRY]", "compare with what is in a registry"),
        Option("--check", "", "", "report what has drifted, and change nothing"),
        Option("--upgrade", "", "", "take the newest versions of Python packages, too"),
        Option("--image", "", "IMAGE", "a Debian image whose apt resolves root file systems"),
        Option("--to", "", "FOLDER", "also lay the files into a folder to carry elsewhere"),
        Option("--fast", "", "", "only what takes no engine"),
        Option("--name", "", "NAME", "name of the deployment and of its network"),
        Option("--port", "", "N", "port of the host that the gateway answers on"),
        Option("--no-build", "", "", "take the images that are there"),
        Option("--remote", "", "", "in the registry instead of the engine"),
        Option("--keep-commits", "", "N", "keep what the last N commits need; by default 10"),
        Option("--younger-than", "", "DAYS", "keep what is younger; by default 7 days"),
        Option("--yes", "", "", "do it, and not only show it"),
        Option("--init", "", "", "make a swarm of this engine alone where it is in none"),
    )
}
EVERYWHERE = ("--help", "--debug")
SETTINGS = ("ORGANIZATION", "REGISTRY", "FLAVOUR")
"""Variables that stand for a setting in this run."""
VARIABLES = ("VERSION", "NEXT", *SETTINGS)
"""All variables; the first two are those of a release."""
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)


class Call(NamedTuple):
    """One command line.

    Attributes:
        words: Targets and other positional words.
        options: Long name without dashes -> value; `True` for a flag.
        variables: `NAME=value` words.
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
        """An option's value as a number.

        Raises:
            InputError: It is none, or less than the least that makes sense.
        """
        value = str(self.options.get(name, default))
        if not (value.isascii() and value.isdigit() and int(value) >= least):
            raise InputError(
                f"--{name} {value} is not a number from {least}", fix=f"--{name} {default}"
            )
        return int(value)


class Verb(NamedTuple):
    """A command.

    Attributes:
        name: As typed.
        doc: One line of help.
        usage: What follows the name.
        options: Options it takes, beside those that all take.
        run: Does it; returns the exit code.
        passes: Hands unknown options on instead of refusing them.
        variables: `NAME=value` words it takes.
    """

    name: str
    doc: str
    usage: str
    options: tuple[str, ...]
    run: Callable[[Call], int]
    passes: bool = False
    variables: tuple[str, ...] = SETTINGS


def first_word(words: Sequence[str]) -> str | None:
    """The first word that is no option, no option's value and no variable: verb or target."""
    taking = {
        form for option in OPTIONS.values() if option.takes for form in (option.name, option.short)
    }
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word in taking:
            pending = pending[1:]
        elif not word.startswith("-") and (word.startswith("//") or not _VARIABLE.match(word)):
            return word
    return None


def parse(verb: Verb, words: Sequence[str], folder: str) -> Call:
    """Take the words after a verb apart.

    Raises:
        InputError: An option or a variable is unknown, an option lacks its value, or a
            variable has two values.
    """
    allowed = {name: OPTIONS[name] for name in (*EVERYWHERE, *verb.options)}
    by_form = {form: option for option in allowed.values() for form in (option.name, option.short)}
    rest: list[str] = []
    options: dict[str, str | bool] = {}
    variables: dict[str, str] = {}
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest += pending
            break
        name, value = _split(word, by_form)
        option = by_form.get(name) if name else None
        variable = None if word.startswith(("-", "//")) else _VARIABLE.match(word)
        if option is not None:
            options[option.name[2:]] = _value(option, name, value, pending)
        elif word.startswith("-") and word != "-" and not verb.passes:
            raise _unknown_option(verb, name, by_form)
        elif variable and not verb.passes:
            known = _variable(verb, variable[1], variable[2])
            if variables.setdefault(known, variable[2]) != variable[2]:
                raise InputError(
                    f"{known} is given twice: {variables[known]} and {variable[2]}",
                    fix=f"{known}={variable[2]}",
                )
        else:
            rest.append(word)
    return Call(tuple(rest), options, variables, folder)


def _split(word: str, known: Mapping[str, Option]) -> tuple[str, str | None]:
    """An option and the value written in the same word: `--jobs=4`, `-n4`; no name for others."""
    if not word.startswith("-") or word == "-":
        return "", None
    name, equals, value = word.partition("=")
    if not equals and name not in known and name[:2] in known and not name.startswith("--"):
        return name[:2], name[2:]
    return name, value if equals else None


def _value(option: Option, name: str, value: str | None, pending: list[str]) -> str | bool:
    """What an option was given: in the same word, or in the next one."""
    if not option.takes:
        if value is not None:
            raise InputError(f"{name} takes no value", fix=name)
        return True
    is_bare = value is None and (not pending or pending[0].startswith("-"))
    if option.takes.startswith("[") and (
        is_bare or (value is None and _VARIABLE.match(pending[0]))
    ):
        return True
    if value == "" or is_bare:
        raise InputError(f"{name} needs a value", fix=f"{name} {option.takes}")
    return pending.pop(0) if value is None else value


def _unknown_option(verb: Verb, name: str, known: Mapping[str, Option]) -> InputError:
    names = [form for form in known if form]
    meant = nearest(name, names)
    return InputError(
        f"{verb.name} has no option {name}{did_you_mean(name, names)}",
        fix=f"./doitw {verb.name} {meant}" if meant else f"./doitw {verb.name} --help",
    )


def _variable(verb: Verb, name: str, value: str) -> str:
    """The variable of a name, in upper case."""
    if name.upper() in verb.variables:
        return name.upper()
    if name.upper() in VARIABLES:
        raise InputError(f"{verb.name} takes no {name.upper()}", fix=f"./doitw help {verb.name}")
    meant = nearest(name.upper(), VARIABLES)
    raise InputError(
        f"unknown variable {name}{did_you_mean(name.upper(), VARIABLES)}",
        fix=f"{meant}={value}" if meant else f"variables: {', '.join(VARIABLES)}",
    )
