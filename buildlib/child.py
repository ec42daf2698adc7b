"""The command line of a program that a verb runs as its child, such as `python -m deploy`.

The other side is `cli.program`: it passes `--json FILE` and reads there what was answered, or the
error that ended the program.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from buildlib.errors import BuildError, InputError

Answer = Mapping[str, Any]


class Parser(argparse.ArgumentParser):
    """A parser with `--json`, whose errors are ours."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument(
            "--json", default="", metavar="FILE", help="write the answer there, or the error"
        )

    def error(self, message: str) -> NoReturn:
        raise InputError(message, fix=f"{self.prog} --help")


def run_child(
    parse: Callable[[Sequence[str] | None], argparse.Namespace],
    run: Callable[[argparse.Namespace], Answer],
    argv: Sequence[str] | None,
    *,
    code: Callable[[Answer], int] = lambda _: 0,
) -> int:
    """Run a command line; returns an exit code, as `./doitw` does (docs/commands.md).

    Args:
        parse: Reads it with a `Parser`.
        run: Does what was asked for.
        argv: The command line; None for that of the process.
        code: The exit code of an answer.
    """
    answer_to = ""
    try:
        options = parse(argv)
        answer_to = os.path.abspath(options.json) if options.json else ""
        answer = run(options)
    except BuildError as error:
        if not answer_to:
            print(error.render(), file=sys.stderr)
        _write(answer_to, {"error": error.plain()})
        return error.exit_code
    _write(answer_to, answer)
    return code(answer)


def _write(path: str, answer: Answer) -> None:
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(answer, file)
