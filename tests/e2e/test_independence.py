"""A key is the same wherever, whenever and by whomever it is computed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_process import Family
from e2e_sample import ROOT

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_clones_have_equal_keys_at_any_path_clock_and_locale(
    offline: Family, open_folder: Path
) -> None:
    keys = offline.keys()
    assert len(keys) == 7
    clone = Family(open_folder / "a much longer path/with spaces", offline.organization)
    shutil.copytree(offline.root, clone.root, symlinks=True)
    for path in clone.root.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (86_400, 86_400))
    moved = clone.keys(
        TZ="Pacific/Kiritimati", LANG="tr_TR.UTF-8", LC_ALL="C", PYTHONHASHSEED="7", USER="else",
        DOCKER_DEFAULT_PLATFORM="linux/arm64", SOURCE_DATE_EPOCH="1", HOSTNAME="elsewhere",
    )  # fmt: skip
    assert moved == keys
    assert offline.keys(PYTHONHASHSEED="42") == keys


def test_a_clone_made_with_another_umask_has_equal_keys(offline: Family, tmp_path: Path) -> None:
    clone = Family(tmp_path / "tight", offline.organization)
    clone.folder.mkdir(exist_ok=True)
    shutil.copytree(offline.root, clone.root, symlinks=True)
    for path in clone.root.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    assert clone.keys() == offline.keys()


def test_another_user_computes_equal_keys(offline: Family, open_folder: Path) -> None:
    """As `nobody`, with a checkout, a home, a store and a build system of its own.

    Only root can become somebody else; without that, being told of another user is all there is.
    """
    clone = Family(open_folder / "nobody", offline.organization)
    shutil.copytree(offline.root, clone.root, symlinks=True)
    own = clone.folder / "lib"
    shutil.copytree(
        ROOT / "buildlib", own / "buildlib", ignore=shutil.ignore_patterns("__pycache__")
    )
    if sys.version_info < (3, 11):
        import tomli

        shutil.copytree(Path(tomli.__file__).parent, own / "tomli")
    clone.env |= {"PYTHONPATH": str(own), "USER": "nobody", "LOGNAME": "nobody"}
    prefix: list[str] = []
    if os.geteuid() == 0:
        for path in (clone.folder, *clone.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    python = getattr(sys, "_base_executable", sys.executable)  # one that others may run
    done = subprocess.run(
        [*prefix, python, "-m", "buildlib", "plan", "--json"],
        cwd=clone.root,
        env=clone.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    import json

    answer = json.loads(done.stdout)
    assert {step["label"]: step["key"] for step in answer["steps"]} == offline.keys()


def test_a_workspace_that_cannot_be_written_can_be_asked(
    offline: Family, open_folder: Path
) -> None:
    """CI systems mount checkouts read-only; a question needs to write nothing."""
    offline.run("plan")
    shutil.rmtree(offline.root / ".buildlib")
    if os.geteuid() == 0:  # root may write anywhere but to a read-only mount
        script = (
            f'mount --bind -o ro "{offline.root}" "{offline.root}" && cd "{offline.root}" && "$@"'
        )
        prefix = ["unshare", "--mount", "sh", "-c", script, "-"]
        keys = offline.keys(prefix=prefix)
    else:
        offline.root.chmod(0o555)
        keys = offline.keys()
        offline.root.chmod(0o755)
    assert not (offline.root / ".buildlib").exists()
    assert keys == offline.keys()
