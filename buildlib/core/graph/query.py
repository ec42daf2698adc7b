"""Questions about the graph, in the syntax of Bazel's query language.

    rdeps(//launchers:kernel_image_files) ^ kind(docker_image, //images/...)

A word is anything that a person may type for targets: a label, a pattern, a task name. Operators
are `+ ^ -` (or `union intersect except`), from left to right and with equal rank, as in Bazel.
Edges are those of `core.graph.paths`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, NoReturn

from buildlib.core.graph.graph import Graph
from buildlib.core.graph.paths import Paths
from buildlib.core.model.label import Label
from buildlib.core.model.target import Target
from buildlib.errors import InputError
from buildlib.suggest import did_you_mean, nearest

Labels = dict[Label, None]
"""A set of labels that keeps its order."""
_TOKEN = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([-+^(),=])|([^\s"'(),+^=]+)|(\S))""")
_OPERATORS = {
    "+": "+", "union": "+", "^": "^", "intersect": "^", "-": "-", "except": "-",
}  # fmt: skip
_ALL = "//..."
EXAMPLE = "./doitw query 'rdeps(//images/bases/os) ^ kind(docker_image, //...)'"
"""The `fix` of errors that have no better one."""


class _Token(NamedTuple):
    """A token of an expression; `is_word` if it can be a target, a pattern or a number."""

    text: str
    start: int
    is_word: bool


_END = "the end"


def query(graph: Graph, expression: str, resolve: Callable[[str], Iterable[Label]]) -> list[Label]:
    """The targets that an expression stands for.

    Args:
        resolve: The targets that one word names.

    Returns:
        Dependencies first; a path in its own order; unions one after the other.
    """
    return list(_Parser(graph, expression, resolve).all())


class _Parser:
    """Parses an expression, and evaluates it while parsing."""

    def __init__(self, graph: Graph, text: str, resolve: Callable[[str], Iterable[Label]]) -> None:
        self._graph = graph
        self._paths = Paths(graph)
        self._resolve = resolve
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._named: dict[str, Labels] = {}
        self._functions: Mapping[str, Callable[[], Labels]] = {
            "allpaths": self._all_paths,
            "attr": self._attr,
            "deps": self._deps,
            "filter": self._filter,
            "kind": self._kind,
            "rdeps": self._rdeps,
            "set": self._set,
            "somepath": self._some_path,
        }

    # -- grammar -----------------------------------------------------------------------------

    def all(self) -> Labels:
        labels = self._expression()
        if self._now.text != _END:
            self._fail(f"{self._now.text!r} is not expected here")
        return labels

    def _expression(self) -> Labels:
        labels = self._term()
        while operator := _OPERATORS.get(self._now.text):
            self._at += 1
            other = self._term()
            if operator == "+":
                labels = labels | other
            else:
                labels = {x: None for x in labels if (x in other) == (operator == "^")}
        return labels

    def _term(self) -> Labels:
        token = self._now
        if token.text == "(" and not token.is_word:
            self._at += 1
            labels = self._expression()
            self._expect(")")
            return labels
        if not token.is_word:
            self._fail(f"a target or a function is expected, not {token.text}")
        self._at += 1
        if token.text == "let":
            return self._let()
        if self._now.text == "(" and not self._now.is_word:
            return self._function(token)
        if token.text.startswith("$"):
            if token.text[1:] not in self._named:
                self._fail(f"{token.text} was not given a value", token)
            return self._named[token.text[1:]]
        return dict.fromkeys(self._resolve(token.text))

    def _let(self) -> Labels:
        """`let NAME = EXPRESSION in EXPRESSION`."""
        name = self._word("a name")
        self._expect("=")
        value = self._expression()
        self._expect("in")
        before, self._named = self._named, {**self._named, name: value}
        labels = self._expression()
        self._named = before
        return labels

    def _function(self, name: _Token) -> Labels:
        function = self._functions.get(name.text)
        if function is None:
            known = list(self._functions)
            what = f"there is no function {name.text}{did_you_mean(name.text, known)}"
            meant, end = nearest(name.text, known), name.start + len(name.text)
            mended = f"{self._text[: name.start]}{meant}{self._text[end:]}"
            self._fail(what, name, fix=_typed(mended) if meant else f"one of {', '.join(known)}")
        self._expect("(")
        labels = function()
        self._expect(")")
        return labels

    # -- functions: the words between their parentheses ----------------------------------------

    def _deps(self) -> Labels:
        return self._ordered(self._paths.below(self._expression(), self._depth()))

    def _rdeps(self) -> Labels:
        """`rdeps(of, depth)`, or Bazel's form with the universe in front."""
        first = self._expression()
        if self._now.text != "," or self._tokens[self._at + 1].text.isdigit():
            universe, targets = dict.fromkeys(self._resolve(_ALL)), first
        else:
            self._expect(",")
            universe, targets = first, self._expression()
        return self._ordered(self._paths.above(universe, targets, self._depth()))

    def _some_path(self) -> Labels:
        start = self._expression()
        self._expect(",")
        return dict.fromkeys(self._paths.shortest(start, self._expression()))

    def _all_paths(self) -> Labels:
        start = self._expression()
        self._expect(",")
        return self._ordered(self._paths.above(start, self._expression()))

    def _kind(self) -> Labels:
        return self._matching(lambda target: target.rule.kind)

    def _filter(self) -> Labels:
        return self._matching(lambda target: str(target.label))

    def _attr(self) -> Labels:
        name = self._word("the name of an attribute")
        self._expect(",")
        return self._matching(lambda target: attribute(target, name))

    def _set(self) -> Labels:
        labels: Labels = {}
        while self._now.is_word:
            labels.update(dict.fromkeys(self._resolve(self._word("a target"))))
        return labels

    def _matching(self, value: Callable[[Target], str | None]) -> Labels:
        """Parse `PATTERN, EXPRESSION`: the targets with a value that matches the pattern."""
        token = self._now
        try:
            pattern = re.compile(self._word("a pattern"))
        except re.error as error:
            self._fail(f"{token.text!r} is no regular expression: {error}", token)
        self._expect(",")
        values = {label: value(self._graph[label]) for label in self._expression()}
        return {x: None for x, text in values.items() if text is not None and pattern.search(text)}

    def _depth(self) -> int | None:
        """Parse an optional `, NUMBER`."""
        if self._now.text != ",":
            return None
        self._expect(",")
        token = self._now
        if not token.text.isdigit():
            self._fail(f"a number is expected, not {token.text}")
        self._at += 1
        return int(token.text)

    def _ordered(self, labels: set[Label]) -> Labels:
        return {label: None for label in self._graph.order if label in labels}

    # -- tokens ----------------------------------------------------------------------------------

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _word(self, what: str) -> str:
        token = self._now
        if not token.is_word:
            self._fail(f"{what} is expected, not {token.text}")
        self._at += 1
        return token.text

    def _expect(self, text: str) -> None:
        if self._now.text != text:
            is_open = text == ")" and self._now.text == _END
            fix = _typed(f"{self._text.rstrip()})") if is_open else ""
            self._fail(f"{text!r} is expected, not {self._now.text}", fix=fix)
        self._at += 1

    def _fail(self, what: str, token: _Token | None = None, *, fix: str = "") -> NoReturn:
        start = (token or self._now).start
        raise InputError(
            f"the query cannot be read: {what}",
            detail=f"{self._text}\n{' ' * start}^",
            fix=fix or EXAMPLE,
        )


def _typed(expression: str) -> str:
    return f"./doitw query {shlex.quote(expression)}"


def attribute(target: Target, name: str) -> str | None:
    """An attribute of a declaration as `attr` compares it: lists as `[a, b]`, truth as `True`."""
    declared: Mapping[str, object] = {
        **target.attrs,
        "name": target.label.name,
        "doc": target.doc,
        "flavours": target.flavours,
        "internal": target.internal,
        "manual": target.manual,
        "srcs": tuple(file.name for file in target.files),
        "tags": target.tags,
    }
    return _as_text(declared[name]) if name in declared else None


def _as_text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_as_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_as_text(item)}' for key, item in value.items())}}}"
    return str(value)


def _tokens(text: str) -> Iterable[_Token]:
    """The tokens of an expression; the last one marks its end."""
    end = len(text.rstrip())
    at = 0
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:  # cannot happen: text is left before the end
            return
        double, single, symbol, word, other = match.groups()
        start, at = match.start(match.lastindex or 0), match.end()
        if other:
            raise InputError(
                f"the query cannot be read: {other} is not closed",
                detail=f"{text}\n{' ' * start}^",
                fix=f"write another {other} where the word ends",
            )
        quoted = double if double is not None else single
        if quoted is not None:
            yield _Token(quoted, start - 1, True)
        elif symbol:
            yield _Token(symbol, start, False)
        else:
            yield _Token(word, start, word not in _OPERATORS)
    yield _Token(_END, end, False)
