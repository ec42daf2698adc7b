"""How often what is tried at random is tried: little in each run, as often as you like by hand.

BUILDLIB_EXAMPLES=20 .venv/bin/python -m pytest tests/unit/test_keys.py   # 20 times as often
"""

from __future__ import annotations

import os

USUAL = 50
"""Examples of a test that says nothing else."""


def examples(number: int) -> int:
    """So many, or what `BUILDLIB_EXAMPLES` makes of it."""
    return number * int(os.environ.get("BUILDLIB_EXAMPLES", "1"))
