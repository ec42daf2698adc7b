"""The subset of Python that `BUILD.py` and `defs.py` may use, checked before anything runs.

A declaration depends on the tree alone: it has no I/O, environment, clock or network, and no order
that differs from run to run (sets, `hash`, `id`). The subset has data, loops, comprehensions and,
in `defs.py`, functions: the idea of Starlark, in files that editors, ruff and mypy read as Python.
"""

from __future__ import annotations

import ast
from types import CodeType

from buildlib.core.dsl.deterministic import guard
from buildlib.errors import InputError, Location

RULES_MODULE = "buildlib.rules"

SAFE_BUILTINS = [
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "enumerate",
    "filter",
    "float",
    "int",
    "isinstance",
    "len",
    "list",
    "map",
    "max",
    "min",
    "range",
    "reversed",
    "round",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
    "True",
    "False",
    "None",
    "ValueError",
]

ANNOTATION_MODULES = {
    "__future__": ("annotations",),
    "typing": ("Any", "Final", "Literal"),
    "collections.abc": ("Iterable", "Mapping", "Sequence"),
}
"""Imports for annotations of macros; they have no effect on the graph."""

_ALLOWED = (
    ast.Module, ast.Expr, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Subscript,
    ast.Slice, ast.Call, ast.keyword, ast.Starred, ast.List, ast.Tuple, ast.Dict, ast.Assign,
    ast.AnnAssign, ast.AugAssign, ast.For, ast.If, ast.IfExp, ast.Compare, ast.BoolOp, ast.BinOp,
    ast.UnaryOp, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.ListComp, ast.DictComp,
    ast.GeneratorExp, ast.comprehension, ast.JoinedStr, ast.FormattedValue, ast.ImportFrom,
    ast.alias, ast.Pass, ast.Continue, ast.Break,
)  # fmt: skip
_ALLOWED_IN_DEFS = (ast.FunctionDef, ast.arguments, ast.arg, ast.Return)

_HINTS = {
    "Import": "from buildlib.rules import docker_image",
    "Set": "write a list: the order of a set is not the same in every run",
    "SetComp": "write a list: the order of a set is not the same in every run",
    "While": "write a for loop over a list",
    "FunctionDef": "move the function to a defs.py and import it",
    "Lambda": "move a function to a defs.py and import it",
    "With": "declare the file in srcs; a BUILD.py opens nothing",
    "Try": "leave it out; a BUILD.py has nothing that could fail",
}


def check(source: str, file: str) -> ast.Module:
    """Parse a `BUILD.py` or `defs.py` and refuse what is not in the subset.

    Only a `defs.py` may have functions.
    """
    try:
        module = ast.parse(source, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _no_python(error, source, file) from None
    allowed = _ALLOWED + _ALLOWED_IN_DEFS if is_defs(file) else _ALLOWED
    for node in ast.walk(module):
        if not isinstance(node, allowed):
            _refuse_node(node, file)
        if isinstance(node, ast.ImportFrom):
            _check_import(node, file)
        elif isinstance(node, ast.Name):
            _check_name(node.id, node, file)
        elif isinstance(node, ast.Attribute):
            _check_attribute(node, file)
        elif isinstance(node, ast.FunctionDef):
            _check_name(node.name, node, file)
        elif isinstance(node, ast.arg):
            _check_name(node.arg, node, file)
    return module


def compile_file(source: str, file: str) -> CodeType:
    """Check a `BUILD.py` or `defs.py`, guard it (`deterministic.guard`) and compile it."""
    module = check(source, file)
    try:
        return compile(guard(module), file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _no_python(error, source, file) from None


def _no_python(error: Exception, source: str, file: str) -> InputError:
    line = error.lineno or 1 if isinstance(error, SyntaxError) else 1
    text = "".join(source.splitlines()[line - 1 : line]).strip()
    what = error.msg if isinstance(error, SyntaxError) else str(error) or "it is nested too deeply"
    return InputError(
        f"not valid Python: {what}",
        where=Location(file, line),
        fix=f"correct the line: {text[:80]}",
    )


def is_defs(file: str) -> bool:
    """Whether a path is a file of macros."""
    return file == "defs.py" or file.endswith("/defs.py")


def _line(node: ast.AST, file: str) -> Location:
    return Location(file, getattr(node, "lineno", 1))


def _refuse_node(node: ast.AST, file: str) -> None:
    name = type(node).__name__
    kind = "a defs.py" if is_defs(file) else "a BUILD.py"
    words = {"Import": "'import x'", "FunctionDef": "a function", "ClassDef": "a class"}
    raise InputError(
        f"{words.get(name, name)} is not part of what {kind} may say",
        where=_line(node, file),
        fix=_HINTS.get(name, "docs/build-files.md lists what is allowed"),
    )


def _check_import(node: ast.ImportFrom, file: str) -> None:
    module = node.module or ""
    if node.level:
        raise InputError(
            "relative imports are not allowed",
            where=_line(node, file),
            fix="from images.defs import kernel_image",
        )
    if module in ANNOTATION_MODULES:
        for alias in node.names:
            _check_name(alias.asname or "", node, file)
            if alias.name not in ANNOTATION_MODULES[module]:
                raise InputError(
                    f"{alias.name} cannot be imported from {module}",
                    where=_line(node, file),
                    fix="leave it out",
                )
        return
    if module != RULES_MODULE and not module.endswith(".defs") and module != "defs":
        raise InputError(
            f"{module} cannot be imported: only {RULES_MODULE} and the workspace's defs.py files",
            where=_line(node, file),
            fix=f"from {RULES_MODULE} import …, or from images.defs import …",
        )
    for alias in node.names:
        _check_name(alias.name, node, file)
        _check_name(alias.asname or "", node, file)
        if alias.name == "*":
            raise InputError(
                "import the names that are used, not *",
                where=_line(node, file),
                fix=f"from {module} import docker_image",
            )


_FORBIDDEN = {
    "open": "declare the file in srcs; a BUILD.py opens nothing",
    "print": "leave it out; `./doitw list` shows what is declared",
    "set": "use a list: the order of a set is not the same in every run",
    "frozenset": "use a tuple: the order of a set is not the same in every run",
    "hash": "leave it out: it is not the same in every run",
    "id": "leave it out: it is not the same in every run",
}


def _check_name(name: str, node: ast.AST, file: str) -> None:
    if name in _FORBIDDEN or name in ("eval", "exec", "compile", "getattr", "setattr", "vars"):
        raise InputError(
            f"{name} is not part of what a declaration may use",
            where=_line(node, file),
            fix=_FORBIDDEN.get(name, "write the value itself"),
        )
    if name.startswith("__"):
        raise InputError(
            f"{name} is not part of what a declaration may use",
            where=_line(node, file),
            fix="write the value itself",
        )


_METHODS = frozenset(
    name for kind in (str, bytes, list, tuple, dict, int) for name in dir(kind) if name[0] != "_"
) - {"format", "format_map"}
"""Methods of data types. Frames, code and types also have attributes without underscores."""


def _check_attribute(node: ast.Attribute, file: str) -> None:
    if node.attr not in _METHODS:
        raise InputError(
            f".{node.attr} is not part of what a declaration may use",
            where=_line(node, file),
            fix="use an f-string" if node.attr.startswith("format") else "write the value itself",
        )
    if not isinstance(node.ctx, ast.Load):
        raise InputError(
            f".{node.attr} cannot be set: a declaration changes nothing outside of it",
            where=_line(node, file),
            fix="give the value a name of its own",
        )
