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

DEFS = "defs.py"
"""The name of a file of macros."""

SAFE_BUILTINS = (
    "abs", "all", "any", "bool", "dict", "enumerate", "filter", "float", "int", "isinstance", "len",
    "list", "map", "max", "min", "range", "reversed", "round", "sorted", "str", "sum", "tuple",
    "zip", "ValueError",
)  # fmt: skip

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
_ALLOWED_IN_DEFS = (*_ALLOWED, ast.FunctionDef, ast.arguments, ast.arg, ast.Return)

_NO_SET = "use a list: the order of a set is not the same in every run"
_NOT_THE_SAME = "leave it out: it is not the same in every run"
_VALUE = "write the value itself"
_HINTS = {
    "Import": "from buildlib.rules import docker_image",
    "Set": _NO_SET,
    "SetComp": _NO_SET,
    "While": "write a for loop over a list",
    "FunctionDef": "move the function to a defs.py and import it",
    "Lambda": "move a function to a defs.py and import it",
    "With": "declare the file in srcs; a BUILD.py opens nothing",
    "Try": "leave it out; a BUILD.py has nothing that could fail",
}
"""What to do instead of a kind of syntax."""
_FORBIDDEN = {
    "open": "declare the file in srcs; a BUILD.py opens nothing",
    "print": "leave it out; `./doitw list` shows what is declared",
    "set": _NO_SET,
    "frozenset": _NO_SET,
    "hash": _NOT_THE_SAME,
    "id": _NOT_THE_SAME,
    **dict.fromkeys(("eval", "exec", "compile", "getattr", "setattr", "vars"), _VALUE),
}
"""Names that no declaration may use -> what to do instead."""
_METHODS = frozenset(
    name for kind in (str, bytes, list, tuple, dict, int) for name in dir(kind) if name[0] != "_"
) - {"format", "format_map"}
"""Methods of data types. Frames, code and types also have attributes without underscores."""

_Problem = tuple[str, str] | None
"""What is wrong with a node, and the fix."""


def check(source: str, file: str) -> ast.Module:
    """Parse a `BUILD.py` or `defs.py` and refuse what is not in the subset.

    Only a `defs.py` may have functions.
    """
    try:
        module = ast.parse(source, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _no_python(error, source, file) from None
    in_defs = file.rpartition("/")[2] == DEFS
    for node in ast.walk(module):
        problem = _syntax_problem(node, in_defs=in_defs) or _problem(node)
        if problem:
            where = Location(file, getattr(node, "lineno", 1))
            raise InputError(problem[0], where=where, fix=problem[1])
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


def _syntax_problem(node: ast.AST, *, in_defs: bool) -> _Problem:
    if isinstance(node, _ALLOWED_IN_DEFS if in_defs else _ALLOWED):
        return None
    kind = type(node).__name__
    shown = {"FunctionDef": "a function", "ClassDef": "a class"}.get(kind, kind)
    if isinstance(node, ast.Import):
        shown = f"'{ast.unparse(node)}'"
    what = f"{shown} is not part of what {'a defs.py' if in_defs else 'a BUILD.py'} may say"
    return what, _HINTS.get(kind, "docs/build-files.md lists what is allowed")


def _problem(node: ast.AST) -> _Problem:
    match node:
        case ast.ImportFrom():
            return _import_problem(node)
        case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
            return _name_problem(name)
        case ast.Attribute(attr=name) if name not in _METHODS:
            fix = "use an f-string" if name.startswith("format") else _VALUE
            return f".{name} is not part of what a declaration may use", fix
        case ast.Attribute(attr=name, ctx=ast.Store()):
            what = f".{name} cannot be set: a declaration changes nothing outside of it"
            return what, "give the value a name of its own"
    return None


def _import_problem(node: ast.ImportFrom) -> _Problem:
    module = node.module or ""
    if node.level:
        return "relative imports are not allowed", "from images.defs import kernel_image"
    annotations = ANNOTATION_MODULES.get(module)
    if annotations is None and module != RULES_MODULE and f".{module}".rpartition(".")[2] != "defs":
        return (
            f"{module} cannot be imported: only {RULES_MODULE} and the workspace's defs.py files",
            f"from {RULES_MODULE} import …, or from images.defs import …",
        )
    for alias in node.names:
        if annotations is not None and alias.name not in annotations:
            return f"{alias.name} cannot be imported from {module}", "leave it out"
        if alias.name == "*":
            what = "import the names that are used, not *"
            return what, f"from {module} import docker_image"
        names = (alias.name if annotations is None else "", alias.asname or "")
        problem = next(filter(None, map(_name_problem, names)), None)
        if problem:
            return problem
    return None


def _name_problem(name: str) -> _Problem:
    if name not in _FORBIDDEN and not name.startswith("__"):
        return None
    what = f"{name} is not part of what a declaration may use"
    return what, _FORBIDDEN.get(name, _VALUE)
