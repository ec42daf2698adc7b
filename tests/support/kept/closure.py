"""From a test file to the files of this repository that its result can depend on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from tests.support.kept.facts import ALL, Facts, read_facts

Reader = Callable[[str, str, dict[str, str]], Facts]

ALWAYS = ("pyproject.toml", "requirements-dev.lock", ".python-version")
"""How tests are run, and with what."""

CODE = (
    *("buildlib", "check", "deploy", "verify", "tools", "benchmarks"),
    *("doitw", "dodo.py", "VERSION"),
    *("requirements.lock", "requirements-release.lock", *ALWAYS),
)
"""What a Python of ours may import or read that is started as a child."""

_ROOMS = ("launchers", "images", "kernelspecs", "tests", "deploy", "tools")
"""Folders of which tests put some on `sys.path`: a bare name may be a module of any."""


class Closure:
    """The inputs of test files, told from the sources as they are.

    Args:
        texts: Path from the root of the repository -> content, of every file that git knows or
            would add.
        read: Reads one source, or remembers what it says.
    """

    def __init__(self, texts: Mapping[str, bytes], read: Reader = read_facts) -> None:
        self._texts = texts
        self._read = read
        self._facts: dict[str, Facts] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._seen: dict[str, frozenset[str]] = {}

    def inputs(self, test: str) -> frozenset[str]:
        """All files that a test file can depend on, as far as sources say it."""
        starts = {test, *self._conftests(test)}
        modules = self._follow(starts)
        found = {*modules, *(name for name in ALWAYS if name in self._texts)}
        for module in modules:
            if module.startswith("buildlib/"):
                continue  # works on the folder it is given; who gives it the root says so
            facts = self._of(module)
            for path in facts.paths:
                found |= self.below(path)
            if any(place == "?" or self._resolve(place, module) for place in facts.places):
                found |= self.below(ALL)
        return frozenset(found)

    def words(self, test: str) -> frozenset[str]:
        """The words of a test file and of what it imports of the tests: images are among them."""
        starts = {test, *self._conftests(test)}
        return frozenset(
            word
            for module in self._follow(starts)
            if module.startswith("tests/")
            for word in self._of(module).words
        )

    def below(self, path: str) -> frozenset[str]:
        """A file, or all files of a folder."""
        if path in self._texts:
            return frozenset((path,))
        if path not in self._below:
            start = "" if path == ALL else f"{path}/"
            self._below[path] = frozenset(name for name in self._texts if name.startswith(start))
        return self._below[path]

    def _conftests(self, test: str) -> set[str]:
        folders = test.split("/")[:-1]
        names = {"/".join([*folders[:n], "conftest.py"]) for n in range(len(folders) + 1)}
        inits = {"/".join([*folders[:n], "__init__.py"]) for n in range(1, len(folders) + 1)}
        return {name for name in names | inits if name in self._texts}

    def _follow(self, starts: Iterable[str]) -> set[str]:
        """All modules that are imported from some on, themselves included."""
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                waiting += self._imported(module) - found
        return found

    def _imported(self, module: str) -> frozenset[str]:
        if module not in self._seen:
            facts = self._of(module)
            told = (name for name in facts.told if not name.endswith(".py"))
            told = (name for name in told if name.split(".")[0] in self._tops)
            names = {*facts.imports, *told}
            found = {path for name in names for path in self._resolve(name, module)}
            self._seen[module] = frozenset(found)
        return self._seen[module]

    def _of(self, module: str) -> Facts:
        if module not in self._facts:
            self._facts[module] = _NOTHING  # for modules that import each other
            text = self._texts[module].decode(errors="replace")
            roots: dict[str, str] = {}
            first = self._read(module, text, {})
            for source, name in first.taken:
                for path in self._tests_of(source, module):
                    if name in self._of(path).roots:
                        roots[name] = self._of(path).roots[name]
            for path in {path for name in first.imports for path in self._tests_of(name, module)}:
                for name, at in self._of(path).roots.items():
                    roots[f".{name}"] = at if roots.get(f".{name}", at) == at else ALL
            self._facts[module] = self._read(module, text, roots) if roots else first
        return self._facts[module]

    def _tests_of(self, name: str, importer: str) -> list[str]:
        """The modules of tests that a name may stand for."""
        return [path for path in self._resolve(name, importer) if path.startswith("tests/")]

    def _resolve(self, name: str, importer: str) -> set[str]:
        """The files that a dotted name may stand for, with the packages above them."""
        if name.endswith("."):
            folder = name[:-1].replace(".", "/")
            if f"{folder}/__init__.py" not in self._texts:
                return set()
            return {p for p in self.below(folder) if p.endswith(".py")} | self._above(folder)
        words = name.split(".")
        if words[0] not in self._tops:
            return self._by_stem.get(words[0], set()) - {importer}
        for count in range(len(words), 0, -1):
            stem = "/".join(words[:count])
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self._texts:
                    return {path} | self._above(stem)
        return set()

    def _above(self, stem: str) -> set[str]:
        parts = stem.split("/")
        names = {f"{'/'.join(parts[:n])}/__init__.py" for n in range(1, len(parts))}
        return {name for name in names if name in self._texts}

    @cached_property
    def _tops(self) -> frozenset[str]:
        return frozenset(
            path.split("/")[0].removesuffix(".py") for path in self._texts if path.endswith(".py")
        )

    @cached_property
    def _by_stem(self) -> dict[str, set[str]]:
        """Modules that are found by a bare name, wherever a test puts their folder on the path."""
        found: dict[str, set[str]] = {}
        for path in self._texts:
            stem, suffix = os.path.splitext(os.path.basename(path))
            if suffix == ".py" and path.split("/")[0] in _ROOMS and stem not in _NO_MODULES:
                found.setdefault(stem, set()).add(path)
        return found


_NOTHING = Facts((), (), (), {}, (), (), ())
_NO_MODULES = ("__init__", "conftest", "BUILD", "defs")
