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
        takes: Name of its value, or empty for a flag.
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
        Option("--offline", "", "", "ask no network"),
        Option("--check", "", "", "report what has drifted, and change nothing"),
        Option("--upgrade", "", "", "take the newest versions of Python packages, too"),
        Option("--to", "", "FOLDER", "also lay the files into a folder to carry elsewhere"),
        Option("--fast", "", "", "only what takes no engine"),
    )
}
EVERYWHERE = ("--help", "--debug")
VARIABLES = ("VERSION", "ORGANIZATION", "REGISTRY")
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

    def number(self, name: str, default: int) -> int:
        """An option's value as a number.

        Raises:
            InputError: It is none.
        """
        value = str(self.options.get(name, default))
        if not value.isdigit():
            raise InputError(f"--{name} {value} is not a number", fix=f"--{name} {default}")
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
    variables: tuple[str, ...] = ("ORGANIZATION", "REGISTRY")


def parse(verb: Verb, words: Sequence[str], folder: str) -> Call:
    """Take the words after a verb apart.

    Raises:
        InputError: An option or a variable is unknown, or an option lacks its value.
    """
    allowed = {name: OPTIONS[name] for name in (*EVERYWHERE, *verb.options)}
    by_form = {form: option for option in allowed.values() for form in (option.name, option.short)}
    rest: list[str] = []
    options: dict[str, str | bool] = {}
    variables: dict[str, str] = {}
    pending = list(words)
    while pending:
        word = pending.pop(0)
        found = _VARIABLE.match(word)
        if word == "--" or (verb.passes and word not in by_form):
            rest += pending if word == "--" else [word]
            if word == "--":
                break
        elif word.startswith("-") and word != "-":
            name, equals, value = word.partition("=")
            if not equals and name not in by_form and name[:2] in by_form and name[1:2] != "-":
                name, equals, value = name[:2], "=", name[2:]  # -n4
            option = by_form.get(name)
            if option is None:
                raise _unknown_option(verb, name, by_form)
            if option.takes and not equals:
                if not pending:
                    raise InputError(f"{name} needs a value", fix=f"{name} {option.takes}")
                value = pending.pop(0)
            options[option.name[2:]] = value if option.takes else True
        elif found and not word.startswith("//"):
            variables[_variable(found.group(1), found.group(2))] = found.group(2)
        else:
            rest.append(word)
    for name in variables:
        if name not in verb.variables:
            raise InputError(f"{verb.name} takes no {name}", fix=f"./doitw help {verb.name}")
    return Call(tuple(rest), options, variables, folder)


def _unknown_option(verb: Verb, name: str, known: Mapping[str, Option]) -> InputError:
    names = [form for form in known if form]
    meant = nearest(name, names)
    return InputError(
        f"{verb.name} has no option {name}{did_you_mean(name, names)}",
        fix=f"./doitw {verb.name} {meant}" if meant else f"./doitw {verb.name} --help",
    )


def _variable(name: str, value: str) -> str:
    if name.upper() in VARIABLES:
        return name.upper()
    meant = nearest(name.upper(), VARIABLES)
    raise InputError(
        f"unknown variable {name}{did_you_mean(name.upper(), VARIABLES)}",
        fix=f"{meant}={value}" if meant else f"variables: {', '.join(VARIABLES)}",
    )
