"""Releases of a small family into a real registry: whole or not visible, and what was proved."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import docker
import pytest
from e2e_engine import Images
from e2e_process import Family
from e2e_release import (
    IMAGES,
    STAMPED,
    VERSION,
    build_and_prove,
    commit,
    files_below,
    git,
    listed,
    make_releasable,
)

from tests.support.registry import Registry
from tests.support.registry import registry as a_registry

pytestmark = [pytest.mark.slow, pytest.mark.engine]

KILLS = int(os.environ.get("BUILDLIB_KILLS", "4"))
SEED = os.environ.get("BUILDLIB_KILL_SEED") or secrets.token_hex(4)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with a_registry() as there:
        yield there


@pytest.fixture
def published(family: Family, registry: Registry, client: docker.DockerClient) -> Iterator[Images]:
    """The family, built and proved and ready to be released into the registry; its images."""
    make_releasable(family, registry.host)
    images = Images(client, f"{registry.host}/{family.organization}")
    build_and_prove(family)
    yield images
    images.remove()


def digest(registry: Registry, repository: str, tag: str) -> str | None:
    """What a tag stands for, asked of the registry itself."""
    kinds = "application/vnd.oci.image.manifest.v1+json, "
    kinds += "application/vnd.docker.distribution.manifest.v2+json"
    question = urllib.request.Request(
        f"{registry.url}/v2/{repository}/manifests/{tag}", headers={"Accept": kinds}, method="HEAD"
    )
    try:
        with urllib.request.urlopen(question, timeout=10) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def visible(registry: Registry, family: Family, tag: str = VERSION) -> dict[str, str | None]:
    """What the release's tag stands for in each repository, that of the index included."""
    names = (*IMAGES, "releases")
    return {name: digest(registry, f"{family.organization}/{name}", tag) for name in names}


def release(family: Family, *words: str, **env: str) -> str:
    done = family.run("release", *words, f"VERSION={VERSION}", **env)
    assert done.code == 0, done.text
    return done.out


def test_what_was_proved_is_what_ships(
    family: Family, published: Images, registry: Registry
) -> None:
    before = published.tags()
    told = family.run("plan", "release", f"VERSION={VERSION}")
    assert told.code == 0, told.text
    assert f"{registry.host}/{family.organization}/left:{VERSION}" in told.out
    assert "//images/server" in told.out or "server" in told.out
    assert published.tags() == before
    assert set(visible(registry, family).values()) == {None}

    said = release(family)

    shown = visible(registry, family)
    images = listed(family)
    assert None not in shown.values()
    assert {name: images[name]["digest"] for name in IMAGES} == {n: shown[n] for n in IMAGES}
    assert visible(registry, family, "latest") | {"releases": None} == shown | {"releases": None}
    # Only what names the others was built; all else is the very image that was proved.
    for name in IMAGES:
        unmoved = published.id(name, "dev") == images[name]["image_id"]
        assert unmoved == (name != STAMPED), name
        assert images[name]["stamped"] == (name == STAMPED)
        assert published.id(name, VERSION) == images[name]["image_id"]
    spec = json.loads(published.files(STAMPED, VERSION)["specs/left_spec/kernel.json"])
    assert f"{family.organization}/left:{VERSION}" in json.dumps(spec)
    # Git, here only.
    assert family.read("VERSION") == "1.0.1.dev0\n"
    assert git(family, "show", f"v{VERSION}:VERSION") == VERSION
    assert f"## [{VERSION}]" in family.read("CHANGELOG.md")
    assert git(family, "status", "--porcelain") == ""
    assert "unsigned" in said
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"],
        cwd=family.path(f"dist/{VERSION}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_tag_in_git_has_the_keys_of_the_release(family: Family, published: Images) -> None:
    release(family)
    released = {image["label"]: image["key"] for image in listed(family).values()}
    git(family, "checkout", "-q", f"v{VERSION}")
    keys = family.keys()
    assert {label: keys[label] for label in released} == released


def test_a_local_release_says_that_it_is_not_published(family: Family, images: Images) -> None:
    make_releasable(family)
    build_and_prove(family)
    said = release(family)
    assert "not published" in said
    assert images.id("left", VERSION) == images.id("left", "dev")
    assert {image["digest"] for image in listed(family).values()} == {""}
    images.remove()


def test_what_is_not_proved_does_not_ship(
    family: Family, published: Images, registry: Registry
) -> None:
    family.write("images/left/files/one.txt", "two\n")
    told = family.run("release", f"VERSION={VERSION}")
    assert told.code != 0
    assert "images/left/files/one.txt" in told.err  # the tree is not clean
    commit(family, "Change the left one")
    told = family.run("release", f"VERSION={VERSION}")
    assert told.code == 1
    assert "not built as it is declared now" in told.err
    family.build()
    told = family.run("release", f"VERSION={VERSION}")
    assert told.code == 1
    assert "//images/left:verify" in told.err
    assert "fix: ./doitw verify" in told.err
    assert set(visible(registry, family).values()) == {None}
    assert published.id("left", VERSION) is None
    assert family.run("verify").code == 0
    release(family)


def test_steps_alone_come_to_the_same(
    family: Family, published: Images, registry: Registry
) -> None:
    for step in ("check", "stamp", "verify", "upload"):
        release(family, step)
    release(family, "artifacts")
    folder = family.path(f"dist/{VERSION}")
    first = files_below(folder)
    release(family, "artifacts")
    assert files_below(folder) == first
    assert set(visible(registry, family).values()) == {None}
    release(family, "tag")
    release(family, "tag")
    release(family, "commit")
    assert None not in visible(registry, family).values()
    assert git(family, "log", "--format=%s", "-3").count(VERSION) >= 1


def test_a_version_is_released_once(family: Family, published: Images, registry: Registry) -> None:
    release(family)
    shown = visible(registry, family)
    release(family)  # there is nothing left to do
    assert visible(registry, family) == shown
    # Somebody whose git has never heard of it, with another content.
    git(family, "reset", "-q", "--hard", f"v{VERSION}^")
    git(family, "tag", "-d", f"v{VERSION}")
    family.write("images/left/files/one.txt", "two\n")
    commit(family, "Change the left one")
    build_and_prove(family)
    told = family.run("release", f"VERSION={VERSION}")
    assert told.code == 1, told.text
    assert "never" in told.err
    assert visible(registry, family) == shown


def test_killed_anywhere_a_release_is_whole_or_not_there(
    family: Family, published: Images, registry: Registry
) -> None:
    """BUILDLIB_KILLS says how often; each time from a registry that has nothing of the release."""
    chance = random.Random(SEED)
    steps = ("upload", "artifacts", "tag")
    for step in ("check", "stamp", "verify"):
        release(family, step)
    began = time.monotonic()
    release(family, *steps)
    usual = time.monotonic() - began
    for kill in range(1, KILLS + 1):
        told = f"kill {kill} of {KILLS}, BUILDLIB_KILL_SEED={SEED}"
        forget(registry, family, published)
        running = family.start("release", *steps, f"VERSION={VERSION}")
        time.sleep(chance.uniform(0.0, usual))  # the moment is the point: at random
        running.signal(signal.SIGKILL)
        running.wait()
        seen = visible(registry, family)
        deadline = time.monotonic() + 10
        while None in seen.values() and any(seen.values()):  # the tags are being put right now
            assert time.monotonic() < deadline, f"{told}: half of it is visible: {seen}"
            time.sleep(0.01)
            seen = visible(registry, family)
        release(family, *steps)
        assert None not in visible(registry, family).values(), told


def forget(registry: Registry, family: Family, images: Images) -> None:
    """Remove the release, and all that it pushed, from registry and engine."""
    registry.empty()
    for reference in images.tags():
        if reference.endswith((f":{VERSION}", ":latest")):
            images.untag(reference)


def test_of_two_that_race_one_wins(
    family: Family, published: Images, registry: Registry, clone: Callable[[str], Family]
) -> None:
    other = clone("other")
    other.write("images/left/files/one.txt", "another\n")
    commit(other, "Release something else")
    build_and_prove(other)
    ours = family.start("release", f"VERSION={VERSION}")
    theirs = other.start("release", f"VERSION={VERSION}")
    codes = {ours.wait(), theirs.wait()}
    assert codes == {0, 1}
    winner = family if ours.process.returncode == 0 else other
    shown = visible(registry, family)
    images = listed(winner)
    assert {name: shown[name] for name in IMAGES} == {n: images[n]["digest"] for n in IMAGES}
