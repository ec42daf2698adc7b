"""Fingerprints of our own code: another one after each edit, the same by whichever path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildlib.core import fingerprint


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small `buildlib`."""
    folder = tmp_path / "buildlib"
    (folder / "core/dsl").mkdir(parents=True)
    (folder / "core/dsl/check.py").write_text("1\n")
    (folder / "core/view.py").write_text("1\n")
    monkeypatch.setattr(fingerprint, "_HOME", str(folder))
    return folder


@pytest.mark.parametrize("kind", [fingerprint.stamp, fingerprint.digest])
def test_an_edit_a_new_file_and_a_removal_change_it(kind, home: Path) -> None:
    seen = [kind("core/dsl", "core/view.py")]
    assert kind("core/dsl", "core/view.py") == seen[0]
    (home / "core/view.py").write_text("2 \n")
    seen.append(kind("core/dsl", "core/view.py"))
    (home / "core/dsl/glob.py").write_text("")
    seen.append(kind("core/dsl", "core/view.py"))
    (home / "core/dsl/check.py").unlink()
    seen.append(kind("core/dsl", "core/view.py"))
    assert len(set(seen)) == 4


@pytest.mark.parametrize("kind", [fingerprint.stamp, fingerprint.digest])
def test_what_is_no_source_or_not_named_does_not_count(kind, home: Path) -> None:
    before = kind("core/dsl")
    (home / "core/view.py").write_text("2 \n")
    (home / "core/dsl/__pycache__").mkdir()
    assert kind("core/dsl") == before


@pytest.mark.parametrize("kind", [fingerprint.stamp, fingerprint.digest])
def test_a_checkout_has_one_by_whichever_path_it_is_reached(
    kind, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kind("core/dsl", "core/view.py")
    os.symlink(home.parent, home.parent.parent / f"{home.parent.name}-link")
    monkeypatch.setattr(fingerprint, "_HOME", f"{home.parent}-link/buildlib")
    assert kind("core/dsl", "core/view.py") == before
