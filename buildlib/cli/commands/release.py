"""`release`: give proved images a version, and publish them so that nobody sees half a release.

`release check FOLDER` is for those who receive one: it verifies sums and signatures of its files,
offline.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildlib.cli.building import build
from buildlib.cli.common import answer, caller_folder, open_workspace, print_json, say, warn
from buildlib.cli.verb import DRY_RUN, JSON, VARIABLES, Call, Option, Verb
from buildlib.core.model.version import before, check_release
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from buildlib.build.workspace import Workspace
    from buildlib.core.model.label import Label
    from buildlib.shipping.releasing.run import Run

_CHECK = "./doitw release check dist/2.5.0 --key cosign.pub"


def run(call: Call) -> int:
    from buildlib.shipping.releasing import steps
    from buildlib.shipping.releasing.steps.step import Tools

    match call.words:
        case ("check", folder) if "VERSION" not in call.variables:
            return _check_files(call, folder)
    if "key" in call.options:
        raise InputError("--key is for the files of a folder, and none was given", fix=_CHECK)
    try:
        _refuse_other_words(call)
        if call.flag("dry-run"):
            return _print_plan(call)
    except InputError as error:
        if call.flag("dry-run"):  # who asked what it would do must not be told to do it
            error.fix = error.fix and error.fix.replace("./doitw release", "./doitw plan release")
        raise
    release = _open(call)
    as_json = call.flag("json")

    def make_targets(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=True)

    def prove(workspace: Workspace, labels: Sequence[Label]) -> int:
        return build(workspace, labels, quiet=as_json, force=True)

    tools = Tools(make_targets, prove, warn if as_json else say)
    done = steps.release(release, tools, call.words or steps.NAMES)
    if as_json:
        results = [{"step": step, "did": did} for step, did in done.items()]
        print_json({"schema": 1, "version": release.version, "steps": results})
    return 0


def _print_plan(call: Call) -> int:
    """Print what a release would do, and what would stop it; changes nothing."""
    from buildlib.shipping.releasing import steps

    release = _open(call)
    step_plans = steps.plan(release)
    plain = [
        {"step": each.step, "will": each.lines, "problems": each.problems} for each in step_plans
    ]
    lines = (
        f"{'' if number else each.step:10}{line}"
        for each in step_plans
        for number, line in enumerate([*each.lines, *map("PROBLEM: {}".format, each.problems)])
    )
    answer(call, lambda: {"schema": 1, "version": release.version, "steps": plain}, lines)
    return 1 if any(each.problems for each in step_plans) else 0


def _check_files(call: Call, given: str) -> int:
    """Verify that a folder holds the files of a release as they were published."""
    from buildlib.shipping.releasing.artifacts import CHECKSUMS
    from buildlib.shipping.releasing.verify_signatures import SIGNATURE, check_folder

    folder = os.path.join(caller_folder(), given)
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {given}", fix=_CHECK.partition(" --")[0])
    key = str(call.options.get("key", ""))
    files = check_folder(folder, _key(key) if key else "")
    signature = "none"
    if os.path.exists(f"{folder}/{SIGNATURE}"):
        signature = "right" if key else "not checked"
    texts = {
        "none": "it is not signed",
        "right": f"it is signed with {key}",
        "not checked": "its signature was not checked, which takes --key cosign.pub",
    }
    listed = len(files) - 1  # which has no line for itself
    line = f"{listed} files of {given} are as {CHECKSUMS} says; {texts[signature]}"
    plain = {"schema": 1, "folder": given, "files": files, "signature": signature}
    answer(call, lambda: plain, [line])
    return 0


def _key(path: str) -> str:
    try:
        with open(os.path.join(caller_folder(), path), encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the key {path} cannot be read: {getattr(error, 'strerror', 'it is no text')}",
            fix=_CHECK,
        ) from None


def _open(call: Call) -> Run:
    """The release of the command line's version."""
    from buildlib.shipping.releasing.run import Run

    version = check_release(call.variables.get("VERSION", ""))
    # Not the version in VERSION: a release that goes on may have moved it.
    dev = open_workspace(call, version=before(version))
    final = open_workspace(call, version=version)
    return Run(dev, final, following=call.variables.get("NEXT", ""))


def _refuse_other_words(call: Call) -> None:
    """Refuse words that are no steps; the fix keeps the version of the command line."""
    from buildlib.shipping.releasing.steps import NAMES

    version = call.variables.get("VERSION") or "2.5.0"
    for word in call.words:
        if word not in NAMES:
            meant = nearest(word, NAMES)
            fix = f"./doitw release {meant or 'STEP'} VERSION={version}"
            raise InputError(
                f"a release has no step {word}{did_you_mean(word, NAMES)}",
                fix=f"{fix}  # steps: {' '.join(NAMES)}",
            )


VERB = Verb(
    "release",
    "give what was proved a version, and publish it",
    run,
    words="[STEP…] VERSION=2.5.0 | check FOLDER",
    options=(
        DRY_RUN._replace(help="tell what would be done, and what stops it"),
        JSON,
        Option("--key", "of check FOLDER: the public key it must be signed with", "FILE"),
    ),
    variables=VARIABLES,
)
