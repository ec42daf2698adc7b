"""`prune` and the bound on a real engine, with tiny images of an organisation of our own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from workshop import Verbs, Workshop

from buildlib.core.store.names import key_digits
from buildlib.engine import connect

pytestmark = pytest.mark.engine

BUILDS = 41
"""The 11th removes six of them, and each sixth after it."""


@pytest.fixture
def real(shop: Workshop) -> Iterator[Workshop]:
    """A workspace of one image, on the engine of this machine."""
    shop.real = True
    shop.setting("organization", f"buildlib-test-{os.getpid()}-{os.urandom(3).hex()}")
    shop.image("images/a")
    yield shop
    engine = connect()
    for tag in engine.tags(f"{organization(shop)}/*"):
        engine.untag(tag)


def organization(shop: Workshop) -> str:
    return shop.open().settings.organization


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def built(shop: Workshop, verb: Verbs, number: int) -> tuple[str, str]:
    """Edit and build; the key and the image's ID."""
    shop.file("images/a/Dockerfile", f"FROM scratch\nLABEL number={os.urandom(8).hex()}{number}\n")
    told = verb("build", "a")
    assert told.code == 0, told.err
    ref = shop.content_tag("//images/a")
    info = connect().inspect([ref])[ref]
    assert info
    return shop.key("//images/a"), info.id


def test_edits_leave_the_newest_few_and_prune_what_is_free(real: Workshop, verb: Verbs) -> None:
    engine = connect()
    made = [built(real, verb, number) for number in range(BUILDS)]
    pattern = f"{organization(real)}/*:key-*"
    assert set(engine.tags(pattern)) == {
        real.content_tag("//images/a", key) for key, _ in made[-5:]
    }
    there = engine.inspect([image for _, image in made])
    assert [there[image] is not None for _, image in made] == [False] * (BUILDS - 5) + [True] * 5

    for key, _ in made[-5:]:
        path = real.store / "records" / key[:2] / f"{key[2:]}.json"
        os.utime(path, (0, 0))
    stopped, free, released, foreign, present = made[-5:]
    name = f"{organization(real)}-kept"
    docker("create", "--name", name, stopped[1], "/nothing")
    try:
        engine.tag(released[1], f"{organization(real)}/a:2.5.0")
        # The record of this key names another image than its tag does now.
        engine.tag(free[1], real.content_tag("//images/a", foreign[0]))
        told = verb("prune", "--yes", "--json")
    finally:
        docker("rm", name)
    assert told.code == 0, told.out + told.err
    plain = json.loads(told.out)
    assert [row["key"] for row in plain["deleted"]] == [key_digits(free[0])]
    reasons = {row["key"]: row["reason"] for row in plain["kept"]}
    assert reasons == {
        key_digits(stopped[0]): f"the container {name} stands on it",
        key_digits(released[0]): f"it is {organization(real)}/a:2.5.0",
        key_digits(foreign[0]): "no record says that a build of ours made it",
        key_digits(present[0]): f"it is {organization(real)}/a:dev",
    }
    assert real.content_tag("//images/a", free[0]) not in engine.tags(pattern)
    assert real.content_tag("//images/a", foreign[0]) in engine.tags(pattern)
    assert real.action("//images/a") == "fresh"
