"""Keys of test files, and those that passed.

A key is made of the machine (Python, user, variables, engine), and of the content of each input.
The sources of a workspace are read once, before the tests: a file that is edited while they run is
not as it was read, and what depends on it is not kept.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from tests.support.kept.closure import Closure
from tests.support.kept.facts import ALL, Remembered
from tests.support.kept.watch import LISTING, PROGRAM

KEPT, READ = ".buildlib/tests/passed.json", ".buildlib/tests/facts"
_AT_MOST = 4
"""Passes of one file that are kept: for going back and forth between branches."""

_VARIABLES = re.compile(
    "(BUILDLIB|DOCKER|TEST|UV|PIP|SSL|XDG|LC|JAVA|SPARK|KERNEL|EG|HYPOTHESIS|COSIGN)_|PYTHON"
    "|(PATH|LANG|TZ|HOME|TMPDIR|USER|ORGANIZATION|REGISTRY|FLAVOUR)\\Z|.*_proxy\\Z",
    re.IGNORECASE,
)
_TEST = re.compile(r"tests/(.*/)?test_[^/]*\.py\Z")


class Passed(NamedTuple):
    """A test file that passed.

    Args:
        mode: Which of its tests were run: the expression for markers; empty for all.
        key: Its key then.
        seen: What it took beyond what sources tell.
        tests: How many tests it has.
        engine: Whether it has tests that need an engine.
    """

    mode: str
    key: str
    seen: tuple[str, ...]
    tests: int
    engine: bool


def read_tree(root: str) -> dict[str, bytes] | None:
    """The content of each file that git knows or would add; None where git cannot be asked."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = {}
    for name in filter(None, done.stdout.decode().split("\0")):
        path = os.path.join(root, name)
        if os.path.islink(path):
            found[name] = os.fsencode(os.readlink(path))
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


class Keys:
    """Keys of test files, of the repository as it is read now.

    Args:
        root: The repository.
        tree: Its files.
        images: Name -> ID of the family's images; None where no engine is asked.
        engine_about: What engine that is.
        organization: By which word its images are named.
    """

    def __init__(
        self,
        root: str,
        tree: Mapping[str, bytes],
        images: Mapping[str, str] | None = None,
        engine_about: str = "",
        organization: str = "elyra",
    ) -> None:
        self._root = root
        self._remembered = Remembered(os.path.join(root, READ))
        self._closure = Closure(tree, self._remembered)
        self._tree = tree
        self._images = images
        self._engine = engine_about
        self._organization = organization
        self._digests = {name: sha256(data).hexdigest() for name, data in tree.items()}

    def tests(self) -> list[str]:
        """All test files."""
        names = (name for name in self._tree if name.startswith("tests/"))
        return sorted(
            n for n in names if os.path.basename(n).startswith("test_") and n[-3:] == ".py"
        )

    def save(self) -> None:
        """Remember what sources say."""
        self._remembered.save()

    def key(self, test: str, mode: str, seen: Iterable[str], *, engine: bool) -> str:
        """The key of a test file that takes `seen` beside what its sources tell."""
        names = {*self._closure.inputs(test), *seen}
        inputs = sorted({pair for name in names for pair in self._contents(name)})
        about: list[Any] = [mode if engine else "", self._machine, inputs]
        if engine and not mode:
            paths = {name for name, _ in inputs}
            about += [self._engine, self._images_of(test, any_image=self._declared <= paths)]
        return sha256(json.dumps(about).encode()).hexdigest()

    def can_tell(self, *, engine: bool, mode: str) -> bool:
        """Whether all that a file depends on can be known."""
        return not engine or bool(mode) or self._images is not None

    def _contents(self, name: str) -> list[tuple[str, str]]:
        """An input, and what it holds."""
        if name.startswith(PROGRAM):
            try:
                stat = os.stat(name[len(PROGRAM) :])
            except OSError:
                return [(name, "none")]
            return [(name, f"{stat.st_size} {stat.st_mtime_ns}")]
        if name.startswith(LISTING):
            return [(name, self._names_in(name[len(LISTING) :]))]
        if name in self._digests:
            return [(name, self._digests[name])]
        below = self._closure.below(name)
        if below:
            return [(one, self._digests[one]) for one in below]
        return [(name, self._untracked(name))]

    def _names_in(self, folder: str) -> str:
        start = "" if folder == ALL else f"{folder}/"
        inside = {n[len(start) :].split("/")[0] for n in self._tree if n.startswith(start)}
        return " ".join(sorted(inside))

    def _untracked(self, name: str) -> str:
        """What git ignores, and a test opened none the less: built files, say."""
        try:
            with open(os.path.join(self._root, name), "rb") as file:
                return sha256(file.read()).hexdigest()
        except OSError:
            return "none"

    @cached_property
    def _declared(self) -> set[str]:
        return {name for name in self._tree if os.path.basename(name) == "BUILD.py"}

    def _images_of(self, test: str, *, any_image: bool) -> list[tuple[str, str]]:
        """The images that a test file can mean.

        Those that it names; all of the organisation if it names none, or can read of all.
        """
        assert self._images is not None
        words = self._closure.words(test)
        if self._organization not in words and not any_image:
            return []
        named = [] if any_image else sorted(name for name in self._images if name in words)
        return [(name, self._images[name]) for name in named or sorted(self._images)]

    @cached_property
    def _machine(self) -> list[Any]:
        environ = {name: value for name, value in os.environ.items() if _VARIABLES.match(name)}
        environ.pop("PYTEST_CURRENT_TEST", None)
        where = [platform.python_version(), platform.machine(), platform.release(), os.geteuid()]
        return [*where, sorted(environ.items())]


class Passes:
    """The passes that a workspace keeps."""

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, KEPT)
        self._kept: dict[str, list[Passed]] = {}
        try:
            with open(self._path, encoding="utf-8") as file:
                self._kept = {
                    test: [Passed(r[0], r[1], tuple(r[2]), r[3], r[4]) for r in rows]
                    for test, rows in json.load(file).items()
                }
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            pass  # none, or not ours: all tests run

    def find(self, test: str, mode: str, keys: Keys) -> Passed | None:
        """The pass of a file as it is now."""
        for passed in self._kept.get(test, ()):
            fits = passed.mode == mode or not passed.engine
            if not fits or not keys.can_tell(engine=passed.engine, mode=mode):
                continue
            if passed.key == keys.key(test, mode, passed.seen, engine=passed.engine):
                return passed
        return None

    def add(self, test: str, passed: Passed) -> None:
        """Keep a pass."""
        others = [one for one in self._kept.get(test, ()) if one.key != passed.key]
        self._kept[test] = [passed, *others][:_AT_MOST]

    def drop(self, test: str, mode: str, keys: Keys) -> None:
        """Forget the pass of a file that failed since: what passes sometimes has not passed."""
        while passed := self.find(test, mode, keys):
            self._kept[test].remove(passed)

    def save(self) -> None:
        """Write them."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        part = f"{self._path}.{os.getpid()}"
        with open(part, "w", encoding="utf-8") as file:
            json.dump(self._kept, file)
        os.replace(part, self._path)
