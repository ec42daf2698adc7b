"""Installs the wheels of a build step into the Python that runs this, and compiles them.

A step mounts `wheels/`, its `.lock` file and this folder beside each other. The files are those
that pip makes, but for the scripts' text and the name of the installer. What lies outside of the
packages' own test suites is byte-compiled by all cores; what has byte code already, such as a
parent's packages, is passed over.
"""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

_HERE = Path(__file__).parent
_STEP = _HERE.parent
"""Where the step mounts this folder, `wheels/` and `requirements.lock`."""
_TESTS = "tests"
_CACHE = "__pycache__"
_OWN = "uv_cache.json"
"""What uv writes beside a package's metadata: when its wheel was made, which differs by machine."""


def main() -> int:
    """Install what is locked, and compile it."""
    install()
    # The environment, and not the standard library of the system, which Debian compiles itself.
    compile_missing(sysconfig.get_path("purelib"))
    return 0


def install() -> None:
    """Install exactly what is locked, without a network."""
    # Beside the environment: on one file system, files are linked and not copied.
    cache = f"{sys.prefix}/.wheels"
    command = [f"{_HERE}/uv", "pip", "install", "--quiet", "--no-config", "--offline", "--no-index"]
    command += ["--no-deps", "--require-hashes", "--no-python-downloads", "--link-mode=hardlink"]
    command += ["--cache-dir", cache, "--find-links", f"{_STEP}/wheels"]
    command += ["--requirements", f"{_STEP}/requirements.lock", "--python", sys.executable]
    subprocess.run(command, check=True)
    shutil.rmtree(cache)
    Path(sys.prefix, ".lock").unlink(missing_ok=True)
    for own in Path(sysconfig.get_path("purelib")).glob(f"*.dist-info/{_OWN}"):
        own.unlink()
        record = own.with_name("RECORD")
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if f"/{_OWN}," not in line]
        record.write_text("".join(kept), encoding="utf-8")


def compile_missing(top: str) -> None:
    """Byte-compile what has no byte code; a file that cannot be compiled ends the step."""
    # The largest first, so that no core waits for the other at the end.
    files = sorted(_without_byte_code(top), key=os.path.getsize, reverse=True)
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(_compile, files, chunksize=16):
            pass


def _compile(file: str) -> None:
    py_compile.compile(file, doraise=True)


def _without_byte_code(top: str) -> Iterator[str]:
    ending = f".{sys.implementation.cache_tag}.pyc"
    for folder, folders, names in os.walk(top):
        compiled = set()
        if _CACHE in folders:
            compiled = set(os.listdir(f"{folder}/{_CACHE}"))
        folders[:] = [name for name in folders if name not in (_TESTS, _CACHE)]
        for name in names:
            if name.endswith(".py") and name.removesuffix(".py") + ending not in compiled:
                yield f"{folder}/{name}"


if __name__ == "__main__":
    sys.exit(main())
