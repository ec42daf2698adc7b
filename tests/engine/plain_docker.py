"""A docker client that can build with BuildKit, for tests that ask the engine itself."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from functools import cache

import pytest


@cache
def client() -> tuple[str, int]:
    """The first client on PATH that can build, and its major version.

    A client since 23 builds through the buildx plug-in; one without it is of no use here.
    """
    for folder in os.get_exec_path():
        path = shutil.which("docker", path=folder)
        if path is None:
            continue
        version = _run([path, "version", "--format", "{{.Client.Version}}"]).stdout.decode()
        major = int(version.partition(".")[0] or 0)
        if 0 < major < 23 or _run([path, "buildx", "version"]).returncode == 0:
            return path, major
    return pytest.fail("no docker client on PATH can build with BuildKit")


@cache
def engine_major() -> int:
    """The major version of the engine."""
    answer = docker("version", "--format", "{{.Server.Version}}")
    return int(answer.stdout.decode().partition(".")[0])


def docker(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the client."""
    return _run([client()[0], *arguments])


def build(folder: os.PathLike[str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Build a folder."""
    return docker("build", *arguments, str(folder))


def built_files(folder: os.PathLike[str], *arguments: str) -> dict[str, tarfile.TarInfo]:
    """Build a folder and list what is in the result, but for folders."""
    done = build(folder, "--output", "type=tar,dest=-", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return {entry.name.removeprefix("./"): entry for entry in archive if not entry.isdir()}


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    return subprocess.run(command, capture_output=True, env=environment, check=False, timeout=300)
