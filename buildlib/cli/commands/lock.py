"""`lock`: refresh or check the pins of all that comes from outside."""

from __future__ import annotations

from buildlib.build.execution import signals
from buildlib.build.lock.refresh import PinChange, Refresh, with_neighbours
from buildlib.build.workspace import Workspace
from buildlib.cli.common import answer, say, warn, with_workspace
from buildlib.cli.plans import lock_first
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.core.keys.compute import lock_commands
from buildlib.core.model.section import SECTIONS
from buildlib.errors import InputError, UnknownTarget
from buildlib.suggest import nearest


@with_workspace
def run(workspace: Workspace, call: Call) -> int:
    signals.install(workspace.save)
    sections = [word for word in call.words if word in SECTIONS]
    words = [word for word in call.words if word not in SECTIONS]
    try:
        labels = with_neighbours(workspace, workspace.resolve(words, folder=call.folder))
    except UnknownTarget as error:
        meant = nearest(error.word, SECTIONS)
        if error.word.startswith("//") or meant is None:
            error.what += f" (sections of the lock are {', '.join(SECTIONS)})"
            raise
        raise InputError(
            f"{error.word} is no section of the lock, nor a target; did you mean {meant}?",
            fix=f"./doitw lock {meant}",
        ) from None
    refresh = Refresh(
        workspace,
        say=warn if call.flag("json") else say,
        upgrade=call.flag("upgrade"),
        image=str(call.options.get("image", "")),
    )
    check = call.flag("check")
    moved = refresh.run(sections or SECTIONS, labels, write=not check)
    stale = refresh.still_stale(labels)
    summary = "the lock is up to date" if check else "no pin moved"
    if moved:
        summary = _summary(moved, check=check)
    elif stale:
        summary = "nothing moved in what was named"
    lines = [*(f"  {change}" for change in moved), summary]
    if stale and not (check and moved):
        lines += lock_first(lock_commands(stale), call)
    answer(call, lambda: [change._asdict() for change in moved], lines)
    return int(check and bool(moved))


def _summary(changes: list[PinChange], *, check: bool) -> str:
    """How many pins moved; what a declaration asks for is no pin."""
    count = sum(change.is_pin for change in changes)
    if not count:
        return "the lock is of other requests" if check else "no pin moved; new requests are noted"
    pins, have = ("1 pin", "has") if count == 1 else (f"{count} pins", "have")
    return f"{pins} {have} drifted" if check else f"{pins} moved"


VERB = Verb(
    "lock",
    "refresh the pins of what comes from outside, or check them",
    run,
    words="[SECTION…] [TARGET…]",
    options=(
        Option("--check", "report what has drifted, and change nothing"),
        Option("--upgrade", "take the newest versions of Python packages, too"),
        Option("--image", "a Debian image whose apt resolves root file systems", "IMAGE"),
        JSON,
    ),
)
