"""Checks of a rule's arguments against its signature.

A rule's parameters are keyword-only and annotated. A wrong name or a value of another type is an
error at the declaration, before the rule runs. What a list holds, rules check themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest


def _is_mapping_of_texts(value: Any) -> bool:
    texts = (*value, *value.values()) if isinstance(value, Mapping) else (None,)
    return all(isinstance(text, str) for text in texts)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "Sequence[str]": ("a list", lambda value: isinstance(value, (list, tuple))),
    "Mapping[str, str]": ("a dict of texts", _is_mapping_of_texts),
    "Mapping[str, Any]": ("a dict", lambda value: isinstance(value, Mapping)),
}
"""Annotation -> its name for people, and the check of a value."""


def checked(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a rule's function so that it refuses unknown, missing and misfitting arguments."""
    code = rule.__code__
    known = dict.fromkeys(
        code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    )
    defaults = rule.__kwdefaults__ or {}
    required = [parameter for parameter in known if parameter not in defaults]
    kinds = {
        parameter: _KINDS[annotation.removesuffix(" | None")]
        for parameter, annotation in rule.__annotations__.items()
        if annotation.removesuffix(" | None") in _KINDS
    }

    @wraps(rule)
    def call(*positional: Any, **arguments: Any) -> Any:
        for word in arguments:
            if word not in known:
                raise _unknown(name, word, known)
        missing = [parameter for parameter in required if parameter not in arguments]
        if positional:
            first = [*missing, *known][0]
            raise InputError(
                f"the arguments of {name} have names", fix=f"{first} = {positional[0]!r}"
            )
        if missing:
            raise InputError(f"{name} needs {', '.join(missing)}", fix=f"{missing[0]} = …")
        for parameter, value in arguments.items():
            kind, fits = kinds.get(parameter, ("", None))
            is_left_out = value is None and defaults.get(parameter) is None
            if fits and not fits(value) and not is_left_out:
                raise _misfit(name, parameter, value, kind)
        return rule(**arguments)

    return call


def _unknown(rule: str, word: str, known: Collection[str]) -> InputError:
    meant = nearest(word, known)
    return InputError(
        f"{rule} has no argument {word}{did_you_mean(word, known)}",
        fix=f"{meant} = …" if meant else f"docs/rules.md lists the arguments of {rule}",
    )


def _misfit(rule: str, parameter: str, value: Any, kind: str) -> InputError:
    if kind == "a list" and isinstance(value, str):
        return InputError(f"{parameter} is a text, not a list", fix=f'{parameter} = ["{value}"]')
    return InputError(
        f"{parameter} is {value!r}, not {kind}",
        fix=f"docs/rules.md tells what {parameter} of {rule} is",
    )
