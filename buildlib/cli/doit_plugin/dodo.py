"""The names that doit looks for in `dodo.py`.

With plain `doit`, variables come through doit (`doit build ORGANIZATION=acme`); unknown ones are
refused here, since doit accepts them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from doit.doit_cmd import DoitMain

from buildlib.build.doit_adapter.run import doit_config
from buildlib.build.doit_adapter.tasks import DOCS, task_name, tasks
from buildlib.build.execution import signals
from buildlib.build.execution.session import Session
from buildlib.cli.building import default_jobs, new_session
from buildlib.cli.call import parse
from buildlib.cli.common import open_workspace, say
from buildlib.cli.doit_plugin.variables import doit_variables
from buildlib.cli.plans import lines
from buildlib.cli.verb import VARIABLES, Call, Verb, names
from buildlib.errors import BuildError, InputError
from buildlib.suggest import did_you_mean, nearest

_ALWAYS = frozenset(("-a", "--always-execute"))
"""An option of doit: targets are built from their sources, as with `./doitw build -a`."""


def _leave(error: BuildError) -> NoReturn:
    """End doit with our message and exit code; doit would print a traceback."""
    sys.stderr.write(error.render() + "\n")
    sys.stderr.flush()
    raise SystemExit(error.exit_code)


def _refuse_misspelt(session: Session, words: Sequence[str]) -> None:
    """Refuse a word that is neither task nor command, with the nearest one that is."""
    tasks_known = [task_name(session, label) for label in session.workspace.graph.order]
    commands = [command.get_name() for command in DoitMain.DOIT_CMDS]
    all_names = [*DOCS, *tasks_known, *commands, *names()]
    first = next((word for word in words if word[:1].isalpha()), "")
    for word in words:
        is_ours = word.startswith(("//", *(f"{verb}:" for verb in DOCS))) or word == first
        if is_ours and word not in all_names and "*" not in word and "=" not in word:
            meant = nearest(word, all_names)
            raise InputError(
                f"there is no task or command {word}{did_you_mean(word, all_names)}",
                fix=f"doit {meant}" if meant else "doit list",
            )


def _open() -> Session:
    verb = Verb("doit", "", lambda _call: 0, words="[TASK…]", variables=VARIABLES)
    try:
        call: Call = parse(verb, doit_variables(), "")
        always = not _ALWAYS.isdisjoint(sys.argv[1:])
        session = new_session(open_workspace(call), say, force=always)
        _refuse_misspelt(session, sys.argv[1:])
    except BuildError as error:
        _leave(error)
    signals.install(session.workspace.save)
    return session


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
