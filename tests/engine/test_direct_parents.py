"""What of an image's files is asked before another one is made on it, and what is not trusted."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildlib.core.dockerfile.plain import NotPlainError
from buildlib.core.pack.tar import Member, write_tar
from tests.support.same_image import Pair, pair

pytestmark = pytest.mark.engine


class Parent:
    """An image of BuildKit's with a tag, and images on it."""

    def __init__(self, both: Pair, folder: str) -> None:
        self.both = both
        self.folder = Path(folder)
        self.ref = f"buildlib-direct/on:{os.getpid()}"
        (self.folder / "f").write_text("f")
        (self.folder / "empty").mkdir()
        (self.folder / "link").symlink_to("real")

    def make(self, lines: str) -> None:
        image = self.both.theirs(self.both.request(str(self.folder), f"FROM scratch\n{lines}\n"))
        self.both.engine.tag(image, self.ref)

    def differences(self, lines: str) -> list[str]:
        request = self.both.request(str(self.folder), f"FROM {self.ref}\n{lines}\n")
        return self.both.differences(request)

    def refused(self, lines: str) -> str:
        with pytest.raises(NotPlainError) as caught:
            self.differences(lines)
        return str(caught.value)


@pytest.fixture
def parent() -> Iterator[Parent]:
    with pair() as (both, folder):
        made = Parent(both, folder)
        yield made
        both.engine.untag(made.ref)


def test_folders_of_the_parent_keep_owner_and_mode(parent: Parent) -> None:
    parent.make("COPY --chown=7:8 f /opt/app/f")
    assert parent.differences("COPY f /opt/app/\nCOPY f /opt/other/g") == []


def test_a_folder_of_containers_is_not_taken_for_the_parents(parent: Parent) -> None:
    parent.make("COPY f /f")
    assert "may not have a folder /etc" in parent.refused("COPY empty /etc")
    assert "not the same" in parent.refused("COPY f /dev/x")


def test_etc_of_a_parent_that_has_one(parent: Parent) -> None:
    parent.make("COPY f /etc/passwd")
    assert parent.differences("COPY f /etc/motd\nCOPY f /etc/passwd") == []
    assert "not the same" in parent.refused("COPY f /etc/hosts")


def test_a_working_folder_that_the_parent_names_and_does_not_have(parent: Parent) -> None:
    out = io.BytesIO()
    write_tar([Member("f", data=b"f")], out, epoch=1)
    name, tag = parent.ref.split(":")
    changes = "&changes=WORKDIR%20/work&changes=ENV%20PATH=/bin"
    parent.both.engine.call(
        "POST",
        f"/images/create?fromSrc=-&repo={name}&tag={tag}{changes}",
        what="import",
        body=[out.getvalue()],
        kind="application/x-tar",
        size=len(out.getvalue()),
    )
    assert parent.differences("COPY --chown=3:4 f deep/x") == []
    assert parent.differences("WORKDIR .\nCOPY f x") == []


def test_a_volume_of_the_parent_is_not_looked_into(parent: Parent) -> None:
    parent.make("COPY f /f\nVOLUME /v/w")
    assert "not the same" in parent.refused("COPY f /v/w/x")
    assert "not the same" in parent.refused("COPY f /v/x")
    assert parent.differences("COPY f /opt/x") == []


def test_links_of_the_parent_are_left_to_buildkit(parent: Parent) -> None:
    parent.make("COPY . /")
    for target in ("/link/x", "/link/", "/link"):
        assert "/link is a link" in parent.refused(f"COPY f {target}")


def test_containers_for_a_look_are_removed(parent: Parent) -> None:
    parent.make("COPY f /f")
    image = parent.both.engine.inspect([parent.ref])[parent.ref]
    assert image is not None
    assert parent.differences("COPY f /opt/x") == []
    assert "is a file" in parent.refused("COPY f /f/x")
    assert image.id not in parent.both.engine.in_use()


def test_answers_are_kept_for_an_image(parent: Parent, tmp_path: Path) -> None:
    parent.make("COPY --chown=7:8 f /opt/f")
    parent.both.direct._notes = str(tmp_path / "files")
    assert parent.differences("COPY f /opt/x") == []
    parent.both.engine.create = None  # type: ignore[assignment]  no further container
    assert parent.differences("COPY f /opt/x") == []


def test_a_parent_that_is_not_there_is_left_to_buildkit(parent: Parent) -> None:
    parent.ref = "buildlib-direct/nobody:has"
    assert "does not have" in parent.refused("COPY f /x")


def test_an_ignore_file_in_the_context_is_left_to_buildkit(parent: Parent) -> None:
    parent.make("COPY f /f")
    (parent.folder / ".dockerignore").write_text("f\n")
    assert "ignore file" in parent.refused("COPY f /x")
