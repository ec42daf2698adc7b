"""Building on a real engine: what is built, what is found again, what is put back."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable

import pytest
from e2e_engine import Images
from e2e_family_check import NOTHING, assert_right, contents
from e2e_process import Family
from e2e_sample import REPOSITORIES

pytestmark = pytest.mark.engine

BASE, LEFT, OTHER, RIGHT = (f"//images/{name}" for name in ("base", "left", "other-base", "right"))


def test_all_is_built_once(family: Family, images: Images) -> None:
    first = family.build()
    assert first.out.endswith("\n")
    assert "7 built in" in first.out
    assert_right(family, images)
    assert len(images.tags()) == 2 * len(REPOSITORIES)
    (archive,) = (family.root / "dist").iterdir()
    assert archive.name == "sample_scripts-1.0.0.dev0.tar.gz"
    with tarfile.open(archive) as opened:
        modes = {entry.name: entry.mode for entry in opened if entry.isfile()}
    assert modes == {"bootstrap.sh": 0o755, "left/left.txt": 0o644, "right/right.txt": 0o644}


def test_one_target_is_built_with_what_it_needs_and_no_more(family: Family, images: Images) -> None:
    done = family.build("left")
    assert "3 built in" in done.out
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
    assert "2 built in" in done.out  # the archive, and left
    moved = {name for name, image in images.tags().items() if before.get(name) != image}
    assert {tag.split("/")[1].split(":")[0] for tag in moved} == {"left"}
    assert_right(family, images)


def test_the_launchers_layer_is_the_same_on_whatever_parent(
    family: Family, images: Images
) -> None:
    family.replace("images/right/BUILD.py", "bootstrap, right", "bootstrap, left")
    family.build()
    left, right = (
        images.client.images.get(images.tags()[f"{images.organization}/{name}:dev"])
        for name in ("left", "right")
    )
    assert left.attrs["RootFS"]["Layers"][-1] == right.attrs["RootFS"]["Layers"][-1]
    assert left.attrs["RootFS"]["Layers"][:-1] != right.attrs["RootFS"]["Layers"][:-1]


# -- images that somebody touched ---------------------------------------------------------------------


def test_a_moved_tag_is_put_back(family: Family, images: Images) -> None:
    family.build()
    other = images.id("base-two")
    assert other is not None
    images.tag(other, "base")
    assert family.plan() == {BASE: "restore"}
    done = family.build()
    assert "dev is not on it" in done.out
    assert_right(family, images)


def test_a_moved_content_tag_is_not_believed(family: Family, images: Images) -> None:
    family.build()
    other = images.id("base-two")
    assert other is not None
    (content,) = images.content_tags("base")
    images.tag(other, "base", content)
    assert family.plan() == {BASE: "restore"}
    family.build()
    assert_right(family, images)


@pytest.mark.parametrize("kept", ["dev", "key", "elsewhere"])
def test_a_removed_name_is_put_back_without_a_build(
    family: Family, images: Images, kept: str
) -> None:
    family.build()
    image = images.id("left")
    assert image is not None
    if kept == "elsewhere":
        images.tag(image, "kept-elsewhere", "1")
    for reference in images.tags():
        if reference.startswith(f"{images.organization}/left:") and f":{kept}" not in reference:
            images.untag(reference)
    assert family.plan() == {LEFT: "restore"}
    family.build()
    assert images.id("left") == image
    assert_right(family, images)


def test_a_removed_image_is_built_again_and_its_parent_is_not(
    family: Family, images: Images
) -> None:
    family.build()
    images.remove("left")
    assert family.plan() == {LEFT: "build"}
    assert "the image is gone from the engine" in family.run("plan").out
    assert "1 built in" in family.build().out
    assert_right(family, images)


def test_a_child_does_not_count_as_its_parent(family: Family, images: Images) -> None:
    """A child has all the labels of its parent, and keeps the parent's layers alive."""
    family.build()
    images.remove("base")
    assert set(family.plan()) == {BASE}
    family.build()
    assert images.files("base") == contents(family)["base"]
    assert_right(family, images)


def test_all_images_removed_are_built_again(family: Family, images: Images) -> None:
    family.build()
    images.remove()
    assert set(family.plan()) == {BASE, LEFT, OTHER, RIGHT}
    family.build()
    assert_right(family, images)


# -- what is remembered, lost --------------------------------------------------------------------------


def test_without_its_memory_a_workspace_builds_nothing_again(
    family: Family, images: Images
) -> None:
    family.build()
    before = images.tags()
    shutil.rmtree(family.root / ".buildlib")
    assert family.build().out == NOTHING
    assert images.tags() == before
    assert family.run("why", "left").out == f"{LEFT} is up to date\n"


def test_without_doits_database_nothing_is_built_again(family: Family, images: Images) -> None:
    family.build()
    (family.root / ".buildlib/doit.sqlite3").unlink(missing_ok=True)
    done = family.doit("build")
    assert done.code == 0
    assert "to build" not in done.out.replace("nothing to build", "")


@pytest.mark.parametrize("file", ["memo", "index", "doit.sqlite3"])
@pytest.mark.parametrize("content", [b"", b"garbage"], ids=["empty", "garbage"])
def test_a_damaged_memory_is_no_error(
    family: Family, images: Images, file: str, content: bytes
) -> None:
    family.build("base")
    (family.root / ".buildlib" / file).write_bytes(content)
    family.write("images/base/motd", "after the damage\n")
    family.build("base")
    assert images.files("base") == {"etc/motd": "after the damage\n"}


def test_without_the_store_all_is_built_again(family: Family, images: Images) -> None:
    family.build()
    shutil.rmtree(family.store)
    family.fill_store()
    assert set(family.plan()) >= {BASE, LEFT, OTHER, RIGHT}
    family.build()
    assert_right(family, images)


def test_a_damaged_record_is_no_hit(family: Family, images: Images) -> None:
    family.build()
    for record in (family.store / "records").rglob("*.json"):
        record.write_text(record.read_text()[:20])
    assert set(family.plan()) >= {BASE, LEFT, OTHER, RIGHT}
    family.build()
    assert_right(family, images)


def test_what_is_forgotten_is_built_again(family: Family, images: Images) -> None:
    family.build()
    assert family.run("forget", "left").code == 0
    assert family.plan() == {LEFT: "build"}
    family.build()
    assert_right(family, images)


def test_what_is_cleaned_is_gone_and_built_again(family: Family, images: Images) -> None:
    family.build()
    shown = family.run("clean", "--dry-run", "left", "launchers:scripts")
    assert shown.code == 0
    assert images.id("left")
    assert family.run("clean", "left", "launchers:scripts").out == shown.out
    assert images.id("left") is None
    assert images.content_tags("left") == set()
    assert not list((family.root / "dist").glob("*"))
    assert family.plan() == {LEFT: "build", "//launchers:scripts": "build"}
    family.build()
    assert_right(family, images)


# -- what is printed ----------------------------------------------------------------------------------


def test_verbose_prints_a_docker_command_that_works_by_hand(
    family: Family, images: Images
) -> None:
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
    assert "1 built in" in done.out
    assert images.files("base") == contents(family)["base"]


def test_a_failed_step_is_told_with_its_line_and_what_was_built_is_kept(
    family: Family, images: Images
) -> None:
    family.replace("images/left/Dockerfile", "ADD scripts.tar /", "ADD scripts.tar /\nRUN [\"/no\"]")
    done = family.run("build")
    assert done.code == 1
    assert re.search(r"^images/left/Dockerfile:7: error: ", done.err, re.MULTILINE), done.err
    assert images.id("left") is None
    assert LEFT in family.plan()
    assert BASE not in family.plan()
    family.replace("images/left/Dockerfile", "\nRUN [\"/no\"]", "")
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


# -- plain doit ---------------------------------------------------------------------------------------


def test_bare_doit_builds_all(family: Family, images: Images) -> None:
    done = family.doit()
    assert done.code == 0, done.text
    assert "7 built in" in done.out
    assert_right(family, images)
    again = family.doit()
    assert again.code == 0
    assert "7 up to date" in again.out
    assert "built in" not in again.out


@pytest.mark.parametrize(
    "words", [("build:left",), ("build", "build:left"), ("-n", "4", "build:left")], ids=" ".join
)
def test_doit_builds_a_target_with_what_it_needs(
    family: Family, images: Images, words: tuple[str, ...]
) -> None:
    done = family.doit(*words)
    assert done.code == 0, done.text
    assert images.files("left") == contents(family)["left"]
    assert images.id("right") is None
    assert family.plan("left") == {}


def test_doit_builds_in_parallel_for_another_organization(
    family: Family, images: Images
) -> None:
    family.write("pyproject.toml", family.read("pyproject.toml").replace(images.organization, "e2e-not-me"))
    done = family.doit("-n", "4", "build", f"ORGANIZATION={images.organization}")
    assert done.code == 0, done.text
    for name, files in contents(family).items():
        assert images.files(name) == files


def test_doit_tells_a_failure_with_its_exit_code(family: Family, images: Images) -> None:
    family.replace("images/base/Dockerfile", "COPY motd", "RUN [\"/no\"]\nCOPY motd")
    done = family.doit("build:base")
    assert done.code == 1, done.text
    assert "images/base/Dockerfile:2: error: " in done.err


def test_doits_own_clean_and_forget(family: Family, images: Images) -> None:
    assert family.doit("build").code == 0
    assert family.doit("forget", "build:left").code == 0
    assert family.plan() == {LEFT: "build"}
    assert family.doit("build:left").code == 0
    done = family.doit("clean", "build:left")
    assert done.code == 0, done.text
    assert images.id("left") is None
    assert images.id("base") is not None
    assert family.doit("build").code == 0
    assert_right(family, images)


# -- organisations, offline ---------------------------------------------------------------------------


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
    cut_off = ["unshare", "--user", "--map-root-user", "--net"]
    done = family.run("build", prefix=cut_off)
    assert done.code == 0, done.text
    assert_right(family, images)


def test_a_download_that_is_not_in_the_store_fails_alone_and_says_so(
    family: Family, images: Images
) -> None:
    shutil.rmtree(family.store)
    done = family.run("build", "right")
    assert done.code == 1
    assert "outside.txt" in done.err
    assert "fix: " in done.err
    family.build("left")
    assert images.files("left") == contents(family)["left"]
    family.fill_store()
    family.build()
    assert_right(family, images)
