"""`select`: a value by flavour."""

from __future__ import annotations

from buildlib.core.dsl.declare import select

__all__ = ["select"]
