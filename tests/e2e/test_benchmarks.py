"""The benchmarks run, in their small form. What they measure is no matter of tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import docker
import pytest
from e2e_sample import ROOT

pytestmark = pytest.mark.engine

PAGE = ROOT / "docs/performance.md"

MAKE_THAT_FAILS = """\
#!/bin/sh
case $* in *--silent*) echo "make: out of luck"; exit 2 ;; esac
echo "Nothing to be done"
"""
"""As if all were well, until it is timed."""


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run them as a person does; whatever they leave on disk is below `tmp_path / "left"`."""
    left = tmp_path / "left"
    left.mkdir()
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks/run.py", "--small", *words],
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(left),
        },
        check=False,
        capture_output=True,
        text=True,
    )


def test_every_case_gives_figures_and_nothing_is_left(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    done = run(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {case["name"] for case in report["cases"]} == set(named)
    for case in report["cases"]:
        assert all(side["minimum"] > 0 for side in case["sides"])
        assert {ratio["verdict"] for ratio in case["ratios"]} == {""}
    assert not list((tmp_path / "left").iterdir())
    organization = report["organization"]
    filters = ({"reference": f"{organization}/*"}, {"label": f"benchmark={organization}"})
    assert [client.images.list(filters=one) for one in filters] == [[], []]


def test_a_case_that_fails_ends_the_run_with_what_was_said(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(MAKE_THAT_FAILS, encoding="utf-8")
    make.chmod(0o755)
    done = run(tmp_path, "--only", "many")
    assert done.returncode == 1
    assert done.stderr == "error: make -rR --silent failed\nmake: out of luck\n\n"
    assert not list((tmp_path / "left").iterdir())
