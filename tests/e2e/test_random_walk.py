"""A random walk over sources: what each build makes is what a fresh build of them makes.

BUILDLIB_WALK says how many builds; BUILDLIB_WALK_SEED repeats a walk that a failure has shown.
"""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

import pytest
from e2e_engine import Images
from e2e_fresh import Fresh, content_of
from e2e_process import Family
from e2e_walk import IMAGES, Sources

from tests.unit.fetch_server import Server

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROUNDS = int(os.environ.get("BUILDLIB_WALK", "12"))
SEED = os.environ.get("BUILDLIB_WALK_SEED") or secrets.token_hex(4)
AGAIN = 0.15
"""How often a build is asked to build all again."""


@pytest.mark.parametrize(("seed", "rounds"), [("5", 12), (SEED, ROUNDS)], ids=["known", "random"])
def test_a_build_makes_what_a_fresh_one_makes(
    tmp_path: Path, images: Images, seed: str, rounds: int
) -> None:
    print(f"BUILDLIB_WALK_SEED={seed}")
    chance = random.Random(seed)
    # The engine remembers folders by their paths: none is used a second time.
    family = Family(tmp_path / secrets.token_hex(8), images.organization, "")
    wrong: list[str] = []
    known: list[str] = []
    with Server() as server:
        sources = Sources(family, server, chance)
        fresh = Fresh(family, images, IMAGES)
        for number in range(1, rounds + 1):
            told = sources.edit()
            words = ["-a"] if chance.random() < AGAIN else []
            built = family.run("build", *words)
            if sources.broken:
                found = [] if built.code else ["a Dockerfile that cannot be built was built"]
            elif built.code:
                found = [f"the build failed: {built.text}"]
            else:
                found = [*fresh.differences(), *not_at_rest(family, images)]
            new = [line for line in found if line not in known]
            if new:
                shown = "\n    ".join(new)
                wrong.append(f"build {number} ({told}):\n    {shown}")
            known = known if sources.broken else found
    assert not wrong, "\n".join(
        [f"{len(wrong)} of {rounds} builds are wrong, BUILDLIB_WALK_SEED={seed}", *wrong]
    )


def test_no_file_of_an_image_is_a_link_to_another(tmp_path: Path, images: Images) -> None:
    """It would be one only where the store and the workspace are on one file system."""
    family = Family(tmp_path / secrets.token_hex(8), images.organization, "")
    with Server() as server:
        Sources(family, server, random.Random(0))
        family.build()
    content = content_of(images, "top")
    assert "layer 1 top/spec/group/shared.txt" in content
    assert not [where for where, what in content.items() if what.startswith("b'1' ")]


def not_at_rest(family: Family, images: Images) -> list[str]:
    """What is wrong with a build of nothing new."""

    def ids() -> list[str]:
        names = (f"{images.organization}/{name}:dev" for name in IMAGES)
        return [images.client.api.inspect_image(name)["Id"] for name in names]

    before = ids()
    again = family.run("build", "--json")
    if again.code:
        return [f"a second build fails: {again.text}"]
    found = [f"{step['label']} is stale: {step['reason']}" for step in again.json["steps"]]
    return found if ids() == before else [*found, "an image has another ID"]
