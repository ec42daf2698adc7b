"""`kill -9` of builds at random moments: no wrong hit, no half-named image, a right next build.

BUILDLIB_KILLS says how many; BUILDLIB_KILL_SEED repeats a run whose seed a failure has shown.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import time

import pytest
from e2e_engine import Images, files_of
from e2e_family_check import assert_right, contents
from e2e_process import Family
from e2e_sample import REPOSITORIES

pytestmark = [pytest.mark.slow, pytest.mark.engine]

KILLS = int(os.environ.get("BUILDLIB_KILLS", "6"))
SEED = os.environ.get("BUILDLIB_KILL_SEED") or secrets.token_hex(4)

EDITED = ("images/base/motd", "images/left/files/one.txt", "launchers/left/left.txt",
          "launchers/bootstrap.sh", "tools/made.txt")  # fmt: skip
"""Sources that are edited before each build. Each has few states, so that builds come back to
states that a killed build had begun."""

STATES = 3
AGAIN = 0.7
"""How often a killed build is followed by a whole one; else the next is killed on top of it."""


def test_a_killed_build_leaves_nothing_that_is_wrong(family: Family, images: Images) -> None:
    chance = random.Random(SEED)
    family.build()
    began = time.monotonic()
    edit(family, chance)
    family.build()
    usual = time.monotonic() - began

    states: dict[str, list[dict[str, str]]] = {name: [] for name in REPOSITORIES.values()}
    remember(family, states)
    killed = 0
    while killed < KILLS:
        told = f"kill {killed + 1} of {KILLS}, BUILDLIB_KILL_SEED={SEED}"
        edit(family, chance)
        remember(family, states)
        build = family.start("build", f"-n{chance.choice((1, 4))}")
        time.sleep(chance.uniform(0.0, usual))  # the moment is the point: at random
        build.signal(signal.SIGKILL)
        killed += build.wait() == -signal.SIGKILL  # else it had ended by then
        assert_no_name_lies(family, images, states, told)
        if chance.random() < AGAIN:
            family.build()
            assert_right(family, images)
    family.build()
    assert_right(family, images)


def edit(family: Family, chance: random.Random) -> None:
    """Bring some sources into one of their few states."""
    for name in chance.sample(EDITED, chance.randint(1, 3)):
        family.write(name, f"state {chance.randrange(STATES)} of {name}\n")


def remember(family: Family, states: dict[str, list[dict[str, str]]]) -> None:
    """Note what the images of the sources as they are would hold."""
    for name, files in contents(family).items():
        if files not in states[name]:
            states[name].append(files)


def assert_no_name_lies(
    family: Family, images: Images, states: dict[str, list[dict[str, str]]], told: str
) -> None:
    """Whatever has a name is an image that a record vouches for, and whole."""
    recorded = recorded_images(family)
    for reference, image in images.tags().items():
        name, _, tag = reference.rpartition("/")[2].partition(":")
        assert image in recorded, f"{reference} is in no record ({told})"
        if tag.startswith("key-"):
            assert tag[4:] in recorded[image], f"{reference} has another's record ({told})"
        else:
            assert files_of(images.client, image) in states[name], f"{reference} ({told})"


def recorded_images(family: Family) -> dict[str, set[str]]:
    """For each image in a record the keys, as content tags show them, of these records."""
    found: dict[str, set[str]] = {}
    for path in (family.store / "records").rglob("*.json"):
        if not path.name.endswith(".parts.json"):
            key = (path.parent.name + path.name.removesuffix(".json"))[:32]
            for image in json.loads(path.read_text())["images"]:
                found.setdefault(image, set()).add(key)
    return found
