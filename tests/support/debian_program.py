"""Programs of Debian packages for tests, without root, apt or dpkg, and with nothing installed.

    debian_program("docker-registry", "usr/bin/docker-registry")  # a path

What is installed is taken. Otherwise the package comes from the mirror of the project's settings,
by the digest that is written here, and the program stays in the user's cache. It brings no
dependencies along: this is for programs that need the C library alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.request
from hashlib import sha256
from pathlib import Path

from buildlib.outside.debian.deb import Deb
from tests.support.settings import parse_settings

_SETTINGS = Path(__file__).parents[2] / "pyproject.toml"
_POOL = "debian/pool/main/"
PACKAGES = {
    "containerd": (
        "c/containerd/containerd_1.6.20~ds1-1+deb12u3_amd64.deb",
        "8669d264eeb0fcdb4a0b1ba436ab88ec5dafde4a66e1278ec279d830db4c2216",
    ),
    "docker-registry": (
        "d/docker-registry/docker-registry_2.8.2+ds1-1_amd64.deb",
        "a9bd06c0e006854608f8469b4371743f40604ad90975532bb3b7ceeb72fe2913",
    ),
}
"""Path and sha256 of each, as the last point release of bookworm has them for good."""


def debian_program(package: str, path: str) -> str:
    """The program that a package holds at `path`."""
    name = os.path.basename(path)
    installed = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if installed:
        return installed
    mirror = parse_settings(_SETTINGS.read_text()).network.apt
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    kept = Path(cache, "enterprise-gateway-images", "test-programs", package, name)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        where, digest = PACKAGES[package]
        with urllib.request.urlopen(f"{mirror}/{_POOL}{where}", timeout=60) as answer:
            data = answer.read()
        assert sha256(data).hexdigest() == digest
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            Path(scratch, "deb").write_bytes(data)
            members = Deb(Path(scratch, "deb")).members()
            program = Path(scratch, name)
            program.write_bytes(next(member.data for member in members if member.name == path))
            program.chmod(0o755)
            program.replace(kept)  # at once: another run may be looking
    return str(kept)
