"""Golden messages: the whole text a user sees, compared with a file under `tests/golden/`.

`BUILDLIB_GOLDEN=write pytest tests/unit/test_messages.py` writes the files anew; read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare a text with the golden one of that name, or write it."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("BUILDLIB_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert path.exists(), f"no {path.name}; run with BUILDLIB_GOLDEN=write and read it"
    assert text + "\n" == path.read_text(encoding="utf-8")
