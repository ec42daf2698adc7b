"""Pins of Python packages: uv resolves, we note the one wheel that the image will install.

`X.in` says what is wanted; uv makes `X.lock` of it, with hashes, such that no version of the
parents' requirements is changed. uv then lists the wheels of `X.lock` (as pylock.toml, PEP 751),
and `packaging` selects those that fit the image's Python and platform best. They are pinned in
images.lock, so that a build knows without asking.

uv runs in a folder that holds what the request names and nothing else, with no configuration, and
of the environment it sees how the index is reached: so who makes a lock makes no difference.
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
from buildlib.outside.pypi import index_url
from buildlib.outside.setup.bootstrap import environment_for_uv

_UNREACHED = re.compile(r"Failed to fetch|dns error|error sending request|Request failed")


class _Uv(NamedTuple):
    """uv for one target, in a folder that it sees nothing else of.

    Attributes:
        folder: The folder; files lie in it as they do in the workspace.
        python: What wheels are for.
        index_url: Address of the package index.
        where: The target's declaration, for messages.
    """

    folder: str
    python: Interpreter
    index_url: str
    where: Location

    def compile(self, source: str, options: Iterable[str], *, fix: str) -> str:
        """Resolve the requirements of a file (`uv pip compile`); what uv prints.

        Args:
            source: Path of the file.
            options: Further options.
            fix: What to do where uv finds no solution.

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

    Args:
        workspace: For settings, and the parents' requirements.
        target: An image with Python requirements.
        write: Write the requirements file; else it is only compared.
        upgrade: Take the newest versions, and not those that the file has.

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
        _write_if_changed(f"{workspace.root}/{path}", text)
        workspace.renew()
        locked = hashlib.sha256(text.encode()).hexdigest()
    # The files may have been edited meanwhile: the request is of what uv was given and has made.
    return Entry(request_of(written, source, locked), items)


def _requirements(target: Target) -> str:
    """Path of a target's requirements file; it may not have been made yet."""
    package = target.label.package
    name = str(target.attrs["python"]).removesuffix(".in") + ".lock"
    return f"{package}/{name}" if package else name


def _resolve(uv: _Uv, source: str, path: str, constraints: Iterable[str], *, upgrade: bool) -> str:
    """Let uv make the requirements file; its text.

    Args:
        uv: Has all files that are named here but the one that it makes.
        source: The `.in` file.
        path: The requirements file; what it holds until now stays, unless upgraded.
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
    """The wheels of a requirements file that uv has just made.

    Raises:
        ActionError: The index has none that fits, or one that the file does not allow.
    """
    fix = f"choose another version in {path.removesuffix('.lock')}.in"
    listed = uv.compile(path, ["--no-deps", "--format", "pylock.toml"], fix=fix)
    try:
        found = best_wheels(listed, uv.python)
    except ActionError as error:
        error.where, error.fix = uv.where, fix
        raise
    added = [name for name, item in found.items() if f"sha256:{item.sha256}" not in text]
    if added:
        raise ActionError(
            f"the index got {added[0]} while uv resolved {path}", fix="./doitw lock python"
        )
    return found


def _stage(
    workspace: Workspace, folder: str, written: Mapping[str, bytes], copied: Iterable[str]
) -> None:
    """Fill a folder with the files that uv may read, each at its path in the workspace.

    Args:
        workspace: Where the rest is copied from.
        folder: Emptied before.
        written: The requirements.
        copied: Paths of what was locked: the parents', and what this target had until now, whose
            versions uv keeps.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in {**written, **{path: workspace.tree.read(path) for path in copied}}.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "wb") as file:
            file.write(data)


def _interpreter(workspace: Workspace, target: Target) -> Interpreter:
    """The Python that an image has: Debian's, or that of the image made elsewhere it stands on.

    Raises:
        InputError: The declaration of that image does not say, or the platform has no wheels.
    """
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
    """The images below a target that have Python requirements, nearest first."""
    for parent in workspace.graph.parents(target):
        if any(pin.section == PYTHON.name for pin in parent.pins):
            yield parent


def _constraints(workspace: Workspace, parent: Target) -> str:
    """The path of a parent's locked requirements.

    Raises:
        InputError: They have not been made.
    """
    path = _requirements(parent)
    if not workspace.tree.exists(path):
        raise InputError(
            f"{path} is not there, whose versions the images above {parent.label} keep",
            where=parent.where,
            fix=f"./doitw lock python {parent.label}",
        )
    return path


def _write_if_changed(path: str, text: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
