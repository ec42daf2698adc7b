"""10,000 archives of 10 files each, and the same graph as a Makefile.

No image is made. What make would build is only touched.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from functools import cached_property
from itertools import count
from pathlib import Path

from lab import Lab
from measure import A_MOMENT, Case, Goal, Side

PACKAGES = 100
TARGETS = 100
"""In each package."""
FILES = 10

_BUILD = f"""\
from buildlib.rules import tarball

for number in range({TARGETS}):
    folder = f"t{{number:02}}"
    files = [f"{{folder}}/f{{file}}" for file in range({FILES})]
    tarball(name=folder, parts={{"all": {{file: file for file in files}}}}, doc="one of many")
"""

_BUILD_ALL = ["./doitw", "build"]
_PLAN = ["./doitw", "plan"]
_MAKE = ["make", "-rR", "--silent"]
"""Without the built-in rules, which would make it search for ways to make each source."""


class Many:
    """The workspace, written and built when first asked for.

    Args:
        lab: Where it lies.
        packages: How many there are.
    """

    def __init__(self, lab: Lab, packages: int = PACKAGES) -> None:
        self._lab = lab
        self._packages = packages
        self._targets = packages * TARGETS
        self._edits = count(1)

    @cached_property
    def folder(self) -> Path:
        """The workspace, with nothing to build in it for us nor for make."""
        if shutil.which("make") is None:
            sys.exit("error: there is no GNU make on PATH\n  fix: apt-get install -y make")
        folder = self._lab.workspace("many")
        rules: list[str] = []
        outputs: list[str] = []
        for package in range(self._packages):
            home = folder / f"p{package:02}"
            home.mkdir()
            (home / "BUILD.py").write_text(_BUILD, encoding="utf-8")
            for number in range(TARGETS):
                inner = f"{home.name}/t{number:02}"
                os.mkdir(f"{folder}/{inner}")
                names = [f"{inner}/f{file}" for file in range(FILES)]
                for name in names:
                    with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                        file.write(f"{name}\n" * 20)
                outputs.append(f"dist/{home.name}-{number:02}.tar")
                rules += [f"{outputs[-1]}: {' '.join(names)}", "\ttar -cf $@ $^"]
        self._lab.ask(_BUILD_ALL, folder)
        (folder / "dist").mkdir()
        for output in outputs:
            (folder / output).touch()
        rules = ["all: " + " ".join(outputs), *rules]
        (folder / "Makefile").write_text("\n".join(rules) + "\n", encoding="ascii")
        self._lab.expect(_PLAN, folder, f"nothing to build: {self._targets}")
        self._lab.expect(["make", "-rR"], folder, "Nothing to be done")
        return folder

    def load(self) -> Case:
        """Load, key and check everything, against make doing its kind of the same."""
        return Case(
            "many",
            f"{self._targets:,} targets of {FILES} files: `plan` / no-op of GNU make",
            (
                Side("./doitw plan", self._lab.command(_PLAN, self.folder)),
                Side("make", self._lab.command(_MAKE, self.folder)),
            ),
            (Goal("./doitw plan", "make", 3.0),),
            rounds=9,
        )

    def replan(self) -> Case:
        """The same with one file edited: what would be built, against a dry run of make."""
        file = self.folder / "p00/t00/f0"

        def edit() -> None:
            file.write_text(f"{next(self._edits)}\n", encoding="ascii")
            time.sleep(A_MOMENT)

        return Case(
            "replan",
            f"{self._targets:,} targets, one file edited: `plan` / `make -n`",
            (
                Side("./doitw plan", self._lab.command(_PLAN, self.folder), edit),
                Side("make -n", self._lab.command([*_MAKE, "-n"], self.folder)),
            ),
            (Goal("./doitw plan", "make -n", 3.0),),
            rounds=9,
        )
