"""What several verbs share: opening the workspace a person stands in, and saying things."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from buildlib.build.workspace import Workspace, find_root
from buildlib.cli.verb import SETTINGS, Call
from buildlib.core.model.settings import FILE as SETTINGS_FILE
from buildlib.errors import InputError

if TYPE_CHECKING:
    from buildlib.core.model.label import Label


def caller_folder() -> str:
    """The folder a person stands in."""
    return os.getcwd()


def open_workspace(call: Call, *, version: str = "") -> Workspace:
    """The workspace around the caller's folder, with the call's variables and options.

    Args:
        version: What it is seen under, for a release; by default the version in VERSION.
    """
    given = call.variables
    overrides = {each.name.lower(): given[each.name] for each in SETTINGS if each.name in given}
    workspace = Workspace(find_root(caller_folder()), overrides=overrides, version=version)
    workspace.offline = call.flag("offline")
    return workspace


def say(line: str) -> None:
    """A line of progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    """A line beside the answer."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """An answer for a program."""
    import json

    say(json.dumps(value, indent=2))


def task_name(workspace: Workspace, label: Label) -> str:
    """A target's task as a person types it after `doit`: `build:kernel-py`."""
    return f"{workspace.graph[label].rule.verb}:{workspace.graph.task_names[label]}"


def short_name(workspace: Workspace, label: Label) -> str:
    """A target in a line of a plan: without `build:`, which is what most lines are about."""
    return task_name(workspace, label).removeprefix("build:")


def no_registry(what: str) -> InputError:
    """There is none in the settings, and something needs one."""
    return InputError(
        f"{what} needs a registry, and none is set",
        fix=f'registry = "registry.example.com"  # in [tool.buildlib] of {SETTINGS_FILE}',
    )
