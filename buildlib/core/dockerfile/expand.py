r"""Variables and quotes of one Dockerfile word: `$X`, `${X:-word}`, `"..."`, `\x`.

This is the small shell of Dockerfiles (https://docs.docker.com/reference/dockerfile/, "Environment
replacement") as engine 20.10's own frontend has it. Forms of later frontends (`${X-word}`,
`${X#prefix}`) are errors with the form to write instead: a guess could give a wrong base image or
source. The module knows no instructions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildlib.errors import InputError

_SPECIAL = re.compile(r"[$'\"\\`]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_VARIABLE = re.compile(r"\$(?:\{)?([A-Za-z_][A-Za-z0-9_]*)")


def variables(word: str) -> tuple[str, ...]:
    """The names of the variables in a word, in order."""
    return tuple(_VARIABLE.findall(word)) if "$" in word else ()


def expand(
    word: str,
    env: Mapping[str, str],
    escape: str = "\\",
    unset: list[str] | None = None,
) -> str:
    """The word with variables replaced and quotes removed.

    Args:
        unset: Gets the names without value and default; they expand to nothing.
    """
    if _SPECIAL.search(word) is None:
        return word
    return _WordReader(word, env, escape, unset).read("")


class _WordReader:
    """Reads a word from left to right; `at` is the next character."""

    __slots__ = ("at", "env", "escape", "unset", "word")

    def __init__(
        self,
        word: str,
        env: Mapping[str, str],
        escape: str,
        unset: list[str] | None,
    ) -> None:
        self.word = word
        self.env = env
        self.escape = escape
        self.unset = unset
        self.at = 0

    def read(self, stop: str) -> str:
        """Everything up to the character `stop`, or to the end if that is empty.

        Up to a double quote, a single one is plain, and so is an escape before most characters.
        """
        out: list[str] = []
        quoted = stop == '"'
        while self.at < len(self.word):
            character = self.take()
            if character == stop:
                return "".join(out)
            if character == "$":
                character = self.dollar()
            elif character == self.escape:
                if not quoted or self.word[self.at : self.at + 1] in ('"', "$", self.escape):
                    character = self.take()
            elif character == "'" and not quoted:
                character = self.single_quoted()
            elif character == '"':
                character = self.read('"')
            out.append(character)
        if stop:
            raise self.error(f"has no closing {stop}", f"close it with {stop}")
        return "".join(out)

    def take(self) -> str:
        """The next character; empty at the end."""
        self.at += 1
        return self.word[self.at - 1 : self.at]

    def single_quoted(self) -> str:
        text, end, rest = self.word[self.at :].partition("'")
        if not end:
            raise self.error("has no closing '", "close it with '")
        self.at = len(self.word) - len(rest)
        return text

    def dollar(self) -> str:
        """The value of the substitution whose `$` was read."""
        braces = self.word[self.at : self.at + 1] == "{"
        self.at += braces
        match = _NAME.match(self.word, self.at)
        if match is None:
            if braces:
                raise self.error("has a substitution without a name", "write ${NAME}")
            return "$"
        name = match.group()
        self.at = match.end()
        if not braces:
            return self.value(name)
        operator = self.take()
        if operator == "}":
            return self.value(name)
        if not operator:
            raise self.error("has no closing }", f"write ${{{name}}}")
        if operator == "?":
            return self.required(name, "is not set", empty=True)
        modifier = self.take()
        if operator != ":" or modifier not in ("-", "+", "?"):
            raise self.error(
                f"has a substitution that engine 20.10 does not know (${{{name}{operator}...}})",
                f"write ${{{name}}}, ${{{name}:-default}} or ${{{name}:+value}}",
            )
        if modifier == "?":
            return self.required(name, "is not set or empty", empty=False)
        alternative = self.read("}")
        value = self.env.get(name, "")
        return (value or alternative) if modifier == "-" else (alternative if value else "")

    def required(self, name: str, problem: str, *, empty: bool) -> str:
        """The value of `${NAME?message}`; an error if it is not set."""
        message = self.read("}") or problem
        value = self.env.get(name)
        if value or (empty and value is not None):
            return value
        raise self.error(f"needs ${name}: {message}", f"ARG {name}=...")

    def value(self, name: str) -> str:
        value = self.env.get(name)
        if value is None:
            if self.unset is not None:
                self.unset.append(name)
            return ""
        return value

    def error(self, problem: str, fix: str) -> InputError:
        return InputError(f"{self.word} {problem}", fix=fix)
