"""Makes requirements.lock and its two supersets from pyproject.toml with uv, with hashes.

One resolution holds for Python 3.10 and newer on every platform. Run it by hand, with `--upgrade`
for the newest versions that pyproject.toml allows:

    .venv/bin/python -m buildlib.outside.setup.locks [--check | --upgrade]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from buildlib.errors import ActionError, BuildError, Location
from buildlib.outside.setup.bootstrap import (
    DEV_LOCK,
    LOCKS,
    RELEASE_LOCK,
    ROOT,
    environment_for_uv,
    index_of,
)
from buildlib.outside.setup.fetch import OTHER_INDEX
from buildlib.outside.web.address import redacted

COMMAND = ".venv/bin/python -m buildlib.outside.setup.locks"
GROUPS = {RELEASE_LOCK: "release", DEV_LOCK: "dev"}
"""Lock file -> the group of pyproject.toml that it adds; dev includes release."""


def refresh(root: Path, binary: Path, *, upgrade: bool = False) -> None:
    """Resolve the lock files with the uv `binary`; pins stay if they can, unless `upgrade`."""
    address = index_of(root, os.environ)
    environment = environment_for_uv(os.environ, address)
    environment["UV_CUSTOM_COMPILE_COMMAND"] = COMMAND
    shared = ["--universal", "--python-version", "3.10", "--generate-hashes", "--no-emit-index-url"]
    for name in LOCKS:
        command = [str(binary), "--quiet", "pip", "compile", "pyproject.toml", *shared]
        command += ["--output-file", name]
        if name in GROUPS:  # a superset of those before it, with the same versions
            smaller = LOCKS[LOCKS.index(name) - 1]
            command += ["--group", GROUPS[name], "--constraints", smaller]
        if upgrade:
            command += ["--upgrade"]
        result = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise ActionError(
                f"{name} could not be made from {redacted(address)}",
                detail=result.stderr.strip(),
                fix=f"{OTHER_INDEX.split()[0]} {COMMAND}",
            )


def check(root: Path, binary: Path) -> None:
    """Fail if `refresh` would change a lock file."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("pyproject.toml", *LOCKS):
            shutil.copy(root / name, copy / name)
        refresh(copy, binary)
        for name in LOCKS:
            if (copy / name).read_bytes() != (root / name).read_bytes():
                raise ActionError(
                    f"{name} is not what pyproject.toml asks for",
                    where=Location("pyproject.toml", 0),
                    fix=COMMAND,
                )


def main(arguments: list[str]) -> int:
    """Refresh or check the lock files; returns the exit code."""
    binary = ROOT / ".venv/bin/uv"
    try:
        if "--check" in arguments:
            check(ROOT, binary)
        else:
            refresh(ROOT, binary, upgrade="--upgrade" in arguments)
    except BuildError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
