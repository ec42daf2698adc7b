"""`setting`: a value of the family's own settings, from pyproject.toml."""

from __future__ import annotations

from buildlib.core.dsl.declare import setting

__all__ = ["setting"]
