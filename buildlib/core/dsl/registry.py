"""Finding rules: every module in `buildlib/core/rules` that defines a function of its own name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from buildlib.core.dsl.arguments import checked

_NOT_RULES = frozenset({"__init__", "base", "context"})
_NO_TARGETS = frozenset({"glob", "select", "setting"})
"""Functions that declare nothing, but return a value for a declaration."""


@cache
def names() -> tuple[str, ...]:
    """All names a `BUILD.py` may import from `buildlib.rules`, sorted."""
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "rules")
    modules = {entry[:-3] for entry in os.listdir(folder) if entry.endswith(".py")}
    return tuple(sorted(modules - _NOT_RULES))


@cache
def function(name: str) -> Callable[..., Any]:
    """The function that declares a target of this rule; its module is imported on first use."""
    module = importlib.import_module(f"buildlib.core.rules.{name}")
    rule: Callable[..., Any] = getattr(module, name)
    return rule if name in _NO_TARGETS else checked(name, rule)
