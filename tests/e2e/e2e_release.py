"""A family that can be released: in git, with proofs of its own, and a registry.

Its proof starts no kernel: it looks whether the image is there and says which it was. What a
real proof is, is tested elsewhere; here it matters what is proved, and when.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from e2e_process import Family

VERSION = "1.0.0"

_PROOF = '''\
"""Says which image an image is."""
import argparse, http.client, json, os, socket, sys

parser = argparse.ArgumentParser()
parser.add_argument("images", nargs="+")
parser.add_argument("--json")
parser.add_argument("--progress", action="store_true")
options = parser.parse_args()


class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        self.sock.connect(where.removeprefix("unix://"))


engine = Engine("engine")
engine.request("GET", f"/images/{options.images[0]}/json")
image = json.load(engine.getresponse())["Id"]
with open(options.json, "w") as file:
    json.dump({
        "schema": 1, "image": options.images[0], "image_id": image, "language": "",
        "verdict": "works", "columns": [], "rows": [],
        "cases": [{"name": "is there", "ok": True, "seconds": 0.1, "rule": "", "message": "",
                   "times": {}, "tried": True, "document": ""}],
    }, file)
'''

_CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- All of it.
"""

FILES = {
    "verify/__init__.py": "",
    "verify/__main__.py": _PROOF,
    "verify/BUILD.py": (
        "from buildlib.rules import filegroup\n\n"
        'filegroup(name="verify", srcs=["__main__.py"], doc="the proof")\n'
    ),
    "images/server/BUILD.py": """\
from buildlib.rules import docker_image, kernel_check, tarball

tarball(name="specs", parts={"all": {"./": "//specs:left_spec"}}, doc="what it starts")
docker_image(name="server", parent="//images/base", srcs=[":specs"], doc="names the others")
kernel_check(name="verify", image=":server", doc="the server")
""",
    "images/server/Dockerfile": (
        "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nADD specs.tar /specs/\n"
    ),
    "CHANGELOG.md": _CHANGELOG,
    ".gitignore": "/.buildlib/\n/dist/\n__pycache__/\n",
}
PROVED = ("left", "right")
IMAGES = ("base", "left", "base-two", "right", "server")
STAMPED = "server"


def make_releasable(family: Family, registry: str = "") -> None:
    """Add what a release needs, and commit all of it.

    Args:
        family: A new family.
        registry: Where it is published; empty for nowhere.
    """
    for name, text in FILES.items():
        family.write(name, text)
    for name in PROVED:
        path = f"images/{name}/BUILD.py"
        declared = family.read(path).replace("docker_image", "docker_image, kernel_check", 1)
        proof = f'kernel_check(name="verify", image=":{name}", doc="the proof of {name}")\n'
        family.write(path, declared + proof)
    if registry:
        family.replace(
            "pyproject.toml", "[tool.buildlib]\n", f'[tool.buildlib]\nregistry = "{registry}"\n'
        )
    git(family, "init", "-q", "-b", "main")
    git(family, "config", "user.name", "A Developer")
    git(family, "config", "user.email", "developer@example.com")
    commit(family, "Begin")


def git(family: Family, *words: str) -> str:
    """A git command in the workspace; what it printed."""
    done = subprocess.run(
        ["git", *words], cwd=family.root, env=family.env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(family: Family, message: str) -> None:
    """Commit all there is."""
    git(family, "add", "-A")
    git(family, "commit", "-q", "-m", message)


def build_and_prove(family: Family) -> None:
    """What one does before a release."""
    family.build()
    done = family.run("verify")
    assert done.code == 0, done.text


def listed(family: Family, version: str = VERSION) -> dict[str, dict[str, Any]]:
    """The images of a release by name, as its images.json lists them."""
    plain = json.loads(family.read(f"dist/{version}/images.json"))
    return {os.path.basename(image["repository"]): image for image in plain["images"]}


def files_below(folder: Path) -> dict[str, bytes]:
    """The bytes of each file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
