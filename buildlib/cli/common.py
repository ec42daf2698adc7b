"""Shared by verbs: opening the workspace of the current folder, and printing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from buildlib.build.workspace import Workspace, find_root
from buildlib.cli.verb import SETTINGS, Call, names
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.model.label import Label


def caller_folder() -> str:
    """The current folder."""
    return os.getcwd()


def open_workspace(call: Call, *, version: str = "") -> Workspace:
    """The workspace around the current folder, with variables and options of the call.

    Args:
        version: For a release; empty for the version in VERSION.
    """
    given = call.variables
    overrides = {each.name.lower(): given[each.name] for each in SETTINGS if each.name in given}
    workspace = Workspace(find_root(caller_folder()), overrides=overrides, version=version)
    workspace.offline = call.flag("offline")
    return workspace


def with_workspace(
    run: Callable[[Workspace, Call], int | None],
) -> Callable[[Call], int]:
    """Let a verb have the workspace of its call, which is saved when the verb returns.

    A verb that returns nothing has succeeded.
    """

    @wraps(run)
    def run_in_workspace(call: Call) -> int:
        workspace = open_workspace(call)
        code = run(workspace, call)
        workspace.save()
        return code or 0

    return run_in_workspace


def say(line: str) -> None:
    """Print a line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    """Print a line to standard error, beside the answer."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Print an answer as JSON."""
    import json

    say(json.dumps(value, indent=2))


def answer(call: Call, plain: Callable[[], Any], lines: Iterable[str]) -> None:
    """Print an answer: as JSON if the call asks for it, else the lines for people."""
    if call.flag("json"):
        print_json(plain())
    else:
        for line in lines:
            say(line)


def task_name(workspace: Workspace, label: Label) -> str:
    """A target's task as a person types it after `doit`: `build:kernel-py`."""
    return f"{workspace.graph[label].rule.verb}:{workspace.graph.task_names[label]}"


def short_name(workspace: Workspace, label: Label) -> str:
    """A target's task without `build:`, which most lines of a plan would repeat."""
    return task_name(workspace, label).removeprefix("build:")


def with_variables(fix: str, variables: Mapping[str, str]) -> str:
    """Add the settings of this call to the `./doitw` commands of a fix.

    An error in the flavour of one run cannot be mended in another flavour.
    """
    settings = {each.name for each in SETTINGS}  # the other variables belong to releases
    words = [
        f"{name}={value}"
        for name, value in variables.items()
        if f"{name}=" not in fix and name in settings
    ]
    command = re.compile(rf"\./doitw (?:{'|'.join(names())})\b[^#;&|\n]*(?<! )")
    line, comment, rest = fix.partition("  #")
    return command.sub(lambda call: " ".join([call[0], *words]), line) + comment + rest


def needs_target(workspace: Workspace, verb: str) -> InputError:
    """The error that a verb was given no target; one that there is stands in the fix."""
    labels = workspace.resolve((), verb="build") or workspace.resolve(())
    example = f"./doitw {verb} {labels[-1]}" if labels else "./doitw help"
    return InputError(f"{verb} needs a target", fix=example)


def no_registry(what: str) -> InputError:
    """The error that something needs a registry and the settings name none."""
    return InputError(
        f"{what} needs a registry, and none is set",
        fix=f'registry = "registry.example.com"  # in [tool.buildlib] of {SETTINGS_FILE}',
    )
