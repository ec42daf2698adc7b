"""Finding rules: every module in `buildlib/core/rules` that defines a function of its own name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from buildlib.core.dsl.arguments import checked
from buildlib.core.dsl.functions import FUNCTIONS

_NOT_RULES = frozenset({"__init__", "base", "context"})


@cache
def names() -> tuple[str, ...]:
    """All names a `BUILD.py` may import from `buildlib.rules`, sorted."""
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "rules")
    modules = {entry[:-3] for entry in os.listdir(folder) if entry.endswith(".py")}
    return tuple(sorted({*modules - _NOT_RULES, *FUNCTIONS}))


@cache
def function(name: str) -> Callable[..., Any]:
    """The function of one of the names; a rule's module is imported on first use."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    module = importlib.import_module(f"buildlib.core.rules.{name}")
    return checked(name, getattr(module, name))
