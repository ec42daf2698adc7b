"""Provides the uv binary that requirements.lock pins, fetched once into the shared store.

Only the lock file pins uv. The wheel is fetched with the standard library, checked by sha256 before
it is used, and renamed to its final name when complete, so processes that share a store need no
lock. Must not know what uv is used for.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from buildlib.core.store.content import default_root
from buildlib.errors import ActionError, InputError, Location
from buildlib.outside.package_index import ACCEPT, File, files_of, project_page
from buildlib.outside.setup.fetch import OTHER_INDEX, fetch
from buildlib.outside.setup.wheels import Machine, fitting_wheel, this_machine
from buildlib.outside.web.address import redacted

LOCK = "requirements.lock"


class Pin(NamedTuple):
    """The version of a package in a lock file, and the sha256 of each of its files."""

    version: str
    hashes: frozenset[str]


class Uv(NamedTuple):
    """uv on this machine; its wheel is kept, so that `.venv` can install it without a fetch."""

    binary: Path
    wheel: Path
    version: str


def pin_of(lock: str, project: str) -> Pin:
    """The pin of one package in the text of a lock file."""
    entry = re.search(rf"^{re.escape(project)}==(\S+)((?:.*\\\n)*.*)", lock, re.MULTILINE)
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry.group(2)) if entry else []
    if not entry or not hashes:
        raise InputError(
            f"{LOCK} does not pin {project} by version and hash",
            where=Location(LOCK, 0),
            fix=f"git checkout -- {LOCK}",
        )
    return Pin(entry.group(1), frozenset(hashes))


def provide(root: Path, index: str, environ: Mapping[str, str]) -> Uv:
    """The locked uv, from the store (which `environ` may move) or else from the index."""
    pin = pin_of((root / LOCK).read_text(encoding="utf-8"), "uv")
    machine = this_machine()
    # Several kinds of machines may share a home folder.
    folder = Path(default_root(environ)) / "uv" / f"{pin.version}-{machine.family}-{machine.arch}"
    binary = folder / "uv"
    wheel = next(folder.glob("uv-*.whl"), None) if binary.exists() else None
    if wheel is None:
        folder.mkdir(parents=True, exist_ok=True)
        wheel = _fetch_wheel(folder, pin, machine, index)
        _unpack(wheel, binary, pin.version)
    return Uv(binary, wheel, pin.version)


def _fetch_wheel(folder: Path, pin: Pin, machine: Machine, index: str) -> Path:
    address = project_page(index, "uv")
    page = io.BytesIO()
    fetched = fetch(address, page, accept=ACCEPT)
    try:
        files = files_of(page.getvalue().decode(), fetched.media_type, fetched.url)
    except ValueError:
        raise ActionError(
            f"{redacted(address)} is not a package index: it answers with something else",
            fix=OTHER_INDEX,
        ) from None
    file = fitting_wheel(files, "uv", pin.version, machine)
    if file is None:
        raise _no_wheel(files, pin, machine, address)
    if file.sha256 and file.sha256 not in pin.hashes:
        raise _wrong_hash(file, file.sha256)
    size = f" ({file.size / 1e6:.0f} MB)" if file.size else ""
    say(f"fetching uv {pin.version}{size} from {redacted(index)} ...")
    start = time.monotonic()
    with _new_file(folder / file.name) as target:
        digest = fetch(file.url, target, credentials_of=index).sha256
        if digest not in pin.hashes:
            raise _wrong_hash(file, digest)
    say(f"uv fetched and checked in {time.monotonic() - start:.1f} s")
    return folder / file.name


def _unpack(wheel: Path, binary: Path, version: str) -> None:
    """Extract the program from the wheel."""
    with (
        _new_file(binary, mode=0o755) as target,
        zipfile.ZipFile(wheel) as archive,
        archive.open(f"uv-{version}.data/scripts/uv") as source,
    ):
        shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def _new_file(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A file that is renamed to `path` at the end of the block, or removed after an exception."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            yield target
        part.chmod(mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _no_wheel(files: list[File], pin: Pin, machine: Machine, address: str) -> ActionError:
    if any(file.name.startswith(f"uv-{pin.version}") for file in files):
        kind = f"{machine.family} {machine.version[0]}.{machine.version[1]} {machine.arch}"
        return ActionError(
            f"uv {pin.version} has no wheel for this machine ({kind})",
            fix="build on Linux or macOS, x86_64 or arm64",
        )
    return ActionError(
        f"{redacted(address)} has no uv {pin.version}",
        fix=OTHER_INDEX,
    )


def _wrong_hash(file: File, digest: str) -> ActionError:
    return ActionError(
        f"{file.name} is not what {LOCK} says: sha256 {digest}",
        detail=f"from {redacted(file.url)}; nothing of it was used",
        fix=OTHER_INDEX,
    )


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)
