"""What `dodo.py` takes: the names doit looks for, for the workspace it stands in.

With plain `doit`, variables arrive through doit (`doit build ORGANIZATION=acme`), unknown ones
are refused here since doit would not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from buildlib.commands.build import default_jobs
from buildlib.commands.call import Call, Option, Verb, parse
from buildlib.commands.common import open_workspace, say
from buildlib.doit_adapter.run import doit_config
from buildlib.doit_adapter.tasks import tasks
from buildlib.errors import BuildError
from buildlib.execution import signals
from buildlib.execution.session import Session

_NO_OPTIONS: tuple[Option, ...] = ()


def doit_variables() -> list[str]:
    """The `NAME=value` words that doit took off its command line."""
    from doit import doit_cmd

    taken = getattr(doit_cmd, "_CMDLINE_VARS", None) or {}
    return [f"{name}={value}" for name, value in taken.items()]


def _leave(error: BuildError) -> NoReturn:
    """End doit with our message and exit code: it would show a traceback."""
    sys.stderr.write(error.render() + "\n")
    sys.stderr.flush()
    raise SystemExit(error.exit_code)


def _open() -> Session:
    verb = Verb("doit", "", "", (), lambda _call: 0)
    try:
        call: Call = parse(verb, doit_variables(), "")
        session = Session(open_workspace(call), say=say)
        _ = session.workspace.graph
    except BuildError as error:
        _leave(error)
    signals.install(session.workspace.save)
    return session


SESSION = _open()
DOIT_CONFIG = doit_config(SESSION, jobs=default_jobs())


def task_build() -> Iterator[dict[str, Any]]:
    """Build all that is stale, or build:TARGET."""
    yield from tasks(SESSION)
