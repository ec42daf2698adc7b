"""The names that doit looks for in `dodo.py`.

With plain `doit`, variables come through doit (`doit build ORGANIZATION=acme`); unknown ones are
refused here, since doit accepts them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from buildlib.build.doit_adapter.run import doit_config
from buildlib.build.doit_adapter.tasks import leave, tasks
from buildlib.build.execution import signals
from buildlib.build.execution.session import Session
from buildlib.build.workspace import Workspace
from buildlib.cli.building import default_jobs, new_session
from buildlib.cli.call import parse
from buildlib.cli.common import open_workspace, say
from buildlib.cli.doit_plugin.variables import doit_variables, options
from buildlib.cli.plans import lines
from buildlib.cli.verb import VARIABLES, Call, Verb
from buildlib.errors import BuildError, UnknownTarget


def _open() -> Session:
    verb = Verb("doit", "", lambda _call: 0, words="[TASK…]", variables=VARIABLES)
    try:
        call: Call = parse(verb, doit_variables(), "")
        # As with `./doitw build -a`, targets are then built from their sources.
        session = new_session(open_workspace(call), say, force=bool(options.get("always")))
        session.keep_going = bool(options.get("continue"))
        _refuse_broken(session.workspace, sys.argv[1:])
    except BuildError as error:
        leave(error)
    signals.install(session.workspace.save, session.running)
    return session


def _refuse_broken(workspace: Workspace, words: Sequence[str]) -> None:
    """Refuse what is wrong with the named tasks or what they need; with anything, if none is named.

    Other words are commands, options and their values.
    """
    named = [word for word in words if word.startswith(("build:", "verify:"))]
    if not named or any(word in ("build", "verify") or "*" in word for word in words):
        workspace.view.refuse_broken()
        return
    with suppress(UnknownTarget):  # doit says so
        workspace.resolve(named, left_out=True)


def _leave_if_nothing_to_do(session: Session, words: Sequence[str]) -> None:
    """Exit if doit would only find all tasks up to date.

    That saves the time of doit itself, half of what we took until here. Only for command lines of
    nothing but targets to build: options are doit's to read.
    """
    if any(word != "build" and not word.startswith("build:") for word in words):
        return
    workspace = session.workspace
    try:
        roots = workspace.resolve(() if "build" in words else words, verb="build")
        if session.make_plan(roots).steps:
            return
        plan = session.start(roots)
    except BuildError:
        return  # doit meets the same error, and reports it
    workspace.save()
    answer = lines(workspace, plan)[0]
    say(answer)
    workspace.cache_noop(("doit", *words), plan, [answer])
    os._exit(0)


SESSION = _open()
if os.path.basename(sys.argv[0]) == "doit":
    _leave_if_nothing_to_do(SESSION, sys.argv[1:])
# Options such as `-n` and `--continue` are doit's: we do not know what they ask for.
_HAS_OPTIONS = any(word.startswith("-") for word in sys.argv[1:])
DOIT_CONFIG = (
    doit_config(SESSION, jobs=default_jobs(), waiting=0)
    if _HAS_OPTIONS
    else doit_config(SESSION, jobs=default_jobs())
)


def task_build() -> Iterator[dict[str, Any]]:
    """Build all that is stale, or build:TARGET."""
    yield from tasks(SESSION, "build")


def task_verify() -> Iterator[dict[str, Any]]:
    """Prove that built images run kernels, or verify:TARGET."""
    yield from tasks(SESSION, "verify")
