"""`check`: have `check/` look at what users write for themselves: kernelspecs.

That program knows what a kernelspec is (docs/own-kernelspec.md).
"""

from __future__ import annotations

from buildlib.cli.common import caller_folder, open_workspace, print_json, say, warn
from buildlib.cli.program import run_program
from buildlib.cli.verb import JSON, OFFLINE, Call, Option, Verb
from buildlib.errors import InputError


def run(call: Call) -> int:
    workspace = open_workspace(call)
    words = [*call.words, "--folder", caller_folder()]
    if "allowed" in call.options:
        words += ["--allowed", str(call.options["allowed"])]
    words += ["--offline"] if call.flag("offline") else []
    as_json = call.flag("json")
    answer = run_program(workspace, "check", words, warn if as_json else say)
    if as_json:
        print_json(answer)
    return InputError.exit_code if answer["errors"] else 0


VERB = Verb(
    "check",
    "name each mistake in kernelspecs of your own",
    run,
    words="kernelspec DIR…",
    options=(
        Option("--allowed", "the gateway's allow list, or a file that sets it", "NAMES|FILE"),
        OFFLINE._replace(help="ask no registry for images"),
        JSON,
    ),
    variables=(),
)
