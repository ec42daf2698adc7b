"""Programs of Debian packages for tests, without root and without a change to this machine.

    debian_program("docker-registry", "usr/bin/docker-registry")  # a path

What is installed is taken. Otherwise the package is fetched by apt, unpacked and kept in the user's
cache. It brings no dependencies along: this is for programs that need the C library alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def debian_program(package: str, path: str) -> str:
    """Path of a program that a package holds at `path`; the test fails if it cannot be had."""
    name = os.path.basename(path)
    installed = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if installed:
        return installed
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(cache) / "enterprise-gateway-images" / "test-programs"
    kept = folder / package
    if not (kept / path).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{package}-") as scratch:
            tree = Path(scratch, "tree")
            _run(["dpkg", "-x", str(_download(package, scratch)), str(tree)], package)
            if not kept.exists():  # another run may have been faster
                tree.rename(kept)
    return str(kept / path)


def _download(package: str, folder: str) -> Path:
    """The package's file; with package lists of our own where the machine has none."""
    own = []
    for setting in ("State", "Cache"):
        own += ["-o", f"Dir::{setting}={folder}/{setting.lower()}"]
        Path(folder, setting.lower()).mkdir()
    own += ["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Debug::NoLocking=1"]
    command = ["apt-get", "--quiet", "-o", "APT::Sandbox::User="]
    try:
        known = [*command, "download", package]
        subprocess.run(known, cwd=folder, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        _run([*command, *own, "update"], package)
        _run([*command, *own, "download", package], package, folder)
    [found] = Path(folder).glob("*.deb")
    return found


def _run(command: list[str], package: str, folder: str | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or ""
        pytest.fail(f"{error}\n{said}\nfix: install {package}, or run these tests on Debian")
