"""`test`: lint, types, layers, then the tests, on images that are up to date.

Each step is a tool that a developer would run by hand, and is printed as such. Words and options
that are not ours go to pytest, and then pytest is all that runs. Without any, test files that
passed before with the same inputs are left out; which those are, a plugin of the tests knows
(`tests/support/kept`). CI runs everything, and keeps nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from buildlib.build.execution import signals
from buildlib.build.workspace import Workspace, in_ci
from buildlib.cli.common import open_workspace, say
from buildlib.cli.verb import ALWAYS, Call, Option, Verb
from buildlib.errors import EngineUnavailable
from buildlib.text import duration

_CHECKS = (
    ("lint", ("ruff", "check", "--output-format=concise", ".")),  # for .vscode/tasks.json
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("types", ("mypy",)),
    ("layers", ("lint-imports", "--no-logo")),
)


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    failed = []
    if not call.words:
        failed = [name for name, command in _CHECKS if _step(workspace, name, command)]
    chosen: list[str] = ["-m", "not engine and not slow"] if call.flag("fast") else []
    if not call.flag("fast") and not call.words:
        failed += _build(workspace)
    if not call.words:
        chosen += [*_workers(fast=call.flag("fast")), *_kept(again=call.flag("always"))]
    tests = [sys.executable, "-m", "pytest", *chosen, *call.words]
    if _step(workspace, "tests", tests):
        failed.append("tests")
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _workers(*, fast: bool) -> list[str]:
    """What needs no engine is work; what needs one waits for it half of the time."""
    cores = os.cpu_count() or 1
    return ["-n", str(cores if fast else 2 * cores), "--dist", "worksteal"]


def _kept(*, again: bool) -> list[str]:
    if in_ci():
        return []
    return ["-p", "tests.support.kept.plugin", "--keep" if again else "--kept"]


def _step(workspace: Workspace, name: str, command: tuple[str, ...] | list[str]) -> int:
    """Run a tool of `.venv` in the root of the workspace."""
    say(f"== {name}: {' '.join([os.path.basename(command[0]), *command[1:]])}")
    tools = os.path.dirname(sys.executable)
    environ = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    # pytest would rewrite the assertions of all tests anew, in each of its processes.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    since = time.monotonic()
    code = subprocess.run(command, cwd=workspace.root, env=environ, check=False).returncode
    say(f"== {name}: {'ok' if code == 0 else 'FAILED'} after {duration(time.monotonic() - since)}")
    return code


def _build(workspace: Workspace) -> list[str]:
    """Build the images that tests need, if there is an engine.

    Without one, pytest reports which tests did not run (and fails in CI: tests/conftest.py).
    """
    from buildlib.cli.building import build

    try:
        return ["build"] if build(workspace, workspace.resolve((), verb="build")) else []
    except EngineUnavailable as error:
        say(error.render())
        return []


VERB = Verb(
    "test",
    "lint, types and tests; words and unknown options go to pytest",
    run,
    words="[PYTEST ARGUMENT…]",
    options=(
        Option("--fast", "only what takes no engine, and is not marked slow"),
        ALWAYS._replace(help="also what passed before with the same inputs"),
    ),
    passes=True,
)
