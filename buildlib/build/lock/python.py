"""Pins of Python packages: uv resolves them, and we pin the one wheel that the image will install.

`X.in` holds the requirements; uv makes `X.lock` of it, with hashes, and keeps the versions of the
parents' requirements. uv then lists the wheels of `X.lock` (as pylock.toml, PEP 751), and
`packaging` selects those that fit the image's Python and platform best. They are pinned in
images.lock, so that a build need not ask.

uv runs in a folder that holds the files of the request and nothing else, with no configuration. Of
the environment it sees only how to reach the index, so everyone gets the same lock.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from buildlib.build.lock.wheels import GLIBC_MINOR, MACHINES, Interpreter, best_wheels
from buildlib.build.workspace import Workspace
from buildlib.core.keys.compute import python_of
from buildlib.core.model.lock import Entry, Item
from buildlib.core.model.requirements import request_of, requirement_files
from buildlib.core.model.section import PYTHON
from buildlib.core.model.target import Target
from buildlib.core.store.state import flat
from buildlib.errors import ActionError, InputError, Location
from buildlib.outside.package_index import index_url
from buildlib.outside.setup.bootstrap import environment_for_uv

_UNREACHED = re.compile(r"Failed to fetch|dns error|error sending request|Request failed")


class _Uv(NamedTuple):
    """uv for one target, in a folder of its own.

    Attributes:
        folder: Files lie in it as they do in the workspace.
        python: What wheels are for.
        where: The target's declaration, for messages.
    """

    folder: str
    python: Interpreter
    index_url: str
    where: Location

    def compile(self, source: str, options: Iterable[str], *, fix: str) -> str:
        """Resolve the requirements of a file (`uv pip compile`); return what uv prints.

        `fix` says what to do where uv finds no solution.

        Raises:
            ActionError: It finds none, or does not reach the index.
        """
        program = os.path.join(os.path.dirname(sys.executable), "uv")
        command = [
            program if os.path.exists(program) else "uv",
            "pip", "compile", "--quiet", "--no-config", "--python", sys.executable,
            "--only-binary", ":all:", "--no-emit-index-url", "--no-emit-find-links",
            "--python-version", self.python.version,
            "--python-platform", f"{self.python.machine}-manylinux_2_{GLIBC_MINOR}",
            "--default-index", self.index_url, *options, source,
        ]  # fmt: skip
        environ = environment_for_uv(os.environ, self.index_url)
        environ.pop("UV_CONFIG_FILE", None)
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode and _UNREACHED.search(done.stderr):
            raise ActionError(
                "the Python index cannot be reached",
                detail=done.stderr,
                fix="check the network, and pypi in [tool.buildlib.network] of pyproject.toml",
            )
        if done.returncode:
            raise ActionError(
                f"uv finds no solution for {source}", where=self.where, detail=done.stderr, fix=fix
            )
        return done.stdout


def python_entry(workspace: Workspace, target: Target, *, write: bool, upgrade: bool) -> Entry:
    """Resolve a target's requirements and choose its wheels.

    With `write` the requirements file is written, else only compared. With `upgrade` versions are
    the newest, and not those of the file.

    Raises:
        ActionError: uv finds no solution, or the index has no wheel that fits.
    """
    path = _requirements(target)
    source = path.removesuffix(".lock") + ".in"
    written = requirement_files(workspace.tree, source)
    constraints = [_constraints(workspace, parent) for parent in _parents(workspace, target)]
    uv = _Uv(
        workspace.state.path(f"uv/{flat(target.label)}"),
        _interpreter(workspace, target),
        index_url(workspace.settings.network.pypi),
        target.where,
    )
    present = [path] if workspace.tree.exists(path) else []
    _stage(workspace, uv.folder, written, [*constraints, *present])
    text = _resolve(uv, source, path, constraints, upgrade=upgrade)
    items = _wheels(uv, path, text)
    locked = next(pin.asked[1] for pin in target.pins if pin.section == PYTHON.name)
    if write:
        with open(f"{workspace.root}/{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{workspace.root}/{path}.new", f"{workspace.root}/{path}")
        workspace.renew()
        locked = hashlib.sha256(text.encode()).hexdigest()
    # The files may have been edited meanwhile: the request describes what uv was given and made.
    return Entry(request_of(written, source, locked), items)


def _requirements(target: Target) -> str:
    """Return the path of a target's requirements file, which may not exist yet."""
    package = target.label.package
    name = str(target.attrs["python"]).removesuffix(".in") + ".lock"
    return f"{package}/{name}" if package else name


def _resolve(uv: _Uv, source: str, path: str, constraints: Iterable[str], *, upgrade: bool) -> str:
    """Let uv make the requirements file; return its text.

    Args:
        uv: Its folder has all files that are named here but the one that uv makes.
        source: The `.in` file.
        path: The requirements file; its versions stay, unless upgraded.
        constraints: The parents' requirements files.
        upgrade: Take the newest versions.
    """
    options = ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", path]
    options += ["--upgrade"] if upgrade else []
    options += [word for file in constraints for word in ("--constraint", file)]
    hint = "" if upgrade else "  # or with --upgrade, if the present pins stand in the way"
    uv.compile(source, options, fix=f"edit {source}{hint}")
    with open(f"{uv.folder}/{path}", encoding="utf-8") as made:
        return "# Made by `./doitw lock python`; edit the .in file instead.\n" + made.read()


def _wheels(uv: _Uv, path: str, text: str) -> dict[str, Item]:
    """Return the wheels of a requirements file that uv has just made.

    Raises:
        ActionError: The index has none that fits, or one that the file does not allow.
    """
    fix = f"choose another version in {path.removesuffix('.lock')}.in"
    listed = uv.compile(path, ["--no-deps", "--format", "pylock.toml"], fix=fix)
    try:
        wheels = best_wheels(listed, uv.python)
    except ActionError as error:
        error.where, error.fix = uv.where, fix
        raise
    added = [name for name, item in wheels.items() if f"sha256:{item.sha256}" not in text]
    if added:
        raise ActionError(
            f"the index got {added[0]} while uv resolved {path}", fix="./doitw lock python"
        )
    return wheels


def _stage(
    workspace: Workspace, folder: str, written: Mapping[str, bytes], copied: Iterable[str]
) -> None:
    """Fill an emptied folder with the files that uv may read, each at its path in the workspace.

    `written` are the requirements. `copied` are lock files of the workspace: the parents', and this
    target's present one, whose versions uv keeps.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in {**written, **{path: workspace.tree.read(path) for path in copied}}.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "wb") as file:
            file.write(data)


def _interpreter(workspace: Workspace, target: Target) -> Interpreter:
    """Return the Python of an image: Debian's, or that of the foreign image below it."""
    platform = target.platform
    if platform not in MACHINES:
        raise InputError(
            f"no Python wheels are known for {platform}",
            where=target.where,
            fix=f"platforms: {', '.join(MACHINES)}",
        )
    version = python_of(workspace.graph, target)
    if not version:
        *_, root = workspace.graph.parents(target)
        raise InputError(
            f"{root.label} does not say which Python it has, for the wheels of {target.label}",
            where=root.where,
            fix='python = "3.13"  # what `python --version` says in it',
        )
    return Interpreter(version, MACHINES[platform])


def _parents(workspace: Workspace, target: Target) -> Iterator[Target]:
    """Yield the images below a target that have Python requirements, nearest first."""
    for parent in workspace.graph.parents(target):
        if any(pin.section == PYTHON.name for pin in parent.pins):
            yield parent


def _constraints(workspace: Workspace, parent: Target) -> str:
    """Return the path of a parent's locked requirements."""
    path = _requirements(parent)
    if not workspace.tree.exists(path):
        raise InputError(
            f"{path} is not there, whose versions the images above {parent.label} keep",
            where=parent.where,
            fix=f"./doitw lock python {parent.label}",
        )
    return path
