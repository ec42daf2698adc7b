"""10,000 archives of 10 files each, and the same graph as a Makefile.

The archives are not built: a result for each key is put into the store, which is what loading,
keying and checking needs. No image is made, and no engine is asked.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from lab import Lab
from measure import Case, Goal, Side

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

_PLAN = ["./doitw", "plan"]
_MAKE = ["make", "-rR", "--silent"]
"""Without the built-in rules, which would make it search for ways to make each source."""


class Many:
    """The workspace, written when first asked for."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    @cached_property
    def folder(self) -> Path:
        """The workspace, with all results in the store and beside the Makefile."""
        folder = self._lab.workspace("many")
        rules = ["all: $(shell cat targets)", ""]
        outputs = []
        for package in range(PACKAGES):
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
        self._fill_store(folder)
        (folder / "dist").mkdir()
        for output in outputs:
            (folder / output).touch()
        rules[0] = "all: " + " ".join(outputs)
        (folder / "Makefile").write_text("\n".join(rules) + "\n", encoding="ascii")
        self._lab.expect(_PLAN, folder, f"nothing to build: {PACKAGES * TARGETS}")
        self._lab.expect(["make", "-rR"], folder, "Nothing to be done")
        return folder

    def _fill_store(self, folder: Path) -> None:
        from buildlib.model.label import Reference
        from buildlib.model.output import FileOutput, Output
        from buildlib.workspace import Workspace

        workspace = Workspace(str(folder), store_root=str(self._lab.store))
        for label in workspace.graph.order:
            content = str(label).encode()
            made = FileOutput(workspace.store.add_bytes(content), len(content))
            record = workspace.keys.record(Reference(label))
            output = Output(files={f"{label.name}.tar": made})
            workspace.records.put(record, output, 0.1, label=str(label))
        workspace.save()

    def load(self) -> Case:
        """Load, key and check everything, against make doing its kind of the same."""
        return Case(
            "many",
            f"{PACKAGES * TARGETS:,} targets of {FILES} files: `plan` / no-op of GNU make",
            (
                Side("./doitw plan", self._lab.command(_PLAN, self.folder)),
                Side("make", self._lab.command(_MAKE, self.folder)),
            ),
            (Goal("./doitw plan", "make", 4.0),),
            rounds=9,
        )
