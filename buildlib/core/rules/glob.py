"""`glob`: names of the package's files by pattern."""

from __future__ import annotations

from buildlib.core.dsl.declare import glob

__all__ = ["glob"]
