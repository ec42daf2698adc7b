"""What was given to doit on its command line: the `NAME=value` words, and options of `doit run`."""

from __future__ import annotations

from typing import Any

options: dict[str, Any] = {}
"""Those of this run, as doit has read them; empty before, and in its other commands."""


def doit_variables() -> list[str]:
    """The `NAME=value` words that doit took off its command line."""
    from doit import doit_cmd

    taken = getattr(doit_cmd, "_CMDLINE_VARS", None) or {}
    return [f"{name}={value}" for name, value in taken.items()]
