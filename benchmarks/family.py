"""A family of 20 images of 200 files, for us and, as plain build contexts, for docker alone.

Images are `FROM scratch`, so that what is measured is the build system and not a distribution.
The first takes its launchers from an archive of its own, the next three share one, as the kernel
images do.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from functools import cached_property
from itertools import count
from pathlib import Path

from lab import Lab

IMAGES = 20
FILES = 200
"""In each image."""
LEAST = 4
"""Images that the cases need."""
_FOLDERS = 10
_FIRST, _SHARED = "first", "shared"
"""Archives of launchers: of the first image, of the three after it."""

_BUILD = """\
from buildlib.rules import docker_image, glob

docker_image(name="{name}", srcs=glob(["files/**"]){more}, doc="one of many")
"""
_DOCKERFILE = "FROM scratch\nCOPY files /files/\n"
_LAUNCHERS = """\
from buildlib.rules import tarball

for name in ("first", "shared"):
    tarball(
        name=name,
        parts={"all": {f"{name}.sh": f"{name}.sh"}},
        prefix="usr/local/bin",
        doc="what runs inside",
    )
"""


class Family:
    """The workspace, written and built when first asked for.

    Args:
        lab: Where it lies.
        images: How many, `LEAST` or more.
        files: How many each image has.
    """

    def __init__(self, lab: Lab, images: int = IMAGES, files: int = FILES) -> None:
        self.lab = lab
        self.names = [f"image{number:02}" for number in range(images)]
        self.files = files
        self._edits = count(1)

    @property
    def alone(self) -> str:
        """The image that has an archive of launchers to itself."""
        return self.names[0]

    @property
    def sharing(self) -> list[str]:
        """The three images that share one."""
        return self.names[1:LEAST]

    def _archive(self, name: str) -> str:
        """The archive of launchers that an image takes, or nothing."""
        return _FIRST if name == self.alone else _SHARED if name in self.sharing else ""

    @cached_property
    def folder(self) -> Path:
        """The workspace, with nothing to build in it."""
        folder = self.lab.workspace("family")
        for name in self.names:
            self._write_image(folder / f"images/{name}")
        launchers = folder / "launchers"
        launchers.mkdir()
        (launchers / "BUILD.py").write_text(_LAUNCHERS, encoding="utf-8")
        for archive in (_FIRST, _SHARED):
            (launchers / f"{archive}.sh").write_text(self._new_text(), encoding="utf-8")
        self.lab.ask(["./doitw", "build"], folder)
        for command in (["./doitw", "build"], ["doit", "build"]):
            self.lab.expect(command, folder, f"nothing to build: {len(self.names) + 2}")
        return folder

    def _write_image(self, home: Path) -> None:
        for number in range(self.files):
            file = home / f"files/{number % _FOLDERS}/{number:03}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{self.lab.token} {home.name} {number}\n" * 40, encoding="utf-8")
        archive = self._archive(home.name)
        more = f' + ["//launchers:{archive}"]' if archive else ""
        last = f"ADD {archive}.tar /\n" if archive else ""
        (home / "BUILD.py").write_text(_BUILD.format(name=home.name, more=more), encoding="utf-8")
        (home / "Dockerfile").write_text(_DOCKERFILE + last, encoding="utf-8")

    @cached_property
    def contexts(self) -> Path:
        """A build context for each image, for docker alone."""
        contexts = self.lab.root / "contexts"
        for name in self.names:
            shutil.copytree(self.folder / f"images/{name}", contexts / name)
            if archive := self._archive(name):
                _write_archive(contexts / name, archive, self._new_text())
        return contexts

    def edit_launcher(self, name: str) -> None:
        """Edit what the images of an archive run: ours."""
        file = self.folder / f"launchers/{self._archive(name)}.sh"
        file.write_text(self._new_text(), encoding="utf-8")

    def edit_launcher_of_context(self, *names: str) -> None:
        """The same in the contexts of some images, to the same text."""
        text = self._new_text()
        for name in names:
            _write_archive(self.contexts / name, self._archive(name), text)

    def edit_files(self, homes: Path, names: list[str]) -> None:
        """Edit a file of some images: below `folder / "images"` ours, below `contexts` docker's."""
        for name in names:
            (homes / name / "files/0/000.txt").write_text(self._new_text(), encoding="utf-8")

    def _new_text(self) -> str:
        """A text that no builder has seen."""
        return f"#!/bin/sh\necho {self.lab.token} {next(self._edits)}\n"

    def docker_builds(self, names: list[str]) -> list[list[str]]:
        """The bare command for each of some images."""
        return [self.lab.docker_build(self.contexts / name, f"{name}:peer") for name in names]

    def bake(self, buildx: str) -> list[str]:
        """The command that builds all images at once with bake."""
        file = self.lab.root / "bake.json"
        targets = {
            name: {
                "context": str(self.contexts / name),
                "tags": [self.lab.image(f"{name}:baked")],
                "labels": self.lab.labels,
            }
            for name in self.names
        }
        plan = {"group": {"default": {"targets": self.names}}, "target": targets}
        file.write_text(json.dumps(plan), encoding="utf-8")
        return [buildx, "bake", "--load", "--progress=quiet", f"--file={file}"]


def _write_archive(context: Path, archive: str, text: str) -> None:
    content = text.encode()
    info = tarfile.TarInfo(f"usr/local/bin/{archive}.sh")
    info.size, info.mode = len(content), 0o755
    with tarfile.open(context / f"{archive}.tar", "w") as tar:
        tar.addfile(info, io.BytesIO(content))
