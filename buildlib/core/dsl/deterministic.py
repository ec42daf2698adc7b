"""Refuses values that differ from run to run, at the line of the declaration that makes them.

Two things of the checked subset would differ between runs: the text of an object (it holds an
address) and the order of a set (it follows hashes). The source does not show them, so the
operations that could make one are wrapped: formatting values as text, and the operators that make
sets of the keys of dicts.
"""

from __future__ import annotations

import ast
from typing import Any

GUARD = "__steady__"
"""The name of `steady` inside a declaration, which cannot be written there."""
_ADDRESS = " at 0x"
_MAKES_SETS_OR_TEXTS = (ast.Mod, ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)


def steady(value: Any) -> Any:
    """Return the value, or raise a ValueError for a set or a text with an address in it."""
    if isinstance(value, (set, frozenset)):
        raise ValueError("the order of a set is not the same in every run: use [x for x in ...]")  # noqa: TRY004
    if (isinstance(value, str) and _ADDRESS in value) or (
        isinstance(value, bytes) and _ADDRESS.encode() in value
    ):
        raise ValueError("a text made of a function is not the same in every run")
    return value


class _TextType(type):
    """Makes `str(x)` refuse what `steady` refuses; otherwise it is like `str`."""

    def __call__(cls, *args: Any, **more: Any) -> Any:
        return steady(str(*args, **more))

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, str)

    def __getattr__(cls, name: str) -> Any:
        return getattr(str, name)


class Text(metaclass=_TextType):
    """The `str` of declarations."""


def guard(module: ast.Module) -> ast.Module:
    """Wrap the operations that could make such a value, in place."""
    ast.fix_missing_locations(_Guard().visit(module))
    return module


def _wrapped(node: ast.expr) -> ast.expr:
    name = ast.Name(GUARD, ast.Load())
    return ast.copy_location(ast.Call(ast.copy_location(name, node), [node], []), node)


class _Guard(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return _wrapped(node) if isinstance(node.op, _MAKES_SETS_OR_TEXTS) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        self.generic_visit(node)
        if not isinstance(node.op, _MAKES_SETS_OR_TEXTS):
            return [node]
        shown = ast.parse(ast.unparse(node.target), mode="eval").body
        check = ast.copy_location(ast.Expr(_wrapped(shown)), node)
        for inner in ast.walk(check):
            ast.copy_location(inner, node)
        return [node, check]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self._visit_pieces(node)
        return _wrapped(node)

    def _visit_pieces(self, node: ast.JoinedStr) -> None:
        """Visit the values of an f-string and of its formats, which must stay f-strings."""
        for piece in node.values:
            if isinstance(piece, ast.FormattedValue):
                piece.value = self.visit(piece.value)
                if isinstance(piece.format_spec, ast.JoinedStr):
                    self._visit_pieces(piece.format_spec)
