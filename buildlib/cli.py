"""The front door: `./doitw VERB …`. Words are taken apart here, errors are told here.

A verb is looked up by name; any other first word is taken for a target to build, as doit does.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Mapping, Sequence
from errno import EDQUOT, ENOSPC, EROFS

from buildlib.commands.call import EVERYWHERE, OPTIONS, SETTINGS, Verb, first_word, parse
from buildlib.errors import BuildError, InputError, UnknownTarget
from buildlib.suggest import did_you_mean

VERBS = (
    "build", "verify", "plan", "why", "list", "lock", "fetch", "test", "release", "push", "pull",
    "prune",
    "deploy", "undeploy", "clean", "forget",
)  # fmt: skip
UNEXPECTED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: Words after the program's name.

    Returns:
        The exit code: 0 well, 1 a task failed, 2 a fault of ours, 3 the input was wrong.
    """
    gc.disable()  # a build with nothing to do ends before anything is worth collecting
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        return _dispatch(words)
    except BuildError as error:
        if debug:
            raise
        sys.stderr.write(error.render() + "\n")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS):
            sys.stderr.write(
                f"error: {error.strerror}: {error.filename or 'an unnamed file'}\n"
                "  fix: df -h . ~/.cache  # make space, or a place that can be written\n"
            )
            return 1
        sys.stderr.write(
            f"error: {type(error).__name__}: {error}\n"
            "  this is a fault of the build system, not yours\n"
            "  fix: run it again with --debug and report what it shows\n"
        )
        return UNEXPECTED


def _dispatch(words: list[str]) -> int:
    first = first_word(words)
    if first is None and any(word in ("-h", "--help") for word in words):
        _help()
        return 0
    if first == "help":
        rest = [word for word in words if word != "help"]
        _help(verb(rest[0]) if rest else None)
        return 0
    if first in VERBS:
        words.remove(first)
        chosen = verb(first)
    elif first is not None and first.startswith("verify:"):
        chosen = verb("verify")
    else:
        chosen = verb("build")
        _refuse_misspelt_verb(first)
    call = parse(chosen, words, _folder())
    if call.flag("help"):
        _help(chosen)
        return 0
    try:
        return chosen.run(call)
    except BuildError as error:
        if isinstance(error, UnknownTarget) and error.meant:
            error.fix = f"./doitw {chosen.name} {error.meant}"
        error.fix = error.fix and with_variables(error.fix, call.variables)
        raise


def with_variables(fix: str, variables: Mapping[str, str]) -> str:
    """A fix to paste, with the variables of this call where it calls us again.

    What is wrong in the flavour of one run is not mended in another.

    Args:
        fix: As the error has it.
        variables: What was given on the command line.
    """
    words = [
        f"{name}={value}"
        for name, value in variables.items()
        if f"{name}=" not in fix and name in SETTINGS  # the others are those of release alone
    ]
    called = re.compile(rf"\./doitw (?:{'|'.join(VERBS)})\b[^#;\n]*(?<! )")
    return called.sub(lambda call: " ".join([call[0], *words]), fix)


def verb(name: str) -> Verb:
    """The verb of a name; only its own module is imported."""
    import importlib

    if name not in VERBS:
        raise InputError(
            f"there is no command {name}{did_you_mean(name, VERBS)}", fix="./doitw help"
        )
    found: Verb = importlib.import_module(f"buildlib.commands.{name}").VERB
    return found


def _refuse_misspelt_verb(word: str | None) -> None:
    """`./doitw biuld` is no target; say what was meant before looking for one."""
    if word is None or word.startswith(("//", ":", ".")) or ":" in word or "/" in word:
        return
    meant = did_you_mean(word, VERBS)
    if not meant:
        return
    from buildlib.commands.call import Call
    from buildlib.commands.common import open_workspace

    workspace = open_workspace(Call((), {}, {}, ""))
    if word not in workspace.graph.task_names.values():
        raise InputError(f"there is no command or target {word}{meant}", fix="./doitw help")


def _folder() -> str:
    """The folder the person stands in, relative to the workspace."""
    from buildlib.commands.common import caller_folder
    from buildlib.workspace import find_root

    here = os.path.realpath(caller_folder())
    inner = os.path.relpath(here, find_root(here))
    return "" if inner == "." else inner.replace(os.sep, "/")


def _help(about: Verb | None = None) -> None:
    if about is None:
        sys.stdout.write("usage: ./doitw [VERB] [TARGET…] [OPTION…] [NAME=value…]\n\n")
        for name in VERBS:
            sys.stdout.write(f"  {name:9}{verb(name).doc}\n")
        sys.stdout.write(
            "\nA target is a label (//images/kernel-py), a pattern (//images/...) or a task name\n"
            "(kernel-py, build:kernel-py). `./doitw help VERB` shows a verb's options.\n"
        )
        return
    sys.stdout.write(f"usage: ./doitw {about.name} {about.usage} [OPTION…]\n\n{about.doc}\n\n")
    for name in (*about.options, *EVERYWHERE):
        option = OPTIONS[name]
        forms = ", ".join(form for form in (option.short, option.name) if form)
        sys.stdout.write(f"  {f'{forms} {option.takes}':24}{option.doc}\n")
