"""Building on a real engine: what is built of what, what is said, and that no network is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable

import pytest
from e2e_engine import Images
from e2e_family_check import assert_right, contents
from e2e_process import Family
from e2e_sample import REPOSITORIES

pytestmark = pytest.mark.engine

BASE, LEFT = "//images/base", "//images/left"


def test_all_is_built_once(family: Family, images: Images) -> None:
    first = family.build()
    assert first.out.endswith("\n")
    assert "7 done in" in first.out
    assert_right(family, images)
    assert len(images.tags()) == 2 * len(REPOSITORIES)
    (archive,) = (family.root / "dist").iterdir()
    assert archive.name == "sample_scripts-1.0.0.dev0.tar.gz"
    with tarfile.open(archive) as opened:
        modes = {entry.name: entry.mode for entry in opened if entry.isfile()}
    assert modes == {"bootstrap.sh": 0o755, "left/left.txt": 0o644, "right/right.txt": 0o644}


def test_one_target_is_built_with_what_it_needs_and_no_more(family: Family, images: Images) -> None:
    done = family.build("left")
    assert "2 done in" in done.out
    assert {tag.split(":")[0] for tag in images.tags()} == {
        f"{images.organization}/base",
        f"{images.organization}/left",
    }


def test_an_edited_launcher_file_rebuilds_only_who_takes_its_part(
    family: Family, images: Images
) -> None:
    family.build()
    before = images.tags()
    family.write("launchers/left/left.txt", "edited\n")
    done = family.build()
    assert "2 done in" in done.out  # the archive, and left
    moved = {name for name, image in images.tags().items() if before.get(name) != image}
    assert {tag.split("/")[1].split(":")[0] for tag in moved} == {"left"}
    assert_right(family, images)


def test_the_launchers_layer_is_the_same_on_whatever_parent(family: Family, images: Images) -> None:
    family.replace("images/right/BUILD.py", "bootstrap, right", "bootstrap, left")
    family.build()
    left, right = (
        images.client.images.get(images.tags()[f"{images.organization}/{name}:dev"])
        for name in ("left", "right")
    )
    assert left.attrs["RootFS"]["Layers"][-1] == right.attrs["RootFS"]["Layers"][-1]
    assert left.attrs["RootFS"]["Layers"][:-1] != right.attrs["RootFS"]["Layers"][:-1]


# -- what is printed ------------------------------------------------------------


def test_verbose_prints_a_docker_command_that_works_by_hand(family: Family, images: Images) -> None:
    done = family.build("left", "-v", "2")
    commands = re.findall(r"^\$ (.*)$", done.out, re.MULTILINE)
    assert len(commands) == 2  # base and left
    for command in commands:
        by_hand = subprocess.run(
            ["sh", "-c", command],
            cwd="/",
            env=family.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert by_hand.returncode == 0, by_hand.stderr
    assert family.plan("left", "base") == {}


def test_always_builds_what_is_up_to_date(family: Family, images: Images) -> None:
    family.build("base")
    done = family.build("base", "--always")
    assert "1 done in" in done.out
    assert images.files("base") == contents(family)["base"]


def test_a_failed_step_is_told_with_its_line_and_what_was_built_is_kept(
    family: Family, images: Images
) -> None:
    family.replace("images/left/Dockerfile", "ADD scripts.tar /", 'ADD scripts.tar /\nRUN ["/no"]')
    done = family.run("build")
    assert done.code == 1
    assert re.search(r"^images/left/Dockerfile:7: error: ", done.err, re.MULTILINE), done.err
    (fix,) = re.findall(r"^  fix: (.*)$", done.err, re.MULTILINE)
    by_hand = subprocess.run(
        ["sh", "-c", fix], cwd="/", env=family.env, capture_output=True, text=True, check=False
    )
    assert by_hand.returncode != 0
    assert 'RUN ["/no"]' in by_hand.stdout + by_hand.stderr
    assert images.id("left") is None
    assert LEFT in family.plan()
    assert BASE not in family.plan()
    family.replace("images/left/Dockerfile", '\nRUN ["/no"]', "")
    family.build()
    assert_right(family, images)


def test_json_of_a_build_is_json_and_nothing_else(family: Family, images: Images) -> None:
    done = family.build("base", "--json")
    assert [step["label"] for step in done.json["steps"]] == [BASE]
    assert done.json["exit_code"] == 0


def test_a_build_from_a_subfolder_is_that_of_the_root(family: Family, images: Images) -> None:
    done = family.run("build", "left", folder="launchers/left")
    assert done.code == 0, done.text
    assert images.files("left") == contents(family)["left"]
    assert not list((family.root / "launchers/left").glob(".buildlib"))


def test_a_restored_release_file_is_the_one_that_was_there(family: Family, images: Images) -> None:
    family.build("launchers:scripts")
    (archive,) = (family.root / "dist").iterdir()
    before = archive.read_bytes()
    archive.unlink()
    assert family.plan("launchers:scripts") == {"//launchers:scripts": "restore"}
    family.build("launchers:scripts")
    assert archive.read_bytes() == before


# -- organisations, offline ------------------------------------------------------------


def test_images_of_another_organization_are_named_not_built(
    family: Family, images: Images, clone: Callable[[str], Family]
) -> None:
    family.build("base")
    second = f"{images.organization}-two"
    own = Images(images.client, second)
    try:
        done = family.build("base", f"ORGANIZATION={second}")
        assert own.id("base") == images.id("base")
        assert "the tag" in done.out
        assert family.plan("base") == {}
    finally:
        own.remove()


def test_with_a_full_store_a_build_needs_no_network(family: Family, images: Images) -> None:
    become_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    cut_off = ["unshare", *become_root, "--net"]
    done = family.run("build", prefix=cut_off)
    assert done.code == 0, done.text
    assert_right(family, images)


def test_a_download_that_is_not_in_the_store_fails_alone_and_says_so(
    family: Family, images: Images
) -> None:
    shutil.rmtree(family.store)
    done = family.run("build", "right", "--offline")  # else it is tried for some seconds
    assert done.code == 1
    assert "outside.txt" in done.err
    assert "fix: " in done.err
    family.build("left")
    assert images.files("left") == contents(family)["left"]
    family.fill_store()
    family.build()
    assert_right(family, images)
