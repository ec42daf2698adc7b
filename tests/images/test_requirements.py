"""The locks of Python packages: whole, bare of the place they were made, and one with the parent's.

These need no engine.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
PARENT = {
    "bases/minimal-notebook": "",
    "bases/scipy-notebook": "bases/minimal-notebook",
    "bases/tensorflow-notebook": "bases/scipy-notebook",
    "kernel-py": "bases/scipy-notebook",
    "kernel-tf-py": "bases/tensorflow-notebook",
}

every_lock = pytest.mark.parametrize("image", PARENT)


def locked(image: str) -> dict[str, str]:
    text = (IMAGES / image / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.MULTILINE))


@every_lock
def test_each_requirement_is_locked_with_hashes(image):
    wanted = (IMAGES / image / "requirements.in").read_text()
    names = re.findall(r"^[A-Za-z0-9_-]+", wanted, re.MULTILINE)
    assert {name.lower().replace("_", "-") for name in names} <= set(locked(image))
    lock = (IMAGES / image / "requirements.lock").read_text()
    entries = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked(image))
    assert all("--hash=sha256:" in entry for entry in entries)


@every_lock
def test_nothing_tells_where_it_was_made(image):
    lock = (IMAGES / image / "requirements.lock").read_text()
    assert not re.search(r"://|^--", lock, re.MULTILINE)
    assert [word for word in lock.split() if word.startswith("/")] == []


@every_lock
def test_a_child_changes_no_version_of_its_parents(image):
    own = locked(image)
    parent = image
    while parent := PARENT[parent]:
        theirs = locked(parent)
        both = own.keys() & theirs.keys()
        assert {name: own[name] for name in both} == {name: theirs[name] for name in both}
