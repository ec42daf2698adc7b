"""What was typed, taken apart: the verb, the targets, the options, the variables.

Options may stand before or after targets. Whatever is not known is refused with the nearest name
that is: doit by itself would take `VERSON=2.5.0` for a variable and say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from buildlib.cli.verb import SHARED, VARIABLES, Call, Option, Verb, find, names
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)


def first_word(words: Sequence[str]) -> str | None:
    """The first word that is no option, no option's value and no variable: verb or target."""
    known = _by_form(SHARED)
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not word.startswith("-"):
            if word.startswith("//") or not _VARIABLE.match(word):
                return word
            continue
        if word not in known and pending and not pending[0].startswith("-"):
            # Rare: an option of one verb before the verb. Only the verbs know if it has a value.
            known |= {form: each for name in names() for form, each in _forms_of(name)}
        if word in known and known[word].takes:
            pending = pending[1:]
    return None


def _forms_of(verb: str) -> Iterable[tuple[str, Option]]:
    return _by_form(find(verb).options).items()


def _by_form(options: Iterable[Option]) -> dict[str, Option]:
    return {form: option for option in options for form in option.forms}


def parse(verb: Verb, words: Sequence[str], folder: str) -> Call:
    """Take the words after a verb apart."""
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
            known = _variable(verb, variable[1], variable[2])
            if variables.setdefault(known, variable[2]) != variable[2]:
                raise InputError(
                    f"{known} is given twice: {variables[known]} and {variable[2]}",
                    fix=f"{known}={variable[2]}",
                )
        else:
            rest.append(word)
    if rest and not verb.words and not options.get("help"):
        raise InputError(
            f"{verb.name} takes no targets, but {rest[0]} was given", fix=f"./doitw {verb.name}"
        )
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
    meant = nearest(name, known)
    return InputError(
        f"{verb.name} has no option {name}{did_you_mean(name, known)}",
        fix=f"./doitw {verb.name} {meant}" if meant else f"./doitw {verb.name} --help",
    )


def _variable(verb: Verb, name: str, value: str) -> str:
    """The variable of a name, in upper case."""
    upper, every = name.upper(), [each.name for each in VARIABLES]
    if upper in [each.name for each in verb.variables]:
        return upper
    if upper in every:
        raise InputError(f"{verb.name} takes no {upper}", fix=f"./doitw help {verb.name}")
    meant = nearest(upper, every)
    raise InputError(
        f"unknown variable {name}{did_you_mean(upper, every)}",
        fix=f"{meant}={value}" if meant else f"variables: {', '.join(every)}",
    )
