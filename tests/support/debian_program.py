"""Programs of Debian packages for tests, without root, apt or dpkg, and with nothing installed.

    debian_program("docker-registry", "usr/bin/docker-registry")  # a path

What is installed is taken. Otherwise the package comes from the mirror of the project's settings,
checked by our own reader of Debian's signed lists, and the program stays in the user's cache. It
brings no dependencies along: this is for programs that need the C library alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from buildlib.debian.archive import read_archive
from buildlib.debian.deb import Deb
from buildlib.lock.web import get
from buildlib.workspace import Workspace

_ROOT = Path(__file__).parents[2]


def debian_program(package: str, path: str) -> str:
    """The program that a package holds at `path`."""
    name = os.path.basename(path)
    installed = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if installed:
        return installed
    mirror = Workspace(str(_ROOT)).settings.network.apt
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    kept = Path(cache, "enterprise-gateway-images", "test-programs", package, name)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        found = read_archive(lambda part: get(f"{mirror}/{part}")).candidates[package].package
        data = get(f"{mirror}/{found.path}")
        assert sha256(data).hexdigest() == found.sha256
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            Path(scratch, "deb").write_bytes(data)
            members = Deb(Path(scratch, "deb")).members()
            program = Path(scratch, name)
            program.write_bytes(next(member.data for member in members if member.name == path))
            program.chmod(0o755)
            program.replace(kept)  # at once: another run may be looking
    return str(kept)
