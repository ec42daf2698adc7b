"""The fixes that the gateway's image puts into its server, and when they are refused."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "images" / "enterprise-gateway"
SCRIPT = FOLDER / "apply_backports.py"
RELEASED = "import json\n\n\ndef text(value):\n    return json.dumps(value)  # é\n"
MENDED = "import shlex\n\n\ndef text(value):\n    return shlex.quote(value)  # é\n"


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("apply_backports", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def server(module, tmp_path, monkeypatch):
    """An installed server of one file, and a fix for it."""
    path = tmp_path / "server" / "launch.py"
    path.parent.mkdir()
    path.write_text(RELEASED, encoding="utf-8")
    path.chmod(0o640)
    fix = module.Backport(
        upstream="abc123", file="server/launch.py",
        sha256=hashlib.sha256(RELEASED.encode()).hexdigest(),
        changes=(("import json\n", "import shlex\n"), ("json.dumps", "shlex.quote")),
    )  # fmt: skip
    monkeypatch.setattr(module, "BACKPORTS", (fix,))
    return path


def refused(module, folder):
    with pytest.raises(module.Refused) as caught:
        module.apply(str(folder))
    return str(caught.value)


def test_the_file_of_the_release_is_mended_and_compiled(module, server, tmp_path):
    cached = Path(importlib.util.cache_from_source(str(server)))
    module.apply(str(tmp_path))
    assert server.read_text(encoding="utf-8") == MENDED
    assert server.stat().st_mode & 0o777 == 0o640
    stamp = int.from_bytes(cached.read_bytes()[8:12], "little")  # what Python compares
    assert stamp == int(server.stat().st_mtime)
    assert {each.name for each in server.parent.iterdir()} == {"__pycache__", "launch.py"}


def test_a_file_that_an_installer_shares_with_its_cache_is_not_written_through(
    module, server, tmp_path
):
    shared = tmp_path / "cache"
    os.link(server, shared)
    module.apply(str(tmp_path))
    assert shared.read_text(encoding="utf-8") == RELEASED


def test_another_release_is_refused_and_stays_as_it_is(module, server, tmp_path):
    other = RELEASED + "# one line more\n"
    server.write_text(other, encoding="utf-8")
    said = refused(module, tmp_path)
    assert "server/launch.py is not the file that the fix was written for" in said
    assert hashlib.sha256(other.encode()).hexdigest() in said
    assert "fix: if this release of the server has upstream's abc123, remove" in said
    assert server.read_text(encoding="utf-8") == other


def test_a_fix_is_not_put_in_twice(module, server, tmp_path):
    module.apply(str(tmp_path))
    assert "server/launch.py has the fix already" in refused(module, tmp_path)
    assert server.read_text(encoding="utf-8") == MENDED


def test_one_fix_that_does_not_fit_keeps_all_out(module, server, tmp_path, monkeypatch):
    [fix] = module.BACKPORTS
    monkeypatch.setattr(module, "BACKPORTS", (fix, fix._replace(file="server/none.py")))
    assert "there is no" in refused(module, tmp_path)
    assert server.read_text(encoding="utf-8") == RELEASED


@pytest.mark.parametrize("old", ["not there", "json"])
def test_a_text_has_to_be_there_once(module, server, tmp_path, monkeypatch, old):
    [fix] = module.BACKPORTS
    monkeypatch.setattr(module, "BACKPORTS", (fix._replace(changes=((old, "new"),)),))
    assert "not once in it" in refused(module, tmp_path)


def test_as_a_program_it_fails_where_there_is_no_such_server(tmp_path):
    # This environment has no gateway.
    assert not Path(sysconfig.get_path("purelib"), "enterprise_gateway").exists()
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("apply_backports: error: there is no ")
    assert "\n  fix: pip install " in done.stderr
    assert "Traceback" not in done.stderr


def test_label_and_page_name_what_is_carried(module):
    commits = [fix.upstream for fix in module.BACKPORTS]
    label = re.search(r'enterprise-gateway\.backports="(.+)"', (FOLDER / "Dockerfile").read_text())
    assert label is not None
    assert label[1].split() == commits
    page = (ROOT / "docs" / "images" / "enterprise-gateway.md").read_text()
    table = page.partition("## Backports")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|") and "**carried**" in line]
    assert len(rows) == len(commits)
    assert all(commit in row for commit, row in zip(commits, rows, strict=True))
