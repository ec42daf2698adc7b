"""`test`: lint, types, layers, then the tests, on images that are up to date.

Each step is a tool that a developer would run by hand, and is printed as such. Words and options
that are not ours go to pytest, and then pytest is all that runs. Without any, test files that
passed before with the same inputs are left out; which those are, a plugin of the tests knows
(`tests/support/kept`). CI runs everything, and keeps nothing. With `--fast` the first step that
fails is the last.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from buildlib.build.execution import signals
from buildlib.build.workspace import Workspace, in_ci
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import ALWAYS, JSON, Call, Option, Verb
from buildlib.errors import EngineUnavailable, InputError
from buildlib.text import duration

_CHECKS = (
    ("lint", ["ruff", "check", "--output-format=concise", "."]),  # for .vscode/tasks.json
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("types", ["mypy"]),
    ("layers", ["lint-imports", "--no-logo"]),
)
_BUILD = "build"


class _Step(NamedTuple):
    """A tool that was run, or a build."""

    name: str
    command: list[str]
    exit_code: int
    seconds: float


def run(call: Call) -> int:
    if importlib.util.find_spec("pytest") is None:  # plain doit installs nothing
        raise InputError("the tools of the tests are not installed yet", fix="./doitw test")
    workspace = open_workspace(call)
    signals.install(workspace.save)
    fast, as_json = call.flag("fast"), call.flag("json")
    steps: list[_Step] = []
    for name, command in _commands(call):
        if name == _BUILD:
            steps += _build(workspace, as_json=as_json)
        else:
            steps.append(_step(workspace, name, command, as_json=as_json))
        if fast and steps[-1].exit_code:
            break
    failed = [step.name for step in steps if step.exit_code]
    if as_json:
        print_json({"schema": 1, "steps": [s._asdict() for s in steps], "failed": failed})
    elif failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _commands(call: Call) -> Iterator[tuple[str, list[str]]]:
    """The steps that a command line asks for, each with its command."""
    tests = [sys.executable, "-m", "pytest"]
    fast = call.flag("fast")
    chosen = ["-m", "not engine and not slow"] if fast else []
    if call.words:
        yield "tests", [*tests, *chosen, *call.words]
        return
    yield from _CHECKS
    if not fast:
        yield _BUILD, []
    yield "tests", [*tests, *chosen, *_workers(fast=fast), *_kept(again=call.flag("always"))]


def _workers(*, fast: bool) -> list[str]:
    """What needs no engine is work; what needs one waits for it half of the time."""
    cores = os.cpu_count() or 1
    return ["-n", str(cores if fast else 2 * cores), "--dist", "worksteal"]


def _kept(*, again: bool) -> list[str]:
    if in_ci():
        return []
    return ["-p", "tests.support.kept.plugin", "--keep" if again else "--kept"]


def _step(workspace: Workspace, name: str, command: list[str], *, as_json: bool) -> _Step:
    """Run a tool of `.venv` in the root of the workspace; what it prints is no answer."""
    tell, out = (warn, sys.stderr) if as_json else (say, None)
    tell(f"== {name}: {' '.join([os.path.basename(command[0]), *command[1:]])}")
    tools = os.path.dirname(sys.executable)
    environ = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    # pytest would rewrite the assertions of all tests anew, in each of its processes.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    since = time.monotonic()
    done = subprocess.run(command, cwd=workspace.root, env=environ, stdout=out, check=False)
    took = time.monotonic() - since
    tell(f"== {name}: {'FAILED' if done.returncode else 'ok'} after {duration(took)}")
    return _Step(name, command, done.returncode, took)


def _build(workspace: Workspace, *, as_json: bool) -> list[_Step]:
    """Build the images that tests need, if there is an engine.

    Without one, pytest reports which tests did not run (and fails in CI: tests/conftest.py).
    """
    from buildlib.cli.building import build

    since = time.monotonic()
    try:
        code = build(workspace, workspace.resolve((), verb="build"), quiet=as_json)
    except EngineUnavailable as error:
        warn(error.render())
        return []
    return [_Step(_BUILD, [], code, time.monotonic() - since)]


VERB = Verb(
    "test",
    "lint, types and tests; words and unknown options go to pytest",
    run,
    words="[PYTEST ARGUMENT…]",
    options=(
        Option(
            "--fast",
            "only what takes no engine and is not slow; the first step that fails is the last",
        ),
        ALWAYS._replace(help="also what passed before with the same inputs"),
        JSON,
    ),
    passes=True,
)
