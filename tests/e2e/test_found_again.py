"""What was built is found again, put back, or built anew, whatever happened to it meanwhile."""

from __future__ import annotations

import shutil

import pytest
from e2e_engine import Images
from e2e_family_check import NOTHING, assert_right, contents
from e2e_process import Family

pytestmark = pytest.mark.engine

BASE, LEFT, OTHER, RIGHT = (f"//images/{name}" for name in ("base", "left", "other-base", "right"))


# -- images that somebody touched ------------------------------------------------------------


def test_a_moved_tag_is_put_back(family: Family, images: Images) -> None:
    family.build()
    other = images.id("base-two")
    assert other is not None
    images.tag(other, "base")
    assert family.plan() == {BASE: "restore"}
    done = family.build()
    assert "it lacks the tag" in done.out
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
    assert "1 done in" in family.build().out
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


# -- what is remembered, lost ------------------------------------------------------------


def test_without_its_memory_a_workspace_builds_nothing_again(
    family: Family, images: Images
) -> None:
    family.build()
    before = images.tags()
    shutil.rmtree(family.root / ".buildlib")
    assert family.build().out == NOTHING
    assert images.tags() == before
    assert family.run("why", "left").out == f"{LEFT} is up to date\n"


def test_doit_keeps_nothing_that_could_be_lost(family: Family, images: Images) -> None:
    assert family.doit("build").code == 0
    assert family.doit("build").out.startswith("nothing to build")
    left = [path.name for path in family.root.rglob("*") if path.is_file()]
    assert not [name for name in left if "doit." in name or name.endswith((".db", ".sqlite3"))]


@pytest.mark.parametrize("file", ["memo", "index", "asked", "client"])
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
