"""Checks of the arguments of rules and macros against their signatures.

A rule's parameters are keyword-only and annotated. A wrong name or a value of another type is an
error at the declaration, before the rule runs; so it is with macros, as far as they have
annotations. What a list holds, rules check themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

_TAKES_ANY = 0x0C
"""Flags of code whose function has `*args` or `**more`."""


def _is_mapping_of_texts(value: Any) -> bool:
    texts = (*value, *value.values()) if isinstance(value, Mapping) else (None,)
    return all(isinstance(text, str) for text in texts)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "Sequence[str]": ("a list", _is_list),
    "list[str]": ("a list", _is_list),
    "Mapping[str, str]": ("a dict of texts", _is_mapping_of_texts),
    "dict[str, str]": ("a dict of texts", _is_mapping_of_texts),
    "Mapping[str, Any]": ("a dict", lambda value: isinstance(value, Mapping)),
}
"""Annotation -> its name for people, and the check of a value."""


class _Signature:
    """The parameters of a rule or a macro."""

    def __init__(self, name: str, function: Any, help_: Callable[[], str]) -> None:
        code = function.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        self.name = name
        self.help = help_
        self.known = dict.fromkeys(code.co_varnames[:count])
        self.by_position = code.co_varnames[: code.co_argcount]
        of_last = function.__defaults__ or ()
        self.defaults = {
            **dict(zip(reversed(self.by_position), reversed(of_last), strict=False)),
            **(function.__kwdefaults__ or {}),
        }
        kinds = ((name, _kind(text)) for name, text in function.__annotations__.items())
        self.kinds = {name: kind for name, kind in kinds if kind}
        self.takes_any = bool(code.co_flags & _TAKES_ANY)

    def missing(self, arguments: Collection[str]) -> list[str]:
        return [it for it in self.known if it not in self.defaults and it not in arguments]

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse unknown, missing and misfitting arguments."""
        for word in arguments:
            if word not in self.known and not self.takes_any:
                meant = nearest(word, self.known)
                raise InputError(
                    f"{self.name} has no argument {word}{did_you_mean(word, self.known)}",
                    fix=f"{meant} = …" if meant else self.help(),
                )
        if missing := self.missing(arguments):
            raise InputError(f"{self.name} needs {', '.join(missing)}", fix=f"{missing[0]} = …")
        for parameter, value in arguments.items():
            kind, fits = self.kinds.get(parameter, ("", None))
            is_left_out = value is None and self.defaults.get(parameter) is None
            if fits and not fits(value) and not is_left_out:
                raise self._misfit(parameter, value, kind)

    def _misfit(self, parameter: str, value: Any, kind: str) -> InputError:
        if kind == "a list" and isinstance(value, str):
            fix = f'{parameter} = ["{value}"]'
            return InputError(f"{parameter} is a text, not a list", fix=fix)
        return InputError(
            f"{parameter} is {value!r}, not {kind}",
            fix=_meant(parameter, value, kind) or self.help(),
        )


def _meant(parameter: str, value: Any, kind: str) -> str:
    """What a value of another kind stands for most likely; empty if that is not clear."""
    if kind == "True or False" and str(value).lower() in ("true", "false", "1", "0"):
        return f"{parameter} = {str(value).lower() in ('true', '1')}"
    if kind == "a dict of texts" and isinstance(value, Mapping):
        texts = ", ".join(f'"{key}": "{text}"' for key, text in value.items())
        return f"{parameter} = {{{texts}}}"
    if kind == "a dict of texts" and _is_list(value) and all(isinstance(it, str) for it in value):
        texts = ", ".join(f'"{it}": "…"' for it in value)
        return f"{parameter} = {{{texts}}}"
    return ""


def _kind(annotation: Any) -> tuple[str, Callable[[Any], bool]] | None:
    return _KINDS.get(annotation.removesuffix(" | None")) if isinstance(annotation, str) else None


def checked(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a rule's function so that it refuses unknown, missing and misfitting arguments."""
    parameters = _Signature(name, rule, lambda: f"docs/rules.md lists the arguments of {name}")

    @wraps(rule)
    def call(*positional: Any, **arguments: Any) -> Any:
        if positional:
            first = [*parameters.missing(arguments), *parameters.known][0]
            raise InputError(
                f"the arguments of {name} have names", fix=f"{first} = {positional[0]!r}"
            )
        parameters.check(arguments)
        return rule(**arguments)

    return call


def checked_macro(macro: Any) -> Callable[..., Any]:
    """Wrap a function of a `defs.py` in the same way; it may have arguments without names."""
    parameters = _Signature(macro.__name__, macro, lambda: signature(macro))

    @wraps(macro)
    def call(*positional: Any, **arguments: Any) -> Any:
        by_position = dict(zip(parameters.by_position, positional, strict=False))
        parameters.check({**by_position, **arguments})
        return macro(*positional, **arguments)

    return call


def signature(macro: Any) -> str:
    """How a macro is called, and where it is written."""
    import inspect

    macro = inspect.unwrap(macro)
    whole = inspect.signature(macro)
    plain = [it.replace(annotation=it.empty) for it in whole.parameters.values()]
    shown = whole.replace(parameters=plain, return_annotation=whole.empty)
    where = Location(macro.__code__.co_filename, macro.__code__.co_firstlineno)
    return f"{macro.__name__}{shown}  # {where}"
