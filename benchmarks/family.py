"""A family of 20 images of 200 files, and what is timed in it.

Images are `FROM scratch`, so that what is measured is the build system and not a distribution.
The first takes its launchers from an archive, as the kernel images do.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from functools import cached_property
from itertools import count
from pathlib import Path

from lab import Lab
from measure import Case, Goal, Side

IMAGES = 20
FILES = 200
"""In each image."""
_FOLDERS = 10
_KERNEL = "image00"
_LAUNCHER = "python/launcher.py"
_A_MOMENT = 0.1
"""Seconds between a change and the next command. What is younger than a clock tick is hashed
twice, since an edit could follow unseen (buildlib/core/keys/index.py); no person is that quick."""

_BUILD = """\
from buildlib.rules import docker_image, glob

docker_image(name="{name}", srcs=glob(["files/**"]){more}, doc="one of many")
"""
_DOCKERFILE = "FROM scratch\nCOPY files /files/\n"
_LAUNCHERS = """\
from buildlib.rules import glob, tarball

tarball(
    name="scripts",
    parts={
        "bootstrap": {"bootstrap.sh": "bootstrap.sh"},
        "python": {path: path for path in glob(["python/**"])},
    },
    executables=["bootstrap.sh"],
    prefix="usr/local/bin",
    doc="what runs inside",
)
"""

DOITW = ["./doitw", "build"]
DOIT = ["doit", "build"]


class Family:
    """The workspace, written and built when first asked for.

    Args:
        lab: Where it lies.
        images: How many.
        files: How many each image has.
    """

    def __init__(self, lab: Lab, images: int = IMAGES, files: int = FILES) -> None:
        self._lab = lab
        self._images = [f"image{number:02}" for number in range(images)]
        self._files = files
        self._edits = count(1)

    @cached_property
    def folder(self) -> Path:
        """The workspace, with nothing to build in it."""
        folder = self._lab.workspace("family")
        for name in self._images:
            self._write_image(folder / f"images/{name}")
        launchers = folder / "launchers"
        (launchers / "python").mkdir(parents=True)
        (launchers / "BUILD.py").write_text(_LAUNCHERS, encoding="utf-8")
        (launchers / "bootstrap.sh").write_text("#!/bin/sh\n", encoding="utf-8")
        (launchers / _LAUNCHER).write_text("print('hello')\n", encoding="utf-8")
        self._lab.ask(DOITW, folder)
        for command in (DOITW, DOIT):
            self._lab.expect(command, folder, f"nothing to build: {len(self._images) + 1}")
        return folder

    def _write_image(self, home: Path) -> None:
        name = home.name
        for number in range(self._files):
            file = home / f"files/{number % _FOLDERS}/{number:03}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{self._lab.token} {name} {number}\n" * 40, encoding="utf-8")
        is_kernel = name == _KERNEL
        more = ' + ["//launchers:scripts[bootstrap, python]"]' if is_kernel else ""
        (home / "BUILD.py").write_text(_BUILD.format(name=name, more=more), encoding="utf-8")
        last = "ADD scripts.tar /\n" if is_kernel else ""
        (home / "Dockerfile").write_text(_DOCKERFILE + last, encoding="utf-8")

    @cached_property
    def _stages(self) -> Path:
        """A copy of the contexts the images were built from, for docker alone."""
        stages = self._lab.root / "stages"
        shutil.copytree(self.folder / ".buildlib/stage", stages, symlinks=True)
        return stages

    def _stage(self, image: str) -> Path:
        files = [file.relative_to(self._stages) for file in self._stages.rglob("Dockerfile")]
        found = [self._stages / file.parent for file in files if image in str(file)]
        if len(found) != 1:
            raise SystemExit(f"error: {image} has {len(found)} staged contexts in {self._stages}")
        return found[0]

    def noop(self) -> Case:
        """Nothing to do, against doit with nothing at all."""
        empty = self._lab.root / "empty"
        empty.mkdir()
        (empty / "dodo.py").touch()
        return Case(
            "noop",
            f"no-op of {len(self._images)} images and {len(self._images) * self._files:,} files"
            " / `doit list` of nothing",
            (
                Side("doit build", self._lab.command(DOIT, self.folder)),
                Side("./doitw build", self._lab.command(DOITW, self.folder)),
                Side("doit list", self._lab.command(["doit", "list"], empty)),
            ),
            (Goal("doit build", "doit list", 1.6), Goal("./doitw build", "doit list", None)),
            rounds=15,
        )

    def docker(self) -> Case:
        """Nothing to do, against docker asked for the same images, which it all has cached."""
        builds = [
            self._lab.command(self._lab.docker_build(stage, f"{name}:peer"), self.folder)
            for name, stage in ((name, self._stage(name)) for name in self._images)
        ]

        def one_by_one() -> None:
            for build in builds:
                build()

        peer = f"{len(self._images)} cached docker builds"
        return Case(
            "docker",
            f"no-op of {len(self._images)} images / cached `docker build` of each",
            (
                Side("doit build", self._lab.command(DOIT, self.folder)),
                Side("./doitw build", self._lab.command(DOITW, self.folder)),
                Side(peer, one_by_one),
            ),
            (Goal("doit build", peer, 1 / 12), Goal("./doitw build", peer, 1 / 12)),
            rounds=7,
        )

    def edit(self) -> Case:
        """One launcher edited, until the image that has it is there under its name."""
        stage = self._stage(_KERNEL)
        launcher = self.folder / "launchers" / _LAUNCHER
        peer = "docker build"

        def edit_source() -> None:
            launcher.write_text(self._new_text(), encoding="utf-8")

        def edit_stage() -> None:
            _replace_member(stage / "scripts.tar", _LAUNCHER, self._new_text().encode())

        build = self._lab.docker_build(stage, f"{_KERNEL}:peer")
        return Case(
            "edit",
            "one edited launcher to updated image / bare `docker build` of the staged context",
            (
                Side("doit build", self._lab.command(DOIT, self.folder), edit_source),
                Side("./doitw build", self._lab.command(DOITW, self.folder), edit_source),
                Side(peer, self._lab.command(build, self.folder), edit_stage),
            ),
            (Goal("doit build", peer, 1.5), Goal("./doitw build", peer, 1.5)),
            rounds=15,
        )

    def _new_text(self) -> str:
        """A launcher that no builder has seen."""
        return f"print('{self._lab.token} {next(self._edits)}')\n"

    def touch(self) -> Case:
        """The second run after all files were touched, against a run where none was.

        Both sides are the second of two runs, in two clones of one workspace.
        """
        touched = self._lab.root / "touched"
        shutil.copytree(self.folder, touched, symlinks=True)
        shutil.rmtree(touched / ".buildlib")
        plain = self._lab.command(DOITW, self.folder)
        again = self._lab.command(DOITW, touched)

        def touch_and_run() -> None:
            for here, folders, names in os.walk(touched):
                folders[:] = [name for name in folders if name not in (".buildlib", ".venv")]
                for name in names:
                    os.utime(f"{here}/{name}")
            time.sleep(_A_MOMENT)
            again()

        return Case(
            "touch",
            "second run after all files were touched / plain no-op",
            (
                Side("second run after touch", again, touch_and_run),
                Side("plain no-op", plain, plain),
            ),
            (Goal("second run after touch", "plain no-op", 1.1),),
            rounds=15,
        )


def _replace_member(archive: Path, ending: str, content: bytes) -> None:
    """Write an archive anew with another content for one of its files."""
    import io

    with tarfile.open(archive) as old:
        members = [(info, old.extractfile(info)) for info in old]
        contents = [(info, file.read() if file else None) for info, file in members]
    archive.unlink()  # it is read-only, as all that comes from a store
    with tarfile.open(archive, "w") as new:
        for info, kept in contents:
            data = content if info.name.endswith(ending) else kept
            if data is not None:
                info.size = len(data)
            new.addfile(info, io.BytesIO(data) if data is not None else None)
