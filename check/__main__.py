"""The command line: `python -m check kernelspec DIR…`, which `./doitw check` runs as a child.

With `--json FILE` the answer is written there, or the error, for the caller to print.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from buildlib.errors import BuildError, InputError
from buildlib.suggest import did_you_mean

KERNELSPEC = "kernelspec"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message, fix="python -m check --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns an exit code, as `./doitw` does (docs/commands.md)."""
    answer_to = ""
    try:
        options = _parse(argv)
        answer_to = os.path.abspath(options.json) if options.json else ""
        answer = _run(options)
    except BuildError as error:
        if not answer_to:
            print(error.render(), file=sys.stderr)
        _write(answer_to, {"error": error.plain()})
        return error.exit_code
    _write(answer_to, answer)
    return InputError.exit_code if answer["errors"] else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m check", description="Checks what users write for themselves.")
    add = parser.add_argument
    add("words", nargs="*", metavar="kernelspec DIR", help="folders of kernelspecs")
    add("--allowed", metavar="NAMES|FILE", help="the gateway's allow list, or a file that sets it")
    add("--offline", action="store_true", help="ask no registry for images")
    add("--folder", default=".", metavar="DIR", help="what paths are relative to")
    add("--json", default="", metavar="FILE", help="write the answer there, or the error")
    return parser.parse_args(argv)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    from check.allowed import read_allowed
    from check.images import Images
    from check.run import check_kernelspecs

    kind, *folders = options.words or [""]
    if kind != KERNELSPEC:
        what = f"there is no check of {kind}{did_you_mean(kind, [KERNELSPEC])}"
        raise InputError(
            what if kind else "check takes the word kernelspec and folders",
            fix=f"./doitw check kernelspec {' '.join(folders) or 'DIR'}",
        )
    if not folders:
        raise InputError(
            "check kernelspec takes folders of kernelspecs", fix="./doitw check kernelspec DIR"
        )
    os.chdir(options.folder)
    lists = None if options.allowed is None else read_allowed(options.allowed)

    def say(line: str) -> None:
        print(line, flush=True)

    return check_kernelspecs(folders, lists, Images(offline=options.offline), say)


def _write(path: str, answer: dict[str, Any]) -> None:
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(answer, file)


if __name__ == "__main__":
    sys.exit(main())
