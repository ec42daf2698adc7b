"""What happens while a build runs: other builds, edits, signals.

Each test holds the build at a gate before the engine, so that "while" is no matter of luck.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_engine import Images
from e2e_gate import Gate
from e2e_process import Family, eventually

pytestmark = pytest.mark.engine

ALL_IMAGES = 4
ALL_BUILDS = ALL_IMAGES + 1
"""The container files take a build, too."""


# -- edits -----------------------------------------------------------------------------------------


def test_an_edit_after_an_image_got_its_files_counts_for_the_next_build(
    gated: Family, gate: Gate, images: Images
) -> None:
    before = gated.read("images/base/motd")
    gate.shut()
    build = gated.start("build", "base")
    gate.wait_for_builds(1, build)
    gated.write("images/base/motd", "edited meanwhile\n")
    gate.open()
    assert build.wait() == 0, build.text
    assert images.files("base") == {"etc/motd": before}

    assert gated.plan("base") == {"//images/base": "build"}
    gated.build("base")
    assert images.files("base") == {"etc/motd": "edited meanwhile\n"}

    gated.write("images/base/motd", before)
    gated.build("base")
    assert images.files("base") == {"etc/motd": before}


def test_an_edit_before_an_image_gets_its_files_is_never_taken_for_the_old_state(
    gated: Family, gate: Gate, images: Images
) -> None:
    gate.shut()
    build = gated.start("build", "left")
    # The build of its parent: the keys are made, left has not got its files yet.
    gate.wait_for_builds(1, build)
    gated.write("images/left/files/one.txt", "edited meanwhile\n")
    gate.open()
    code = build.wait()
    # Refusing is right, and so is building what is there now; recording it as what was is not.
    assert code in (0, 1), build.text
    if code == 1:
        assert "changed" in build.text
        assert images.id("left") is None

    gated.write("images/left/files/one.txt", "one\n")
    gated.build("left")
    assert images.files("left")["files/one.txt"] == "one\n"

    gated.write("images/left/files/one.txt", "edited meanwhile\n")
    gated.build("left")
    assert images.files("left")["files/one.txt"] == "edited meanwhile\n"


def test_an_edited_file_of_a_tarball_is_never_taken_for_the_old_state(
    gated: Family, gate: Gate, images: Images
) -> None:
    gate.shut()
    build = gated.start("build", "-n1", "left")  # one at a time: the tarball's turn comes later
    gate.wait_for_builds(1, build)
    gated.write("launchers/left/left.txt", "edited meanwhile\n")
    gate.open()
    build.wait()
    gated.write("launchers/left/left.txt", "left\n")
    gated.build("left")
    assert images.files("left")["opt/scripts/left/left.txt"] == "left\n"


# -- two at once -----------------------------------------------------------------------------------


def test_two_builds_of_one_workspace_do_the_work_once(
    gated: Family, gate: Gate, images: Images
) -> None:
    gate.shut()
    first = gated.start("build", "-n1")
    gate.wait_for_builds(1, first)
    second = gated.start("build", "-n1")
    second.wait_for("waiting for process")
    gate.open()
    assert first.wait() == 0, first.text
    assert second.wait() == 0, second.text
    assert str(first.process.pid) in second.text
    assert gate.builds == ALL_BUILDS
    assert gated.plan() == {}
    assert images.files("base") == {"etc/motd": gated.read("images/base/motd")}


def test_two_builds_of_clones_that_share_a_store_do_the_work_once(
    gated: Family, gate: Gate, images: Images, clone: Callable[[str], Family]
) -> None:
    other = clone("other")
    gate.shut()
    first = gated.start("build", "-n1")
    gate.wait_for_builds(1, first)
    second = other.start("build", "-n1")
    second.wait_for("waiting for process")
    gate.open()
    assert first.wait() == 0, first.text
    assert second.wait() == 0, second.text
    assert gate.builds == ALL_BUILDS
    assert gated.plan() == {}
    assert other.plan() == {}
    assert images.files("base") == {"etc/motd": gated.read("images/base/motd")}


def test_builds_of_different_states_of_one_image_do_not_mix(
    gated: Family, gate: Gate, images: Images, clone: Callable[[str], Family]
) -> None:
    other = clone("other")
    other.write("images/base/motd", "of the other clone\n")
    gate.shut()
    builds = [gated.start("build", "base"), other.start("build", "base")]
    gate.wait_for_builds(2, *builds)
    gate.open()
    for build in builds:
        assert build.wait() == 0, build.text
    for one in (gated, other):
        one.build("base")  # whoever was last has the tag: this puts it on
        assert images.files("base") == {"etc/motd": one.read("images/base/motd")}
    assert gate.builds == 2


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize("rebuilt", [False, True], ids=["first build", "rebuild"])
@pytest.mark.parametrize("by_client", [False, True], ids=["no builder", "by a docker client"])
def test_a_stopped_build_leaves_no_child_and_moves_no_tag(
    gated: Family,
    gate: Gate,
    images: Images,
    number: signal.Signals,
    code: int,
    rebuilt: bool,
    by_client: bool,
) -> None:
    if by_client:
        gated.env["BUILDX_BUILDER"] = "default"
    if rebuilt:
        gated.build("left", "other-base")
        gated.write("images/base/motd", "new\n")
    before, count = images.tags(), gate.builds
    gate.shut()
    build = gated.start("build", "left")
    gate.wait_for_builds(count + 1, build)
    assert bool(children_of(gated)) == by_client, "the docker client runs"
    build.signal(number)
    assert build.wait() == code, build.text
    assert "Traceback" not in build.text
    eventually(lambda: not children_of(gated), "no child is left")
    gate.open()
    assert images.tags() == before

    gated.build("left")
    assert images.files("base")["etc/motd"] == gated.read("images/base/motd")
    assert gated.plan("left") == {}


def test_what_was_finished_before_the_stop_is_kept(
    gated: Family, gate: Gate, images: Images
) -> None:
    gated.build("base")
    count = gate.builds
    gate.shut()
    build = gated.start("build", "launchers:scripts", "left")
    gate.wait_for_builds(count + 1, build)
    build.signal(signal.SIGTERM)
    assert build.wait() == 143
    gate.open()
    assert gated.plan("left") == {"//images/left": "build"}


def children_of(family: Family) -> list[str]:
    """Command lines of processes that work on the family's workspace, but for buildlib itself."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and any(str(family.root) in word for word in words):
            found.append(" ".join(words))
    return found
