"""The uv binary: the version and hashes of requirements.lock, fetched once into the shared store.

The lock file is the only place where uv is pinned. The wheel is fetched with the standard library,
checked by sha256 before anything of it is used, and appears under its final name only when whole;
so processes that share a store need no lock. Must not know what uv is then used for.
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
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from buildlib.core.store.content import default_root
from buildlib.errors import ActionError, InputError, Location
from buildlib.outside.pypi import ACCEPT, files_of, project_page
from buildlib.outside.setup.fetch import OTHER_INDEX, fetch
from buildlib.outside.setup.wheels import fitting_wheel, this_machine
from buildlib.outside.web.address import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildlib.outside.pypi import File
    from buildlib.outside.setup.wheels import Machine

LOCK = "requirements.lock"


class Pin(NamedTuple):
    """What a lock file says of one package: its version and the sha256 of every file of it."""

    version: str
    hashes: frozenset[str]


class Uv(NamedTuple):
    """uv on this machine.

    Attributes:
        binary: The program.
        wheel: The wheel it was taken from, kept so that `.venv` need not fetch it again.
        version: Its version.
    """

    binary: Path
    wheel: Path
    version: str


def pin_of(lock: str, project: str) -> Pin:
    """Read the pin of one package out of the text of a lock file.

    Raises:
        InputError: The lock file does not pin it, or not by hash.
    """
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
    """Provide uv of the version that is locked, from the store or else from the index.

    Args:
        root: The workspace.
        index: Address of a simple index.
        environ: Environment: where the store is.

    Raises:
        ActionError: It cannot be fetched, or is not what the lock file says.
    """
    pin = pin_of((root / LOCK).read_text(encoding="utf-8"), "uv")
    machine = this_machine()
    # A home folder may be shared by machines of several kinds.
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
    """Take the program out of the wheel."""
    with (
        _new_file(binary, mode=0o755) as target,
        zipfile.ZipFile(wheel) as archive,
        archive.open(f"uv-{version}.data/scripts/uv") as source,
    ):
        shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def _new_file(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends well, and is gone when it does not."""
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
    """One line of progress."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)
