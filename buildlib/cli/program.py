"""Running programs of the workspace, such as `deploy`, as child processes.

Their output is passed on as it comes. A program writes its answer to a file, or the error that
ended it, which is raised here like one of our own.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildlib.errors import ActionError, InputError, Location

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace

_GRACE = 90.0
"""Seconds that a program has to clean up when it is told to stop."""


def run_program(
    workspace: Workspace, name: str, words: Sequence[str], tell: Callable[[str], None]
) -> Any:
    """Run a Python package of the workspace in its root; returns the answer.

    Args:
        words: Its arguments; `--json FILE` is added.
    """
    from buildlib.engine.process import stream

    if not os.path.exists(f"{workspace.root}/{name}/__main__.py"):
        raise InputError(f"this workspace has no program {name}", fix=f"ls {name}/__main__.py")
    # Variables of Python's own would change what is run.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environ["PYTHONPATH"] = workspace.root
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/answer.json"
        command = [sys.executable, "-m", name, *words, "--json", path]
        code = stream(command, tell, environ=environ, cwd=workspace.root, grace=_GRACE)
        try:
            with open(path, encoding="utf-8") as file:
                answer = json.load(file)
        except FileNotFoundError:
            raise RuntimeError(f"python -m {name} has ended with code {code}") from None
    if isinstance(answer, dict) and "error" in answer:
        raise _error(answer["error"])
    return answer


def _error(plain: Mapping[str, Any]) -> InputError | ActionError:
    """The error that a program ended with (`BuildError.plain`)."""
    kind = InputError if plain["exit_code"] == InputError.exit_code else ActionError
    where = Location(plain["file"], plain["line"] or 0) if plain["file"] else None
    return kind(plain["what"], where=where, fix=plain["fix"], detail=plain["detail"])
