"""The `NAME=value` words of a doit command line."""

from __future__ import annotations


def doit_variables() -> list[str]:
    """The `NAME=value` words that doit took off its command line."""
    from doit import doit_cmd

    taken = getattr(doit_cmd, "_CMDLINE_VARS", None) or {}
    return [f"{name}={value}" for name, value in taken.items()]
