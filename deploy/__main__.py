"""The command line: `python -m deploy up compose --image IMAGE`, `python -m deploy down`.

`./doitw deploy` builds the images, then runs this. With `--json FILE` the answer is written there,
or the error, for the caller to print.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from buildlib.child import Parser, run_child
from buildlib.errors import InputError

FOLDER = os.path.dirname(os.path.abspath(__file__))
_ACTS = ("check", "show", "render", "up", "down")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns an exit code."""
    return run_child(_parse, _run, argv)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m deploy", description="Starts and removes a gateway.")
    add = parser.add_argument
    add("act", choices=_ACTS, metavar="|".join(_ACTS),
        help="whether it can be started, and of what; what would change; write it as files; start "
        "or update it; remove it")  # fmt: skip
    add("words", nargs="*", metavar="PLATFORM",
        help="compose (plain Docker), swarm, kubernetes, demo or demo-cluster")  # fmt: skip
    add("--name", default="", help="name of the deployment, of its network or its namespaces")
    add("--port", default="", metavar="N", help="port of the host that the gateway answers on")
    add("--init", action="store_const", const="", help="make a swarm where the engine is in none")
    add("--context", metavar="NAME", help="kubernetes: the cluster, a context of the kubeconfig")
    add("--overlay", metavar="NAMES", help="kubernetes: overlays of ours, or a folder of yours")
    add("--release", metavar="VERSION", help="kubernetes: images of a release, by digest")
    add("--render", metavar="DIR", help="kubernetes: the folder to write to")
    add("--image", default="", help="up: the gateway's image, as the engine has it")
    options = parser.parse_args(argv)
    if options.act == "up" and not options.image and options.release is None:
        raise InputError("up needs an image", fix="--image elyra/enterprise-gateway:dev")
    if options.act == "render" and options.render is None:
        raise InputError("render needs a folder", fix="--render out")
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
    more = {
        name: vars(options)[name] for name in ("init", "context", "overlay", "release", "render")
    }
    given = {name: value for name, value in more.items() if value is not None}
    kind, request = run.parse_request(options.words, options.name, options.port, given)
    if options.act == "check":
        return run.check(kind, request, EngineReach(), state)
    if options.act == "render":
        return run.render(kind, request, state, say)
    act = run.show if options.act == "show" else run.up
    return act(kind, request, options.image, EngineReach(), state, say)


if __name__ == "__main__":
    for each in _STOPPING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # nohup, a background job
            signal.signal(each, _stop)
    try:
        code = main()
    except Stopped as stopped:
        code = stopped.code
    sys.exit(code)
