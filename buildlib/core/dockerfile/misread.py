"""Instructions that every builder refuses, or takes otherwise than their author meant.

A builder tells of the first without a line, or where no fix is. Of the second it tells nothing. For
Docker, `#` begins a comment at the beginning of a line and nowhere else: `USER root  # admin` names
a user "root  # admin", and nobody hears of it before a container starts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildlib.core.dockerfile.invisible import is_invisible
from buildlib.core.dockerfile.lines import Instruction, json_list, plain_words, words
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

_ONE_TEXT = ("STOPSIGNAL", "USER", "WORKDIR")
"""Instructions that take all of the line; quotes and escapes keep a `#` in it."""
_LISTS = ("ADD", "COPY", "EXPOSE", "VOLUME")
_PAIRS = ("ENV", "LABEL")
READ_IN_ALL_STAGES = (*_PAIRS, "HEALTHCHECK", "SHELL")
"""Instructions that builders read in the stages that they do not build, too."""
_NOT_EMPTY = {
    "ENV": "NAME=VALUE",
    "EXPOSE": "8080",
    "LABEL": "NAME=VALUE",
    "STOPSIGNAL": "SIGTERM",
    "USER": "root",
    "VOLUME": "/FOLDER",
    "WORKDIR": "/FOLDER",
}
_MAY_BE_LISTS = ("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME")
_MEANT_AS_LIST = r"""\[(?:["']|\s+(["'])[^"']*\1\s*,)"""
"""What begins so is no test of a shell: for that, a space stands behind the bracket."""
_PORT = r"(?i)(?:[^:]*:){0,2}\d+(?:-\d+)?(?:/(?:tcp|udp|sctp))?\Z"
_REPLACED = frozenset("$\"'\\`")
"""Characters of words that are not what they seem."""
_SIGNALS = (
    "ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT"
    "|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|UNUSED|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ"
)
_SIGNAL = rf"(?i)\d+\Z|(?:SIG)?(?:{_SIGNALS}|RTM(?:IN|AX)(?:[+-]\d+)?)\Z"
_COMMENT = re.compile(r"""([^"'\\`]*?)[ \t]+#""")
_WHY = "for Docker, # begins a comment at the beginning of a line only"


def misread(instruction: Instruction, escape: str) -> InputError | None:
    """What is wrong with an instruction that is refused, or whose meaning is surely another one."""
    name, rest = instruction.name, instruction.rest
    if not rest and name in _NOT_EMPTY:
        return InputError(f"{name} says nothing", fix=f"{name} {_NOT_EMPTY[name]}")
    if rest.startswith("[") and name != "ONBUILD":
        return _behind_list(name, rest) or (_no_list(name, rest) if name in _MAY_BE_LISTS else None)
    if name in _PAIRS:
        return _not_pair(name, rest, escape)
    if name == "USER" and any(map(is_invisible, rest)):
        plain = "".join(letter for letter in rest if not is_invisible(letter))
        return InputError(f"no user is called {rest!r}", fix=f"USER {plain}")
    before = ""
    if "#" not in rest:
        pass
    elif name in _ONE_TEXT:
        before = match[1] if (match := _COMMENT.match(rest)) else ""
    elif name in _LISTS or (name == "HEALTHCHECK" and re.match(r"NONE\s", rest, re.IGNORECASE)):
        before = _before_comment(plain_words(rest))
    if before:
        return _comment(name, before)
    return _REFUSED[name](rest) if name in _REFUSED else None


def comment_in_from(parts: Sequence[str]) -> InputError:
    """The error for the words of a `FROM` with a comment behind it."""
    return _comment("FROM", _before_comment(parts))


def _before_comment(parts: Sequence[str]) -> str:
    """The words before a comment; empty if there is none."""
    place = next((at for at, word in enumerate(parts) if at and word[0] == "#"), 0)
    return " ".join(parts[:place])


def _comment(name: str, before: str) -> InputError:
    return InputError(
        f"{name} takes the comment behind it as part of what it says: {_WHY}",
        fix=f"{name} {before}",
    )


def _behind_list(name: str, rest: str) -> InputError | None:
    """Text behind a list, which engine 20.10 drops, and which makes a shell command elsewhere."""
    listed = json_list(rest)
    if listed is None or not rest[listed[1] :].strip():
        return None
    return InputError(
        f"{name} has {rest[listed[1] :].strip()!r} behind its list, so that not all builders "
        f"take it for one; {_WHY}",
        fix=f"{name} {rest[: listed[1]]}",
    )


def _no_list(name: str, rest: str) -> InputError | None:
    """What looks like a list and is none: builders then take it for words, or for a command."""
    if json_list(rest) is not None or not re.match(_MEANT_AS_LIST, rest):
        return None
    meant = rest.replace("'", '"')
    for text in (meant, meant + "]", re.sub('"[ \t]+"', '", "', meant)):
        if (listed := json_list(text)) and listed[1] == len(text):
            return InputError(f"{name} {rest} is no list of JSON", fix=f"{name} {text}")
    return InputError(f"{name} {rest} is no list of JSON", fix=f'{name} ["WORD", "WORD"]')


def _health_check(rest: str) -> InputError | None:
    kind, *command = rest.split(maxsplit=1)[:2] or [""]
    match kind.upper(), command:
        case "NONE", []:
            return None
        case "NONE", _:
            return InputError("HEALTHCHECK NONE takes no words", fix="HEALTHCHECK NONE")
        case "CMD", [text]:
            return _no_list("HEALTHCHECK CMD", text) if text[0] == "[" else None
        case "CMD", []:
            return InputError("HEALTHCHECK CMD has no command", fix="HEALTHCHECK CMD COMMAND")
    what = f"HEALTHCHECK takes CMD or NONE, not {kind or 'nothing'}"
    return InputError(what, fix=f"HEALTHCHECK CMD {rest or 'COMMAND'}")


def _port(rest: str) -> InputError | None:
    wrong = [
        word
        for word in plain_words(rest)
        if not _REPLACED & set(word) and not re.match(_PORT, word)
    ]
    if not wrong:
        return None
    what = f"EXPOSE has {wrong[0]}, which is no port"
    return InputError(what, fix="EXPOSE 8080  # or 8080/udp, or 8080-8090")


def _shell(rest: str) -> InputError:
    found = plain_words(rest)
    listed = ", ".join(f'"{word}"' for word in (*found, *(() if "-c" in found else ("-c",))))
    return InputError("SHELL takes a list of JSON", fix=f"SHELL [{listed}]")


def _signal(rest: str) -> InputError | None:
    if _REPLACED & set(rest) or re.match(_SIGNAL, rest):
        return None
    names = [f"SIG{name}" for name in _SIGNALS.split("|")]
    meant = nearest(rest.upper(), names)
    return InputError(
        f"{rest} is no signal{did_you_mean(rest.upper(), names)}",
        fix=f"STOPSIGNAL {meant or 'SIGTERM'}",
    )


_REFUSED = {"EXPOSE": _port, "HEALTHCHECK": _health_check, "SHELL": _shell, "STOPSIGNAL": _signal}


def _not_pair(name: str, rest: str, escape: str) -> InputError | None:
    """A word without `=` behind one with it, where all builders stop."""
    found = words(rest, escape)
    if len(found) == 1 and "=" not in found[0]:
        return InputError(f"{name} {rest} has no value", fix=f"{name} {rest}=VALUE")
    if not found or "=" not in found[0]:
        return None  # the old form, NAME TEXT, in which # is part of the text
    place = next((at for at, word in enumerate(found) if "=" not in word), 0)
    commented = next((at for at, word in enumerate(found) if at and word[0] == "#"), 0)
    if commented and (not place or commented <= place):
        return _comment(name, " ".join(found[:commented]))
    if not place:
        return None
    key, _, value = found[place - 1].partition("=")
    *before, _ = found[:place]
    return InputError(
        f"{name} has {found[place]}, which is no NAME=VALUE",
        fix=" ".join([name, *before, f'{key}="{value} {found[place]}"']),
    )
