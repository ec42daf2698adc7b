"""Chooses the wheel that runs on this machine. Must not know how it is fetched, nor what for."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from buildlib.outside.package_index import File

_PLATFORM = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)\Z")


class Machine(NamedTuple):
    """The platform, which decides whether a binary wheel runs here.

    Attributes:
        family: `manylinux` (glibc), `musllinux` or `macosx`, as in names of wheels.
        version: The newest platform version that runs here: of glibc, musl or macOS.
        arch: `x86_64`, `aarch64`, `arm64` …
    """

    family: str
    version: tuple[int, int]
    arch: str


def fitting_wheel(
    files: Iterable[File], project: str, version: str, machine: Machine
) -> File | None:
    """The wheel of one version that runs on a machine; of several, that for the newest platform."""
    best: tuple[tuple[int, int], File] | None = None
    for file in files:
        if not (file.name.startswith(f"{project}-{version}-") and file.name.endswith(".whl")):
            continue
        for tag in file.name[: -len(".whl")].rpartition("-")[2].split("."):
            match = _PLATFORM.match(tag)
            if not match:
                continue
            family, arch = match.group(1), match.group(4)
            needs = (int(match.group(2)), int(match.group(3)))
            fits = family == machine.family and arch == machine.arch and needs <= machine.version
            if fits and (best is None or needs > best[0]):
                best = needs, file
    return best[1] if best else None


def this_machine() -> Machine:
    """The machine that runs this process."""
    arch = platform.machine()
    if sys.platform == "darwin":
        return Machine("macosx", _version(platform.mac_ver()[0]), arch)
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    if libc.startswith("glibc "):
        return Machine("manylinux", _version(libc[len("glibc ") :]), arch)
    return Machine("musllinux", (1, 2), arch)  # musl cannot be asked; 1.2 is of 2020


def _version(text: str) -> tuple[int, int]:
    numbers = [int(word) for word in re.findall(r"\d+", text)] + [0, 0]
    return numbers[0], numbers[1]
