"""The command line: `python -m check kernelspec DIR…`, which `./doitw check` runs as a child.

With `--json FILE` the answer is written there, or the error, for the caller to print.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from buildlib.child import Parser, run_child
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean

KERNELSPEC = "kernelspec"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns an exit code."""
    return run_child(_parse, _run, argv, code=_code)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m check", description="Checks what users write for themselves.")
    add = parser.add_argument
    add("words", nargs="*", metavar="kernelspec DIR", help="folders of kernelspecs")
    add("--allowed", metavar="NAMES|FILE", help="the gateway's allow list, or a file that sets it")
    add("--offline", action="store_true", help="ask no registry for images")
    add("--folder", default=".", metavar="DIR", help="what paths are relative to")
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


def _code(answer: Mapping[str, Any]) -> int:
    return InputError.exit_code if answer["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
