"""Checks of a rule's arguments against its signature.

A rule's parameters are keyword-only and annotated. A wrong name or a value of another type is an
error at the declaration, before the rule runs. Rules check lists themselves: they have a better fix
for a text in place of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from buildlib.core.dsl.declare import current
from buildlib.errors import InputError


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_mapping_of_texts(value: Any) -> bool:
    return _is_mapping(value) and all(map(_is_text, (*value, *value.values())))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", _is_text),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "Mapping[str, str]": ("a dict of texts", _is_mapping_of_texts),
    "Mapping[str, Any]": ("a dict", _is_mapping),
}
"""Annotation -> its name for people, and the check of a value."""


def checked(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a rule's function so that it refuses unknown, missing and misfitting arguments."""
    code = rule.__code__
    known = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = rule.__kwdefaults__ or {}
    required = frozenset(known) - frozenset(defaults)
    kinds = {
        parameter: _KINDS[annotation.removesuffix(" | None")]
        for parameter, annotation in rule.__annotations__.items()
        if annotation.removesuffix(" | None") in _KINDS
    }

    @wraps(rule)
    def call(*positional: Any, **arguments: Any) -> Any:
        if positional or not required <= arguments.keys() <= frozenset(known):
            raise _misfit(name, known, required, positional, arguments)
        for parameter, value in arguments.items():
            kind = kinds.get(parameter)
            if (
                kind
                and not kind[1](value)
                and not (value is None and defaults.get(parameter) is None)
            ):
                raise InputError(
                    f"{parameter} is {value!r}, not {kind[0]}",
                    where=current().where(),
                    fix=f"docs/rules.md tells what {parameter} of {name} is",
                )
        return rule(**arguments)

    return call


def _misfit(
    name: str,
    known: tuple[str, ...],
    required: frozenset[str],
    positional: tuple[Any, ...],
    arguments: Mapping[str, Any],
) -> InputError:
    from buildlib.suggest import did_you_mean, nearest

    where = current().where()
    for word in arguments:
        if word not in known:
            meant = nearest(word, known)
            return InputError(
                f"{name} has no argument {word}{did_you_mean(word, known)}",
                where=where,
                fix=f"{meant} = …" if meant else f"docs/rules.md lists the arguments of {name}",
            )
    missing = [parameter for parameter in known if parameter in required - arguments.keys()]
    if positional:
        first = missing[0] if missing else known[0]
        return InputError(
            f"the arguments of {name} have names", where=where, fix=f"{first} = {positional[0]!r}"
        )
    return InputError(f"{name} needs {', '.join(missing)}", where=where, fix=f"{missing[0]} = …")
