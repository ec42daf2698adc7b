"""A build with nothing to do starts fast: what it has no use for is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.workspace import WorkspaceBuilder

REPOSITORY = Path(__file__).parents[2]
LATE = {
    "bz2", "doit", "docker", "lzma", "shutil", "subprocess", "tarfile", "tempfile", "urllib3",
    "zipfile",
    "buildlib.cli.help", "buildlib.core.dockerfile.check", "buildlib.core.pack.unpack",
    "buildlib.build.execution.pull_and_publish", "buildlib.build.execution.timeline",
    "buildlib.build.sharing.entry", "buildlib.build.sharing.shared_store",
    "buildlib.outside.fetch.fetcher", "buildlib.outside.package_index",
    "buildlib.outside.registry.client", "buildlib.outside.registry.protocol",
    "buildlib.outside.web",
}  # fmt: skip
REPEAT = """
import os, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
from buildlib.build import noop_cache
noop_cache.repeat(("doitw", "build"))
print(*set(sys.modules) - before)
"""
LOAD = """
import sys
sys.path.insert(0, sys.argv[1])
from buildlib.cli.main import main
from buildlib.cli.verb import find
from buildlib.build.workspace import Workspace
find("build")
Workspace(sys.argv[2]).graph
print(*sys.modules)
"""


def test_what_was_checked_before_is_loaded_without_what_checks_it(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    made.build("other", 'external_image(name="other", image="quay.io/some/base:1")')
    made.image("a", 'parent="//other"', "ARG BASE_CONTAINER=base\nFROM ${BASE_CONTAINER}\n")
    workspace = made.open()
    assert workspace.graph
    workspace.save()
    command = [sys.executable, "-I", "-S", "-c", LOAD, str(REPOSITORY), str(made.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "buildlib.core.graph.validate" in loaded
    assert loaded & LATE == set()
    verbs = {name for name in loaded if name.startswith("buildlib.cli.commands.")}
    assert verbs == {"buildlib.cli.commands.build"}


def test_what_is_said_again_needs_hardly_any_module(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path)
    command = [sys.executable, "-I", "-S", "-c", REPEAT, str(REPOSITORY)]
    done = subprocess.run(command, cwd=made.root, capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("buildlib")}
    assert ours == {
        "buildlib", "buildlib.build", "buildlib.build.noop_cache", "buildlib.core",
        "buildlib.core.cache_file", "buildlib.core.keys", "buildlib.core.keys.index",
        "buildlib.engine", "buildlib.engine.wire",
    }  # fmt: skip
    others = set(done.stdout.split()) - ours
    assert others <= {"__future__", "_operator", "_socket", "gc", "marshal", "time", "zlib"}
