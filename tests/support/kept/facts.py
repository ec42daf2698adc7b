"""What one Python source says of other files: imports, names of modules, paths of the repository.

Nothing is run and no other file is read. A path is told where the source says it from `__file__`
on with constants (`Path(__file__).parents[2] / "docs"`); where it ends at the root of the
repository, or cannot be followed, it is the whole of it.
"""

from __future__ import annotations

import ast
import contextlib
import marshal
import os
import re
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

ALL = "."
"""The path of the repository itself: all of its files."""

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\.?")
_SELF = "__file__"


class Facts(NamedTuple):
    """What a source says.

    Args:
        imports: Dotted names, those of relative imports made absolute.
        told: Texts of such a form; a final dot stands for all modules of a package.
        paths: Files and folders, from the root of the repository. A module of tests that hands on
            the root says in `FROM_ROOT` what is taken of it there.
        roots: Names of the module that other modules may import, and the path of each.
        taken: What it takes from other modules by name: (module, name).
        words: Constants that may name an image.
        places: Modules that it asks where they lie; `?` where it does not say which.
    """

    imports: tuple[str, ...]
    told: tuple[str, ...]
    paths: tuple[str, ...]
    roots: dict[str, str]
    taken: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    places: tuple[str, ...]


def read_facts(path: str, text: str, roots: dict[str, str]) -> Facts:
    """Read a source.

    Args:
        path: Where it lies, from the root of the repository.
        text: The source.
        roots: Names it imports that stand for a path in the module they come from; with a dot
            before them, such names of modules that it imports.
    """
    tree = ast.parse(text)
    _drop_types(tree)
    imports: set[str] = set()
    told: set[str] = set()
    taken: set[tuple[str, str]] = set()
    words: set[str] = set()
    places: set[str] = set()
    plain: dict[str, str] = {}
    folder = path.rpartition("/")[0].split("/")
    documented = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
            plain |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and node.attr in (_SELF, "__path__"):
            places.add(ast.unparse(node.value))
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            imports |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            taken |= {(module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in documented:
                continue
            if "." in node.value and _MODULE.fullmatch(node.value):
                told.add(node.value)  # monkeypatch.setattr("buildlib.x.y", …), f"buildlib.x.{y}"
            words |= set(re.findall(r"[a-z][a-z0-9-]*", node.value))
        elif isinstance(node, ast.Call) and _named(node.func) in ("import_module", "importorskip"):
            imports |= {
                word.value
                for word in node.args
                if isinstance(word, ast.Constant) and isinstance(word.value, str)
            }
    paths = _Paths(path, roots)
    paths.visit(tree)
    if paths.from_root:
        paths.used = paths.used - {ALL} | set(paths.from_root)
    return Facts(
        tuple(sorted(imports)),
        tuple(sorted(told)),
        tuple(sorted(paths.used)),
        {name: at for name, at in paths.names.items() if not name.startswith(".")},
        tuple(sorted(taken)),
        tuple(sorted(words)),
        tuple(sorted(plain.get(place, "?") for place in places)),
    )


EVERYTHING = Facts((), (), (ALL,), {}, (), (), ())
"""What is told by a source that cannot be read."""


class Remembered:
    """Reads sources, and remembers what they say in a file; a change of this module empties it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._own = sha256(Path(__file__).read_bytes()).hexdigest()
        self._old: dict[str, tuple[Any, ...]] = {}
        self._new: dict[str, tuple[Any, ...]] = {}
        with contextlib.suppress(OSError, ValueError, EOFError, TypeError, LookupError):
            self._old = marshal.loads(Path(path).read_bytes())[self._own]

    def __call__(self, path: str, text: str, roots: dict[str, str]) -> Facts:
        """See `read_facts`."""
        name = sha256(repr((path, text, sorted(roots.items()))).encode()).hexdigest()
        told = self._old.get(name) or self._new.get(name)
        if told is None:
            try:
                told = tuple(read_facts(path, text, roots))
            except (SyntaxError, ValueError, RecursionError):
                told = tuple(EVERYTHING)
        self._new[name] = told
        return Facts(*told)

    def save(self) -> None:
        """Remember what was read; what no source says any more goes."""
        if self._new.keys() != self._old.keys():
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            part = Path(f"{self._path}.{os.getpid()}")
            part.write_bytes(marshal.dumps({self._own: self._new}))
            part.replace(self._path)


def _drop_types(tree: ast.Module) -> None:
    """What only a type checker imports decides no result."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                one
                for one in body
                if not (isinstance(one, ast.If) and _named(one.test) == "TYPE_CHECKING")
            ]


def _docstrings(tree: ast.Module) -> set[int]:
    """Texts that stand for themselves."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _named(node: ast.expr) -> str:
    """The last word of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _Paths(ast.NodeVisitor):
    """Finds the longest paths that can be followed from `__file__` on."""

    def __init__(self, path: str, roots: dict[str, str]) -> None:
        self.used: set[str] = set()
        self.from_root: tuple[str, ...] = ()
        self.names = dict(roots)
        self._path = path
        self._functions = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def visit_Assign(self, node: ast.Assign) -> None:
        """A module's own name for a path; the root is no use by itself."""
        found = self._follow(node.value)
        first = node.targets[0]
        if isinstance(first, ast.Name) and first.id == "FROM_ROOT":
            self.from_root = ast.literal_eval(node.value)
        if found is None or self._functions or not isinstance(first, ast.Name):
            self.generic_visit(node)
            return
        self.names[first.id] = found
        if found != ALL:
            self.used.add(found)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name) and node.id == _SELF:
            # In a way that is not followed. What is no test takes what lies beside it.
            self.used.add(ALL if self._path.startswith("tests/") else self._path.split("/")[0])
            return
        if isinstance(node, ast.expr):
            found = self._follow(node)
            if found is not None:
                self.used.add(found)
                return
        super().generic_visit(node)

    def _follow(self, node: ast.expr) -> str | None:
        """The path that an expression stands for; None where it is none."""
        found = None
        match node:
            case ast.Name(id=name):
                found = self.names.get(name)
            case ast.Call(func=called, args=args):
                found = self._called(called, args)
            case ast.Attribute(value=inner, attr="parent"):
                found = self._up(self._follow(inner), 1)
            case ast.Attribute(value=ast.Name(), attr=name):
                found = self.names.get(f".{name}")
            case ast.Subscript(
                value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(n))
            ):
                found = self._up(self._follow(inner), n + 1)
            case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=str(more))):
                found = _join(self._follow(left), more)
            case ast.JoinedStr(values=[ast.FormattedValue(value=inner), *rest]):
                found = self._follow(inner)
                match rest:
                    case [ast.Constant(value=str(more)), *unknown] if more.startswith("/"):
                        known = more[1:].rpartition("/")[0] if unknown else more[1:]
                        found = _join(found, known or ALL)
        return found

    def _called(self, called: ast.expr, args: list[ast.expr]) -> str | None:
        match called, args:
            case ast.Name(id="Path" | "PurePath"), [ast.Name(id="__file__")]:
                return self._path
            case ast.Name(id="str" | "Path"), [inner]:
                return self._follow(inner)
            case ast.Attribute(value=inner, attr="resolve" | "absolute"), []:
                return self._follow(inner)
            case ast.Attribute(value=inner, attr="with_name"), [ast.Constant(value=str(name))]:
                return _join(self._up(self._follow(inner), 1), name)
        return None

    def _up(self, path: str | None, steps: int) -> str | None:
        if path is None:
            return None
        parents = PurePosixPath(path).parents
        return str(parents[steps - 1]) if steps <= len(parents) else ALL


def _join(path: str | None, more: str) -> str | None:
    return None if path is None else str(PurePosixPath(path) / more)
