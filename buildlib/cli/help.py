"""Texts of `help`: all verbs, or one with its options and variables."""

from __future__ import annotations

from typing import Any

from buildlib.cli.common import print_json, say
from buildlib.cli.verb import Verb, find, names

DOOR = "./doitw"
_COLUMN = 24


def show(verb: Verb | None, *, as_json: bool) -> None:
    """Print the help of a verb, or of all."""
    if as_json:
        verbs = [verb] if verb else [find(name) for name in names()]
        print_json({"schema": 1, "verbs": [_plain(each) for each in verbs]})
    else:
        say((about(verb) if verb else overview()).rstrip("\n"))


def _plain(verb: Verb) -> dict[str, Any]:
    """What a verb takes, for programs."""
    return {
        "name": verb.name,
        "summary": verb.summary,
        "words": verb.words,
        "options": [option._asdict() for option in verb.all_options],
        "variables": [variable._asdict() for variable in verb.variables],
    }


def overview() -> str:
    """All verbs, one a line."""
    lines = [f"usage: {DOOR} [VERB] [TARGET…] [OPTION…] [NAME=value…]", ""]
    width = max(len(name) for name in names()) + 2
    lines += [f"  {name.ljust(width)}{find(name).summary}" for name in names()]
    lines += [
        "",
        "Without a verb it is build. A target is a label (//images/kernel-py), a pattern",
        "(//images/...) or a task name (kernel-py, build:kernel-py).",
        f"`{DOOR} help VERB` shows a verb's options, `{DOOR} --version` the family's version.",
    ]
    return "\n".join(lines) + "\n"


def about(verb: Verb, door: str = DOOR) -> str:
    """Usage, options and variables of a verb.

    Args:
        door: The program of the usage line: `./doitw` or plain `doit`.
    """
    words = f" {verb.words}" if verb.words else ""
    variables = " [NAME=value…]" if verb.variables and not verb.passes else ""
    lines = [f"usage: {door} {verb.name}{words} [OPTION…]{variables}", "", verb.summary, ""]
    lines += [
        _row(f"{', '.join(option.forms)} {option.takes}", option.help)
        for option in verb.all_options
    ]
    if variables:
        lines.append("")
        lines += [_row(f"{each.name}={each.takes}", each.help) for each in verb.variables]
    return "\n".join(lines) + "\n"


def _row(what: str, text: str) -> str:
    return f"  {what.rstrip().ljust(_COLUMN)}{text}"
