"""Images that need no builder are made without one, the others with it; both are right."""

from __future__ import annotations

import pytest
from e2e_engine import Images
from e2e_family_check import NOTHING, assert_right
from e2e_process import Family

pytestmark = pytest.mark.engine

WITHOUT = "made without a builder"
BY_BUILDKIT = {"BUILDX_BUILDER": "default"}
"""A builder that is named by the user: it builds all."""


def log(family: Family, name: str) -> str:
    (path,) = (family.root / ".buildlib/logs").glob(f"*+{name}+{name}.log")
    return path.read_text()


def graph_drivers(images: Images) -> bool:
    """Whether the engine takes an archive without the layers that it has."""
    return images.client.info()["Driver"] == "overlay2"


def test_an_edited_launcher_takes_no_builder(family: Family, images: Images) -> None:
    family.build()
    family.write("launchers/left/left.txt", "edited\n")
    family.build()
    expected = WITHOUT if graph_drivers(images) else "takes whole images only"
    assert expected in log(family, "left")
    assert_right(family, images)


def test_what_is_not_understood_is_built_by_buildkit(family: Family, images: Images) -> None:
    family.replace("images/left/Dockerfile", "COPY files ", "COPY fil?s/ ")
    family.build()
    assert "BuildKit builds it: line 5: COPY of a pattern" in log(family, "left")
    assert_right(family, images)


def test_a_parent_that_changes_the_meaning_of_a_copy_is_seen(
    family: Family, images: Images
) -> None:
    family.replace("images/base/Dockerfile", "COPY motd /etc/motd", "COPY . /")
    family.replace("images/base/BUILD.py", '["motd"]', '["motd", "files"]')
    family.path("images/base/files").symlink_to("real")
    family.build("left")
    assert "BuildKit builds it: /files is a link in its parent" in log(family, "left")
    assert "real/one.txt" in images.files("left")


def test_a_key_may_have_an_image_of_both_ways(family: Family, images: Images) -> None:
    family.build()
    direct = images.tags()
    family.build("--always", "left", **BY_BUILDKIT)
    assert WITHOUT not in log(family, "left")
    assert images.id("left") != direct[f"{images.organization}/left:dev"]
    assert_right(family, images)
    images.remove("left")
    family.build()
    assert_right(family, images)
    assert family.build().out == NOTHING


def test_equal_sources_make_an_equal_image_without_a_cache(family: Family, images: Images) -> None:
    family.build()
    before = images.tags()
    images.remove()
    family.build()
    if graph_drivers(images):
        assert images.tags() == before
    assert_right(family, images)


def test_one_of_many_that_fails_leaves_the_others(family: Family, images: Images) -> None:
    for number in range(6):
        family.write(
            f"images/more{number}/BUILD.py",
            "from buildlib.rules import docker_image\n"
            f'docker_image(name="more{number}", repository="more{number}", srcs=["f"])\n',
        )
        family.write(f"images/more{number}/Dockerfile", "FROM scratch\nCOPY f /f\n")
        family.write(f"images/more{number}/f", f"{number}\n")
    family.write("images/more3/Dockerfile", "FROM scratch\nCOPY f /f\nCOPY f /f/f\n")
    done = family.run("build")
    assert done.code == 1
    assert "more3" in done.text
    family.write("images/more3/Dockerfile", "FROM scratch\nCOPY f /f\n")
    family.build()
    for number in range(6):
        assert images.files(f"more{number}") == {"f": f"{number}\n"}
