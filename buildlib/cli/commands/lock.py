"""`lock`: refresh or check the pins of all that comes from outside."""

from __future__ import annotations

from buildlib.build.execution import signals
from buildlib.build.lock.refresh import Refresh
from buildlib.cli.common import open_workspace, print_json, say, warn
from buildlib.cli.verb import JSON, Call, Option, Verb
from buildlib.core.model.section import SECTIONS
from buildlib.errors import InputError, UnknownTarget
from buildlib.suggest import nearest


def run(call: Call) -> int:
    workspace = open_workspace(call)
    signals.install(workspace.save)
    sections = [word for word in call.words if word in SECTIONS]
    words = [word for word in call.words if word not in SECTIONS]
    try:
        labels = workspace.resolve(words, folder=call.folder)
    except UnknownTarget as error:
        meant = nearest(error.word, SECTIONS)
        if error.word.startswith("//") or meant is None:
            error.what += f" (sections of the lock are {', '.join(SECTIONS)})"
            raise
        raise InputError(
            f"{error.word} is no section of the lock, nor a target; did you mean {meant}?",
            fix=f"./doitw lock {meant}",
        ) from None
    as_json = call.flag("json")
    refresh = Refresh(
        workspace,
        say=warn if as_json else say,
        upgrade=call.flag("upgrade"),
        image=str(call.options.get("image", "")),
    )
    moved = refresh.run(sections or SECTIONS, labels, write=not call.flag("check"))
    if as_json:
        print_json([change._asdict() for change in moved])
    else:
        for change in moved:
            say(f"  {change}")
        if call.flag("check"):
            say(f"{len(moved)} pins have drifted" if moved else "the lock is up to date")
        else:
            say(f"{len(moved)} pins moved" if moved else "no pin moved")
    workspace.save()
    return 1 if moved and call.flag("check") else 0


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
