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

pytestmark = [pytest.mark.slow, pytest.mark.engine]

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
    assert {case["name"] for case in report["cases"]} | set(report["left_out"]) == set(named)
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


TABLE = """\
before
<!-- figures: benchmarks/run.py --write -->

A machine

| case | ours / peer | medians | minima | goal | | day |
|---|---|---|---|---|---|---|
| `noop` | us / them | 2 | 2 | 1 | missed | 2026-11-01 |
| `edit` | us / them | 3 | 3 | 1 | missed | 2026-11-01 |

<!-- end of figures -->
after
"""

MEASURED = {
    "cases": [
        {
            "name": "noop",
            "ratios": [
                {
                    "ours": "us",
                    "peer": "them",
                    "medians": 0.51234,
                    "minima": 0.5,
                    "goal": 1.0,
                    "verdict": "met",
                }
            ],
        }
    ]
}


def write_page(page: Path, machine: str) -> subprocess.CompletedProcess[str]:
    """Write what was measured, as `run.py --write` does."""
    code = (
        "import sys, json, pathlib; sys.path.insert(0, 'benchmarks'); import page;"
        "page.write(json.loads(sys.argv[1]), sys.argv[2], '2026-12-01', pathlib.Path(sys.argv[3]))"
    )
    argv = [sys.executable, "-c", code, json.dumps(MEASURED), machine, str(page)]
    return subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)


def test_measured_ratios_replace_their_rows_and_no_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TABLE, encoding="utf-8")
    assert write_page(page, "A machine").returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "| `noop` | us / them | 0.512 | 0.5 | 1 | met | 2026-12-01 |" in text
    assert "| `edit` | us / them | 3 | 3 | 1 | missed | 2026-11-01 |" in text
    assert text.count("`noop`") == 1
    assert text.startswith("before\n")
    assert text.endswith("<!-- end of figures -->\nafter\n")
    assert write_page(page, "A machine").returncode == 0
    assert page.read_text(encoding="utf-8").splitlines().count("A machine") == 1


def test_figures_of_two_machines_never_share_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TABLE, encoding="utf-8")
    done = write_page(page, "Another machine")
    assert done.returncode == 1
    assert "figures of another machine\n  fix: " in done.stderr
    assert page.read_text(encoding="utf-8") == TABLE
