"""What is timed in the family of 20 images: builds with nothing to do, and after an edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable

from family import Family
from measure import A_MOMENT, Case, Goal, Side

DOITW = ["./doitw", "build"]
DOIT = ["doit", "build"]


def _ours(family: Family, command: list[str], edit: Callable[[], None] | None = None) -> Side:
    """One of our commands, after an edit if there is one."""
    run = family.lab.command(command, family.folder)
    return Side(" ".join(command), run, *([_and_wait(edit)] if edit else []))


def _and_wait(edit: Callable[[], None]) -> Callable[[], None]:
    def edit_and_wait() -> None:
        edit()
        time.sleep(A_MOMENT)

    return edit_and_wait


def noop(family: Family) -> Case:
    """Nothing to do, against doit with nothing at all."""
    empty = family.lab.root / "empty"
    empty.mkdir()
    (empty / "dodo.py").touch()
    return Case(
        "noop",
        f"no-op of {len(family.names)} images and {len(family.names) * family.files:,} files"
        " / `doit list` of nothing",
        (
            _ours(family, DOIT),
            _ours(family, DOITW),
            Side("doit list", family.lab.command(["doit", "list"], empty)),
        ),
        (Goal("doit build", "doit list", 1.3), Goal("./doitw build", "doit list", None)),
        rounds=15,
    )


def docker(family: Family) -> Case:
    """Nothing to do, against docker asked for the same images, which it all has cached."""
    builds = [
        family.lab.command(argv, family.folder) for argv in family.docker_builds(family.names)
    ]

    def one_by_one() -> None:
        for build in builds:
            build()

    peer = f"{len(family.names)} cached docker builds"
    return Case(
        "docker",
        f"no-op of {len(family.names)} images / cached `docker build` of each",
        (_ours(family, DOIT), _ours(family, DOITW), Side(peer, one_by_one)),
        (Goal("doit build", peer, 1 / 12), Goal("./doitw build", peer, 1 / 12)),
        rounds=7,
    )


def edit(family: Family) -> Case:
    """One launcher edited, until the image that has it is there under its name."""
    name = family.alone
    (build,) = family.docker_builds([name])
    peer = Side(
        "docker build",
        family.lab.command(build, family.folder),
        _and_wait(lambda: family.edit_launcher_of_context(name)),
    )
    return Case(
        "edit",
        "one edited launcher to updated image / bare `docker build` of the same context",
        (
            _ours(family, DOIT, lambda: family.edit_launcher(name)),
            _ours(family, DOITW, lambda: family.edit_launcher(name)),
            peer,
        ),
        (Goal("doit build", peer.name, 1.5), Goal("./doitw build", peer.name, 1.5)),
        rounds=15,
    )


def launcher(family: Family) -> Case:
    """One launcher of three images edited, against their three docker builds side by side."""
    names = family.sharing
    builds = family.docker_builds(names)

    def side_by_side() -> None:
        running = [
            subprocess.Popen(
                argv,
                env=family.lab.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            for argv in builds
        ]
        codes = [build.wait() for build in running]
        if any(codes):
            raise SystemExit("error: a docker build failed")

    peer = Side(
        f"{len(names)} docker builds",
        side_by_side,
        _and_wait(lambda: family.edit_launcher_of_context(*names)),
    )
    return Case(
        "launcher",
        f"one edited launcher to {len(names)} updated images / their bare `docker build`s"
        " side by side",
        (_ours(family, DOITW, lambda: family.edit_launcher(names[0])), peer),
        (Goal("./doitw build", peer.name, 1.0),),
        rounds=15,
    )


def touch(family: Family) -> Case:
    """The second run after all files were touched, against a run where none was.

    Both sides are the second of two runs, in two clones of one workspace.
    """
    touched = family.lab.root / "touched"
    shutil.copytree(family.folder, touched, symlinks=True)
    shutil.rmtree(touched / ".buildlib")
    plain = family.lab.command(DOITW, family.folder)
    again = family.lab.command(DOITW, touched)

    def touch_and_run() -> None:
        for here, folders, names in os.walk(touched):
            folders[:] = [name for name in folders if name not in (".buildlib", ".venv")]
            for name in names:
                os.utime(f"{here}/{name}")
        time.sleep(A_MOMENT)
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


def bake(family: Family) -> Case:
    """Nothing to do, against `docker buildx bake` of the same images."""
    return _against_bake(family, "bake", "nothing to do", [], at_most=1 / 30, rounds=15)


def one(family: Family) -> Case:
    """One file of one image edited, against bake."""
    names = family.names[-1:]
    return _against_bake(family, "one", "one file of one image edited", names, None, rounds=9)


def every(family: Family) -> Case:
    """One file of every image edited, against bake."""
    doc = "one file in each image edited"
    return _against_bake(family, "every", doc, family.names, at_most=0.6, rounds=9)


def _against_bake(
    family: Family, case: str, doc: str, edited: list[str], at_most: float | None, rounds: int
) -> Case:
    sources = family.folder / "images"
    peer = Side(
        "bake",
        family.lab.command(family.bake(family.lab.need_buildx()), family.folder),
        _and_wait(lambda: family.edit_files(family.contexts, edited)),
    )
    return Case(
        case,
        f"{len(family.names)} images, {doc} / `buildx bake`",
        (_ours(family, DOITW, lambda: family.edit_files(sources, edited)), peer),
        (Goal("./doitw build", peer.name, at_most),),
        rounds=rounds,
    )
