"""The front door: `./doitw VERB …`. It finds the verb, runs it and prints its errors.

A first word that is no verb is a target to build, as in doit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from errno import EDQUOT, ENOSPC, EROFS

from buildlib.cli.call import corrected, first_word, parse, retyped
from buildlib.cli.common import print_json, with_variables
from buildlib.cli.verb import Call, find, names
from buildlib.errors import BuildError, InputError, UnknownTarget
from buildlib.suggest import did_you_mean

UNEXPECTED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Returns:
        The exit code: 0 success, 1 a task failed, 2 a fault of ours, 3 wrong input.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return run_and_tell(lambda: _dispatch(words), words)


def run_and_tell(run: Callable[[], int], words: Sequence[str]) -> int:
    """Call a function and tell the error that ends it; returns the exit code.

    Args:
        words: The command line: `--json` has the error on standard output, too, and `--debug` has
            the traceback instead.
    """
    try:
        code = _told(run, words)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _told(run: Callable[[], int], words: Sequence[str]) -> int:
    try:
        return run()
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # the prompt comes next
        return 130
    except Exception as error:
        if "--debug" in words:
            raise
        told = error if isinstance(error, BuildError) else _unexpected(error)
        sys.stderr.write(told.render() + "\n")
        if "--json" in words:
            print_json({"error": told.plain()})
        return told.exit_code


def _unexpected(error: Exception) -> BuildError:
    """Tell what is no `BuildError`: a full disk, or a fault of ours."""
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS):
        return BuildError(
            f"{error.strerror}: {error.filename or 'an unnamed file'}",
            fix="df -h . ~/.cache  # make space, or a place that can be written",
        )
    fault = BuildError(
        f"{type(error).__name__}: {error}",
        detail="this is a fault of the build system, not yours",
        fix="run it again with --debug and report what it shows",
    )
    fault.exit_code = UNEXPECTED
    return fault


def _dispatch(words: list[str]) -> int:
    typed = ("doitw", *words)
    first = first_word(words)
    if first == "help" or (first is None and any(word in ("-h", "--help") for word in words)):
        from buildlib.cli.help import show

        rest = [word for word in words if word != "help" and not word.startswith("-")]
        show(find(rest[0]) if rest else None, as_json="--json" in words)
        return 0
    if first is None and "--version" in words:
        from buildlib.cli.common import open_workspace

        sys.stdout.write(f"{open_workspace(Call((), {}, {}, '')).version}\n")
        return 0
    if first is not None and first in names():
        words.remove(first)
        verb = find(first)
    elif first is not None and first.startswith("verify:"):
        verb = find("verify")
    else:
        verb = find("build")
        _refuse_misspelt_verb(first)
    call = parse(verb, words, _folder())._replace(typed=typed)
    if call.flag("help"):
        from buildlib.cli.help import show

        show(verb, as_json=call.flag("json"))
        return 0
    try:
        return verb.run(call)
    except BuildError as error:
        if isinstance(error, UnknownTarget) and error.meant:
            error.fix = f"./doitw {verb.name} {corrected(words, error.word, error.meant)}"
        error.fix = error.fix and retyped(typed[1:], with_variables(error.fix, call.variables))
        raise


def _refuse_misspelt_verb(word: str | None) -> None:
    """Refuse `./doitw biuld` as a misspelt verb, before it is looked up as a target."""
    if word is None or word.startswith(("//", ":", ".")) or ":" in word or "/" in word:
        return
    meant = did_you_mean(word, names())
    if not meant:
        return
    from buildlib.cli.common import open_workspace

    workspace = open_workspace(Call((), {}, {}, ""))
    if word not in workspace.graph.task_names.values():
        raise InputError(f"there is no command or target {word}{meant}", fix="./doitw help")


def _folder() -> str:
    """The current folder, relative to the workspace."""
    from buildlib.build.workspace import find_root
    from buildlib.cli.common import caller_folder

    current = os.path.realpath(caller_folder())
    inner = os.path.relpath(current, find_root(current))
    return "" if inner == "." else inner.replace(os.sep, "/")
