"""The command line: `python -m deploy up compose --image IMAGE`, `python -m deploy down`.

`./doitw deploy` builds the images, then runs this. With `--json FILE` the answer is written there,
or the error, for the caller to print.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from buildlib.errors import BuildError, InputError

FOLDER = os.path.dirname(os.path.abspath(__file__))
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked to stop; what was begun is undone first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for each in _STOPPING:  # a second signal must not interrupt the clean-up
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message, fix="python -m deploy --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns an exit code, as `./doitw` does (docs/commands.md)."""
    answer_to = ""
    try:
        options = _parse(argv)
        answer_to = options.json
        answer = _run(options)
    except BuildError as error:
        if not answer_to:
            print(error.render(), file=sys.stderr)
        _write(answer_to, {"error": _plain(error)})
        return error.exit_code
    _write(answer_to, answer)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m deploy", description="Starts and removes a gateway.")
    add = parser.add_argument
    add("act", choices=("check", "up", "down"), metavar="check|up|down",
        help="whether it can be started, and of what; start or update it; remove it")  # fmt: skip
    add("words", nargs="*", metavar="PLATFORM", help="compose (plain Docker) or swarm")
    add("--name", default="", help="name of the deployment and of its network")
    add("--port", default="", metavar="N", help="port of the host that the gateway answers on")
    add("--init", action="store_true", help="make a swarm where the engine is in none")
    add("--image", default="", help="up: the gateway's image, as the engine has it")
    add("--json", default="", metavar="FILE", help="write the answer there, or the error")
    options = parser.parse_args(argv)
    if options.act == "up" and not options.image:
        raise InputError("up needs an image", fix="--image elyra/enterprise-gateway:dev")
    return options


def _run(options: argparse.Namespace) -> dict[str, Any]:
    from deploy import run
    from deploy.reach import EngineReach
    from deploy.state import State

    def say(line: str) -> None:
        print(line, flush=True)

    state = State(FOLDER)
    if options.act == "down":
        return run.down(options.words, options.name, EngineReach, state, say)
    request = run.parse_request(options.words, options.name, options.port, may_make=options.init)
    if options.act == "check":
        return run.check(request, EngineReach())
    return run.up(request, options.image, EngineReach(), state, say)


def _plain(error: BuildError) -> dict[str, Any]:
    return {
        "what": error.what,
        "where": error.where and list(error.where),
        "fix": error.fix,
        "detail": error.detail,
        "exit_code": error.exit_code,
    }


def _write(path: str, answer: dict[str, Any]) -> None:
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(answer, file)


if __name__ == "__main__":
    for each in _STOPPING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # nohup, a background job
            signal.signal(each, _stop)
    try:
        code = main()
    except Stopped as stopped:
        code = stopped.code
    sys.exit(code)
