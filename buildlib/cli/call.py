"""Parsing a command line: verb, targets, options, variables.

Options may stand before or after targets. An unknown name is refused, with the nearest known one:
doit itself would silently take `VERSON=2.5.0` for a variable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from buildlib.cli.verb import SHARED, VARIABLES, Call, Option, Verb, find, names
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

_OF_MAKE = {"-j": "-n"}
"""Options that people know from other build tools, and ours."""

_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)


def first_word(words: Sequence[str]) -> str | None:
    """The first word that is neither option, value of an option nor variable: verb or target."""
    options = _by_form(SHARED)
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not word.startswith("-"):
            if word.startswith("//") or not _VARIABLE.match(word):
                return word
            continue
        if word not in options and pending and not pending[0].startswith("-"):
            # Rare: an option of one verb before the verb. Only verbs know whether it takes a value.
            options |= {form: each for name in names() for form, each in _forms_of(name)}
        if word in options and options[word].takes:
            pending = pending[1:]
    return None


def _forms_of(verb: str) -> Iterable[tuple[str, Option]]:
    return _by_form(find(verb).options).items()


def _by_form(options: Iterable[Option]) -> dict[str, Option]:
    return {form: option for option in options for form in option.forms}


def parse(verb: Verb, words: Sequence[str], folder: str) -> Call:
    """Parse the words after a verb."""
    by_form = _by_form(verb.all_options)
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
            variable_name = _variable(verb, variable[1], variable[2])
            if variables.setdefault(variable_name, variable[2]) != variable[2]:
                raise InputError(
                    f"{variable_name} is given twice: {variables[variable_name]} and {variable[2]}",
                    fix=retyped((verb.name, *words), f"{variable_name}={variable[2]}"),
                )
        else:
            rest.append(word)
    if rest and not verb.words and not options.get("help"):
        raise InputError(
            f"{verb.name} takes no targets, but {rest[0]} was given", fix=f"./doitw {verb.name}"
        )
    return Call(tuple(rest), options, variables, folder)


def retyped(words: Sequence[str], fix: str) -> str:
    """A fix `NAME=value` as the line that was typed, with that value; another one as it is.

    Args:
        words: The line, from the verb on.
    """
    mended = _VARIABLE.match(fix)
    if mended is None or not any(_gives(word, mended[1]) for word in words):
        return fix
    value, space, comment = fix.partition("  #")
    others = [word for word in words if not _gives(word, mended[1])]
    return f"./doitw {shlex.join(others)} {value}{space}{comment}"


def corrected(words: Sequence[str], wrong: str, meant: str) -> str:
    """The words with another one for a wrong one, which may stand within an expression."""
    if wrong in words:
        return shlex.join([meant if word == wrong else word for word in words])
    within = re.compile(rf"(?<![\w/:.-]){re.escape(wrong)}(?![\w/:.-])")
    return shlex.join([within.sub(lambda _: meant, word) for word in words])


def _gives(word: str, name: str) -> bool:
    variable = None if word.startswith(("-", "//")) else _VARIABLE.match(word)
    return variable is not None and variable[1].upper() == name


def _split(word: str, by_form: Mapping[str, Option]) -> tuple[str, str | None]:
    """Option and value of one word, such as `--jobs=4` or `-n4`; an empty name if it is neither."""
    if not word.startswith("-") or word == "-":
        return "", None
    name, equals, value = word.partition("=")
    if not equals and name not in by_form and name[:2] in by_form and not name.startswith("--"):
        return name[:2], name[2:]
    return name, value if equals else None


def _value(option: Option, name: str, value: str | None, pending: list[str]) -> str | bool:
    """The value of an option, from the same word or from the next, which is then taken."""
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


def _unknown_option(verb: Verb, name: str, by_form: Mapping[str, Option]) -> InputError:
    known = _OF_MAKE.get(name[:2], "")
    meant = known if known in by_form else nearest(name, by_form)
    is_whole = meant and not by_form[meant].takes  # else its value is missing
    return InputError(
        f"{verb.name} has no option {name}" + (f"; did you mean {meant}?" if meant else ""),
        fix=f"./doitw {verb.name} {meant}" if is_whole else f"./doitw {verb.name} --help",
    )


def _variable(verb: Verb, name: str, value: str) -> str:
    """The variable of a name, in upper case."""
    upper, all_names = name.upper(), [each.name for each in VARIABLES]
    if upper in [each.name for each in verb.variables]:
        return upper
    if upper in all_names:
        raise InputError(f"{verb.name} takes no {upper}", fix=f"./doitw help {verb.name}")
    meant = nearest(upper, all_names)
    raise InputError(
        f"unknown variable {name}{did_you_mean(upper, all_names)}",
        fix=f"{meant}={value}" if meant else f"variables: {', '.join(all_names)}",
    )
