"""The files of a layer that is made without a builder, and what is left to BuildKit."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from buildlib.core.dockerfile.plain import Copy, MakeFolder, NotPlainError
from buildlib.core.pack.tar import Member, write_tar
from buildlib.core.store.content import EPOCH
from buildlib.engine.layer import FILE, FOLDER, LINK, Entry, Files, layer_of, tar_of

ETC = Entry(FOLDER, 0o750, 3, 4, 7)
"""A folder of the parent, unlike any that is made."""


@pytest.fixture
def context(tmp_path):
    (tmp_path / "files/sub").mkdir(parents=True)
    (tmp_path / "files/a").write_text("a")
    (tmp_path / "files/sub/b").write_text("bb")
    (tmp_path / "files/sub/b").chmod(0o755)
    (tmp_path / "files/link").symlink_to("a")
    (tmp_path / "empty").mkdir()
    return tmp_path


def made(step: Copy | MakeFolder, context: object, parent: Files | None = None) -> Files:
    return layer_of(step, str(context), (parent or {}).get)


def shown(files: Files) -> dict[str, tuple[object, ...]]:
    return {path: entry[:5] for path, entry in files.items()}


def test_a_folders_content_goes_below_the_target(context):
    assert shown(made(Copy(("files",), "/opt/x", (5, 6)), context)) == {
        "opt": (FOLDER, 0o755, 5, 6, EPOCH),
        "opt/x": (FOLDER, 0o755, 5, 6, EPOCH),
        "opt/x/a": (FILE, 0o644, 5, 6, EPOCH),
        "opt/x/link": (LINK, 0o777, 5, 6, EPOCH),
        "opt/x/sub": (FOLDER, 0o755, 5, 6, EPOCH),
        "opt/x/sub/b": (FILE, 0o755, 5, 6, EPOCH),
    }


def test_a_folder_of_the_parent_stays_as_it_is(context):
    files = made(Copy(("files/a",), "/etc/"), context, {"etc": ETC})
    assert files["etc"] == ETC
    assert set(files) == {"etc", "etc/a"}


def test_a_file_goes_into_a_folder_that_the_parent_has_at_its_target(context):
    assert set(made(Copy(("files/a",), "/etc"), context, {"etc": ETC})) == {"etc", "etc/a"}
    assert set(made(Copy(("files/a",), "/etc"), context)) == {"etc"}


def test_what_changes_nothing_makes_an_empty_layer(context):
    assert made(MakeFolder("/etc", (0, 0)), context, {"etc": ETC}) == {}
    assert made(Copy(("empty",), "/etc"), context, {"etc": ETC}) == {}


def test_a_working_folder_is_its_users(context):
    files = made(MakeFolder("/etc/x", (1, 2)), context, {"etc": ETC})
    assert shown(files) == {"etc": ETC[:5], "etc/x": (FOLDER, 0o755, 1, 2, EPOCH)}
    with pytest.raises(NotPlainError, match="owner"):
        made(MakeFolder("/etc/x", None), context, {"etc": ETC})


@pytest.mark.parametrize(
    ("step", "parent"),
    [
        (Copy(("files",), "/etc/x"), {"etc": ETC._replace(kind=LINK)}),
        (Copy(("files",), "/etc"), {"etc": ETC, "etc/sub": ETC._replace(kind=FILE)}),
        (Copy(("files",), "/etc"), {"etc": ETC, "etc/a": ETC._replace(kind=LINK)}),
        (Copy(("files",), "/etc"), {"etc": ETC, "etc/a": ETC}),
        (Copy(("files/link",), "/x"), {}),
        (Copy(("missing",), "/x"), {}),
        (MakeFolder("/etc", (0, 0)), {"etc": ETC._replace(kind=FILE)}),
    ],
)
def test_links_and_what_is_in_the_way_are_left_to_the_builder(context, step, parent):
    with pytest.raises(NotPlainError):
        made(step, context, parent)


def test_a_name_that_would_remove_a_file_is_left_to_the_builder(context):
    (context / "files/.wh.a").write_text("")
    with pytest.raises(NotPlainError, match="remove"):
        made(Copy(("files",), "/x"), context)


MEMBERS = [
    Member("usr/bin/run", 0o755, b"run"),
    Member("usr/bin/also", kind="hardlink", target="usr/bin/run"),
    Member("usr/bin/link", kind="link", target="run"),
]


def test_an_archive_of_ours_is_unpacked_whatever_is_below(context):
    with open(context / "x.tar", "wb") as out:
        write_tar(MEMBERS, out, epoch=9)
    step = Copy(("x.tar",), "/", unpack=True)
    files = made(step, context, {"usr": ETC})
    assert shown(files)["usr"] == (FOLDER, 0o755, 0, 0, 9)
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_of(files)))) as tar:
        kinds = {info.name: (info.type, info.linkname) for info in tar}
        run = tar.extractfile("usr/bin/run")
        assert run is not None
        assert run.read() == b"run"
    assert kinds["usr/bin/also"] == (tarfile.REGTYPE, "")  # the first of a file's names has it
    assert kinds["usr/bin/run"] == (tarfile.LNKTYPE, "usr/bin/also")
    assert kinds["usr/bin/link"] == (tarfile.SYMTYPE, "run")


def test_an_archive_does_not_take_the_place_of_a_link(context):
    with open(context / "x.tar", "wb") as out:
        write_tar(MEMBERS, out, epoch=9)
    with pytest.raises(NotPlainError, match="/usr is a link"):
        made(Copy(("x.tar",), "/", unpack=True), context, {"usr": ETC._replace(kind=LINK)})


def foreign(path, *infos):
    with tarfile.open(path, "w") as tar:
        for name, more in infos:
            info = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info)


@pytest.mark.parametrize(
    "infos",
    [
        [("bin/x", {})],  # would go through a parent's /bin
        [("d", {"type": tarfile.DIRTYPE}), ("d/../x", {})],
        [("/x", {})],
        [("x", {"uname": "root"})],
        [("x", {"type": tarfile.FIFOTYPE})],
        [("x", {}), ("x", {})],
        [("x", {"type": tarfile.SYMTYPE, "linkname": "y"}), ("x/y", {})],
        [("x", {"type": tarfile.LNKTYPE, "linkname": "y"})],
        [(".wh.x", {})],
    ],
)
def test_other_archives_are_left_to_the_builder(context, infos):
    foreign(context / "x.tar", *infos)
    with pytest.raises(NotPlainError):
        made(Copy(("x.tar",), "/", unpack=True), context)


def test_what_is_no_archive_is_left_to_the_builder(context):
    (context / "x.tar").write_text("text")
    with pytest.raises(NotPlainError):
        made(Copy(("x.tar",), "/", unpack=True), context)


def test_equal_files_make_an_equal_tar_whenever_they_were_written(context):
    first = b"".join(tar_of(made(Copy(("files",), "/x"), context)))
    for here, _, names in os.walk(context):
        for name in names:
            os.utime(f"{here}/{name}", (1, 1), follow_symlinks=False)
    assert b"".join(tar_of(made(Copy(("files",), "/x"), context))) == first


def test_a_file_that_shrinks_while_it_is_read_is_an_error(context):
    files = made(Copy(("files",), "/x"), context)
    (context / "files/sub/b").write_text("")
    with pytest.raises(NotPlainError, match="changed"):
        b"".join(tar_of(files))
