"""Pins of Python packages: uv resolves, we note the one wheel that the image will install.

`X.in` says what is wanted; uv makes `X.lock` of it, with hashes, such that no version of the
parents' requirements is changed. Of all files that the hashes allow, the wheel that fits the
image's Python and platform best is pinned in images.lock, so that a build knows without asking.

uv runs in a folder that holds what the request names and nothing else, with no configuration, and
of the environment it sees how the index is reached: so who makes a lock makes no difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from buildlib.errors import ActionError, InputError
from buildlib.fetch.locate import index_url
from buildlib.keys.compute import python_of
from buildlib.lock.web import get
from buildlib.model.lock import Entry, Item
from buildlib.model.requirements import request_of, requirement_files
from buildlib.model.target import File, Target
from buildlib.setup.bootstrap import environment_for_uv
from buildlib.store.state import flat
from buildlib.workspace import Workspace

_GLIBC_MINOR = 35
"""glibc 2.35, of Ubuntu 22.04: the oldest that images stand on (Debian 12 has 2.36)."""
_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+?)(?:\s|$)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_UNREACHED = re.compile(r"Failed to fetch|dns error|error sending request|Request failed")
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


class Requirement(NamedTuple):
    """One pinned project of a requirements file."""

    name: str
    version: str
    hashes: frozenset[str]


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
    file = _requirements(target)
    source = file.path.removesuffix(".lock") + ".in"
    written = requirement_files(workspace.tree, source)
    text = _resolve(workspace, target, file, written, upgrade=upgrade)
    locked = next(pin.asked[1] for pin in target.pins if pin.section == "python")
    if write:
        _write_if_changed(f"{workspace.root}/{file.path}", text)
        workspace.renew()
        locked = hashlib.sha256(text.encode()).hexdigest()
    # The files may have been edited meanwhile: the request is of what uv was given and has made.
    asked = request_of(written, source, locked)
    tags = list(_tags(target.platform, python_version(workspace, target)))
    items: dict[str, Item] = {}
    for requirement in parse_requirements(text):
        filename, item = _wheel(workspace, requirement, tags, file)
        items[filename] = item
    return Entry(asked, items)


def _requirements(target: Target) -> File:
    """The requirements file of a target in the workspace; it may not have been made yet."""
    package = target.label.package
    name = str(target.attrs["python"]).removesuffix(".in") + ".lock"
    return File(name, f"{package}/{name}" if package else name)


def _resolve(
    workspace: Workspace, target: Target, file: File, written: Mapping[str, bytes], *, upgrade: bool
) -> str:
    """What uv makes of the `.in` file, with the parents' files as constraints."""
    source = file.path.removesuffix(".lock") + ".in"
    machine = _MACHINES.get(target.platform)
    if machine is None:
        raise InputError(
            f"no Python wheels are known for {target.platform}",
            where=target.where,
            fix=f"platforms: {', '.join(_MACHINES)}",
        )
    version = python_version(workspace, target)
    constraints = [_constraints(workspace, parent) for parent in _parents(workspace, target)]
    index = index_url(workspace.settings.network)
    folder = workspace.state.path(f"uv/{flat(target.label)}")
    present = [file.path] if workspace.tree.exists(file.path) else []
    _stage(workspace, folder, written, [*constraints, *present])
    command = [
        _uv(), "pip", "compile", "--quiet", "--no-config", "--python", sys.executable,
        "--generate-hashes", "--no-header", "--no-annotate",
        "--only-binary", ":all:", "--no-emit-index-url", "--no-emit-find-links",
        "--python-version", f"{version[0]}.{version[1]}",
        "--python-platform", f"{machine}-manylinux_2_{_GLIBC_MINOR}",
        "--default-index", index, *(["--upgrade"] if upgrade else []),
        *(word for path in constraints for word in ("--constraint", path)),
        "--output-file", file.path, source,
    ]  # fmt: skip
    environ = environment_for_uv(os.environ, index)
    environ.pop("UV_CONFIG_FILE", None)
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode and _UNREACHED.search(done.stderr):
        raise ActionError(
            "the Python index cannot be reached",
            detail=done.stderr,
            fix="check the network, and pypi in [tool.buildlib.network] of pyproject.toml",
        )
    if done.returncode:
        hint = "" if upgrade else "  # or with --upgrade, if the present pins stand in the way"
        raise ActionError(
            f"uv finds no solution for {source}",
            where=target.where,
            detail=done.stderr,
            fix=f"edit {source}{hint}",
        )
    with open(f"{folder}/{file.path}", encoding="utf-8") as made:
        return "# Made by `./doitw lock python`; edit the .in file instead.\n" + made.read()


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


def _uv() -> str:
    """Uv of the environment we run in."""
    path = os.path.join(os.path.dirname(sys.executable), "uv")
    return path if os.path.exists(path) else "uv"


def python_version(workspace: Workspace, target: Target) -> tuple[int, int]:
    """The Python that an image has: Debian's, or that of the image made elsewhere it stands on.

    Raises:
        InputError: The declaration of that image does not say.
    """
    found = python_of(workspace.graph, target)
    if not found:
        *_, root = workspace.graph.parents(target)
        raise InputError(
            f"{root.label} does not say which Python it has, for the wheels of {target.label}",
            where=root.where,
            fix='python = "3.13"  # what `python --version` says in it',
        )
    major, minor = found.split(".")
    return int(major), int(minor)


def _parents(workspace: Workspace, target: Target) -> Iterator[Target]:
    """The images below a target that have Python requirements, nearest first."""
    for parent in workspace.graph.parents(target):
        if any(pin.section == "python" for pin in parent.pins):
            yield parent


def _constraints(workspace: Workspace, parent: Target) -> str:
    """The path of a parent's locked requirements.

    Raises:
        InputError: They have not been made.
    """
    path = _requirements(parent).path
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


def parse_requirements(text: str) -> list[Requirement]:
    """The pins of a requirements file as uv and pip-compile write it.

    Raises:
        InputError: A line is no pin with hashes.
    """
    joined = text.replace("\\\n", " ")
    found: list[Requirement] = []
    for number, line in enumerate(joined.splitlines(), 1):
        content = line.partition(" #")[0].strip()
        if not content or content.startswith("#"):
            continue
        match = _REQUIREMENT.match(content)
        hashes = frozenset(_HASH.findall(content))
        if match is None or not hashes:
            raise InputError(
                f"requirement {number}, {content.split(' ')[0]!r}, is no pin with hashes",
                fix="./doitw lock python",
            )
        found.append(Requirement(match.group(1), match.group(2), hashes))
    return found


def _tags(platform: str, version: tuple[int, int]) -> Iterator[Tag]:
    """The wheel tags that the image's Python takes, best first (PEP 425, 600)."""
    machine = _MACHINES[platform]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 4, -1)]
    platforms += [f"manylinux2014_{machine}"]
    if machine == "x86_64":
        platforms += [f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    platforms += [f"linux_{machine}"]
    interpreter = f"cp{version[0]}{version[1]}"
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, interpreter=interpreter, platforms=platforms)


def _wheel(
    workspace: Workspace, requirement: Requirement, tags: list[Tag], file: File
) -> tuple[str, Item]:
    """The best wheel of a requirement: its file name and pin."""
    index = index_url(workspace.settings.network)
    project = canonicalize_name(requirement.name)
    offers = _offers(f"{index}/{project}/")
    rank = {tag: position for position, tag in enumerate(tags)}
    best: tuple[int, str, int, str] | None = None
    for name, sha256, size in offers:
        if not name.endswith(".whl") or sha256 not in requirement.hashes:
            continue
        places = [rank[tag] for tag in _wheel_tags(name) if tag in rank]
        if places and (best is None or (min(places), name) < (best[0], best[1])):
            best = (min(places), name, size, sha256)
    if best is None:
        raise ActionError(
            f"the index has no wheel of {requirement.name} {requirement.version} for this platform",
            fix=f"choose another version in {file.path.removesuffix('.lock')}.in",
        )
    _, name, size, sha256 = best
    return name, Item(requirement.version, sha256, size, project)


def _offers(page: str) -> list[tuple[str, str, int]]:
    """Name, sha256 and size (0 where it is not told) of the files of a project's page.

    Raises:
        ActionError: It is no page of a simple index, neither JSON (PEP 691) nor HTML (PEP 503).
    """
    text = get(page, _ACCEPT).decode(errors="replace")
    if text.lstrip().startswith("<"):
        links = re.findall(r"<a\s[^>]*?href=[\"']([^\"'#]+)#sha256=([0-9a-f]{64})", text)
        return [(unquote(url.partition("?")[0].rpartition("/")[2]), sha, 0) for url, sha in links]
    try:
        return [
            (
                str(f["filename"]),
                str(f.get("hashes", {}).get("sha256", "")),
                int(f.get("size") or 0),
            )
            for f in json.loads(text)["files"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ActionError(
            f"{page} is not a page of a simple index",
            fix="set pypi in [tool.buildlib.network] of pyproject.toml",
        ) from None


def _wheel_tags(filename: str) -> Iterable[Tag]:
    try:
        return parse_wheel_filename(filename)[3]
    except ValueError:
        return ()
