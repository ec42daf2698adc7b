"""A deterministic archive makes one layer, whatever image it is added to."""

from __future__ import annotations

import json
import os

import pytest
from plain_docker import build, docker

from buildlib.core.pack.compress import compress
from buildlib.core.pack.tar import Member, write_tar

pytestmark = pytest.mark.engine

MEMBERS = [
    Member("usr/local/bin/run.sh", 0o755, b"#!/bin/sh\n"),
    Member("usr/local/bin/same", kind="hardlink", target="usr/local/bin/run.sh"),
    Member("usr/local/bin/link", kind="link", target="run.sh"),
    Member("usr/local/share/deep/data", 0o644, b"data"),
]
PARENTS = {
    "empty": "",
    "with the folders": "COPY x /usr/local/bin/x\n",
    "with folders of another age, owner and mode": "ADD --chown=7:7 old.tar /\n",
    "with the same file": "COPY x /usr/local/bin/run.sh\n",
}


def last_layer(folder, text):
    (folder / "Dockerfile").write_text(f"FROM scratch\n{text}")
    done = build(folder, "--quiet")
    assert done.returncode == 0, done.stderr.decode()
    image = done.stdout.decode().strip()
    layers = json.loads(docker("image", "inspect", image).stdout)[0]["RootFS"]["Layers"]
    docker("image", "rm", image)
    return layers[-1]


def test_adding_an_archive_gives_the_same_layer_on_every_parent(tmp_path):
    (tmp_path / "x").write_bytes(os.urandom(8))
    with (tmp_path / "a.tar").open("wb") as out:
        write_tar(MEMBERS, out, epoch=1_000_000_000)
    with (tmp_path / "a.tar").open("rb") as tar, (tmp_path / "a.tar.gz").open("wb") as out:
        compress(tar, out)
    with (tmp_path / "old.tar").open("wb") as out:
        write_tar([Member("usr/local/bin/old")], out, epoch=5)
    layers = {
        last_layer(tmp_path, f"{parent}ADD {name} /\n")
        for parent in PARENTS.values()
        for name in ("a.tar", "a.tar.gz")
    }
    assert len(layers) == 1
