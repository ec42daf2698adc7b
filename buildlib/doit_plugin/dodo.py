"""What `dodo.py` takes: the names doit looks for, for the workspace it stands in.

With plain `doit`, variables arrive through doit (`doit build ORGANIZATION=acme`), unknown ones
are refused here since doit would not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from buildlib.commands.build import default_jobs, new_session
from buildlib.commands.call import VARIABLES, Call, Verb, parse
from buildlib.commands.common import open_workspace, say
from buildlib.doit_adapter.run import doit_config
from buildlib.doit_adapter.tasks import tasks
from buildlib.doit_plugin.variables import doit_variables
from buildlib.errors import BuildError
from buildlib.execution import signals
from buildlib.execution.session import Session


def _leave(error: BuildError) -> NoReturn:
    """End doit with our message and exit code: it would show a traceback."""
    sys.stderr.write(error.render() + "\n")
    sys.stderr.flush()
    raise SystemExit(error.exit_code)


def _open() -> Session:
    verb = Verb("doit", "", "", (), lambda _call: 0, variables=VARIABLES)
    try:
        call: Call = parse(verb, doit_variables(), "")
        session = new_session(open_workspace(call), say)
        _ = session.workspace.graph
    except BuildError as error:
        _leave(error)
    signals.install(session.workspace.save)
    return session


SESSION = _open()
DOIT_CONFIG = doit_config(SESSION, jobs=default_jobs())


def task_build() -> Iterator[dict[str, Any]]:
    """Build all that is stale, or build:TARGET."""
    yield from tasks(SESSION, "build")


def task_verify() -> Iterator[dict[str, Any]]:
    """Prove that built images run kernels, or verify:TARGET."""
    yield from tasks(SESSION, "verify")
