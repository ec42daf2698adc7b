"""From a tree to targets: find the packages, check and run each `BUILD.py`.

`import` inside declarations is our own function: rules come from `buildlib.rules`, macros from
`defs.py` files of the same tree, so the graph of a commit is made with that commit's macros.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

from buildlib.core.dsl import check, declare, registry
from buildlib.core.dsl.arguments import checked_macro, signature
from buildlib.core.dsl.check import ANNOTATION_MODULES, DEFS, RULES_MODULE, SAFE_BUILTINS
from buildlib.core.dsl.declare import BUILD_FILE
from buildlib.core.dsl.deterministic import GUARD, Text, steady
from buildlib.core.model.label import Label
from buildlib.core.model.settings import FILE as SETTINGS
from buildlib.core.model.settings import Settings, refuse_unread
from buildlib.core.model.target import Target
from buildlib.core.model.text_file import decode
from buildlib.core.model.tree import Tree
from buildlib.errors import BuildError, InputError, Location
from buildlib.suggest import did_you_mean, nearest

_SAFE = {name: getattr(builtins, name) for name in SAFE_BUILTINS} | {"str": Text, GUARD: steady}


class Loader:
    """Loads all packages of a tree; `memo` is a cache of compiled files, as in `View`."""

    def __init__(self, tree: Tree, settings: Settings, memo: Any = None) -> None:
        self._tree = tree
        self._settings = settings
        self._memo = memo if memo is not None else {}
        self.unread: dict[str, InputError] = {}
        """The packages that `load` could not read, each with the error."""
        self._macros: dict[str, SimpleNamespace] = {}
        self._loading: list[str] = []

    def load(self) -> dict[Label, Target]:
        """The targets of all packages that can be read, in order of packages and declarations."""
        folders = {
            folder: names
            for folder, names in self._tree.files("")
            if folder != "dist" and not folder.startswith("dist/")
        }
        homes = sorted(folder for folder, names in folders.items() if BUILD_FILE in names)
        contents = _package_files(folders, frozenset(homes))
        targets: dict[Label, Target] = {}
        read: set[str] = set()
        for home in homes:
            try:
                package = self._load_package(home, contents[home])
            except InputError as error:
                self.unread[home] = error
                continue
            read |= package.settings_read
            for target in package.targets.values():
                targets[target.label] = target
        if not self.unread and not read.issuperset(self._settings.family):
            refuse_unread(self._settings, read, self._tree.read(SETTINGS).decode())
        return targets

    def _load_package(self, path: str, names: list[str]) -> declare.Package:
        package = declare.Package(path, self._tree, names, self._settings)
        declare.enter(package)
        try:
            self._run(package.build_file)
        finally:
            declare.enter(None)
        return package

    def _run(self, file: str) -> dict[str, Any]:
        """Run a file; its own exceptions become errors at the file's line."""
        namespace: dict[str, Any] = {
            "__builtins__": {**_SAFE, "__import__": self._import},
            "__name__": file,
        }
        code = self._compile(file)
        try:
            exec(code, namespace)  # noqa: S102 - checked above to be a declaration
        except BuildError as error:
            where, declared = _places(error, file)
            if error.where is None:
                error.where, error.declared = where, declared
            elif not _is_declaration(error.where.file):  # such as requirements
                error.declared = error.declared or declared or where
            raise
        except Exception as error:
            raise self._as_input_error(error, *_places(error, file)) from error
        return namespace

    def _compile(self, file: str) -> CodeType:
        try:
            source = self._tree.read(file)
        except FileNotFoundError:
            raise InputError(
                f"{file} is a link to nothing in the workspace",
                where=Location(file, 0),
                fix=f"write {file} as a file",
            ) from None
        memo_key = ("code", file, source)
        code: CodeType | None = self._memo.get(memo_key)
        if code is None:
            code = self._memo[memo_key] = check.compile_file(decode(source, file), file)
        return code

    def _import(
        self,
        name: str,
        _globals: Any = None,
        _locals: Any = None,
        fromlist: tuple[str, ...] = (),
        _level: int = 0,
    ) -> Any:
        """`from NAME import FROMLIST` inside a declaration, which `check` has passed."""
        if name in ANNOTATION_MODULES:
            return __import__(name, fromlist=fromlist)
        is_rules = name == RULES_MODULE
        known = registry.names() if is_rules else vars(self._macro(name))
        for word in fromlist:
            if word not in known:
                raise InputError(
                    f"{name} has no {word}{did_you_mean(word, known)}",
                    fix=_import_fix(name, word, known),
                )
        if is_rules:
            return SimpleNamespace(**{word: registry.function(word) for word in fromlist})
        return self._macro(name)

    def _macro(self, name: str) -> SimpleNamespace:
        """The names that a `defs.py` defines; it runs once per load."""
        if name not in self._macros:
            file = _file_of(name)
            if file in self._loading:
                loop = " -> ".join([*self._loading[self._loading.index(file) :], file])
                raise InputError(
                    f"macros import each other in a circle: {loop}",
                    fix=f"remove one of the imports of {loop}",
                )
            if not self._tree.exists(file):
                raise InputError(
                    f"there is no {file} to import", fix=f"write {file}, or correct the import"
                )
            self._loading.append(file)
            package = declare.peek()
            declare.enter(None)  # macros declare when they are called, not when they are read
            try:
                names = self._run(file)
            finally:
                declare.enter(package)
                self._loading.pop()
            self._macros[name] = SimpleNamespace(
                **{
                    key: checked_macro(value) if _is_defined_in(file, value) else value
                    for key, value in names.items()
                    if not key.startswith("__")
                }
            )
        return self._macros[name]

    def _as_input_error(
        self, error: Exception, where: Location, declared: Location | None
    ) -> InputError:
        what, fix = str(error), f"correct line {where.line} of {where.file}"
        if isinstance(error, NameError) and error.name:
            what, fix = self._undefined(error.name, fix)
        elif isinstance(error, TypeError):
            fix = self._signature(what.partition("(")[0]) or fix
        elif not isinstance(error, ValueError):
            what = f"{type(error).__name__}: {what}"
        return InputError(what, where=where, declared=declared, fix=fix)

    def _undefined(self, name: str, otherwise: str) -> tuple[str, str]:
        """What to say of a name that nothing defines, and the fix: most want an import."""
        homes = {macro: module for module in self._macros for macro in vars(self._macros[module])}
        homes |= dict.fromkeys(registry.names(), RULES_MODULE)  # a defs.py has some of them, too
        if name in homes:
            return f"{name} is not imported", f"from {homes[name]} import {name}"
        meant = nearest(name, homes)
        return (
            f"{name} is not defined{did_you_mean(name, homes)}",
            f"write {meant}" if meant else otherwise,
        )

    def _signature(self, name: str) -> str:
        """How a macro is called; empty if no macro has the name."""
        for module in self._macros.values():
            macro = vars(module).get(name)
            if callable(macro) and hasattr(macro, "__wrapped__"):
                return signature(macro)
        return ""


def _is_declaration(file: str) -> bool:
    return file.rpartition("/")[2] in (BUILD_FILE, DEFS)


def _is_defined_in(file: str, value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__code__.co_filename == file


def _import_fix(module: str, word: str, known: Iterable[str]) -> str:
    """How to mend an import of what a module does not have."""
    meant = nearest(word, known)
    if meant:
        return f"from {module} import {meant}"
    if module == RULES_MODULE:
        return "docs/rules.md lists the rules"
    return f"define {word} in {_file_of(module)}"


def _file_of(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _package_files(folders: Mapping[str, list[str]], homes: frozenset[str]) -> dict[str, list[str]]:
    """The files of each package, relative to it; a folder belongs to the nearest package above."""
    contents: dict[str, list[str]] = {home: [] for home in homes}
    for folder, names in folders.items():
        home = folder
        while home not in homes and home:
            home = home.rpartition("/")[0]
        if home in homes:
            inner = folder[len(home) :].lstrip("/")
            files = contents[home]
            files += [f"{inner}/{name}" for name in names] if inner else names
    return contents


def _places(error: BaseException, file: str) -> tuple[Location, Location | None]:
    """Where an exception arose, and where the file that ran called that if it is another one.

    Both are the innermost lines of declarations.
    """
    where, called = Location(file, 0), Location(file, 0)
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == file:
            where = called = Location(name, trace.tb_lineno)
        elif _is_declaration(name):
            where = Location(name, trace.tb_lineno)
        trace = trace.tb_next
    return where, called if called.file != where.file else None
