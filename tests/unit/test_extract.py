"""`extract`: what comes out of archives, under which names, and what is refused."""

from __future__ import annotations

import errno
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildlib.core.pack.tar import Member, write_tar
from buildlib.core.store.content import EPOCH
from buildlib.errors import ActionError, InputError
from tests.integration.workshop import Workshop
from tests.support.chance import examples

TREE = {
    "top-1.0/bin/run": (b"#!/bin/sh\n", 0o755),
    "top-1.0/bin/run.cmd": (b"rem", 0o644),
    "top-1.0/lib/a.jar": (b"a", 0o600),
    "top-1.0/lib/deep/b.jar": (b"b" * 3_000_000, 0o664),
    "top-1.0/README": (b"read me", 0o644),
}
Tree = Mapping[str, tuple[bytes, int]]


def tar_of(tree: Tree, mode: str = "w:gz", *more: tarfile.TarInfo, prefix: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, (data, bits) in tree.items():
            info = tarfile.TarInfo(prefix + name)
            info.size, info.mode, info.mtime, info.uname = len(data), bits, 17, "somebody"
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return out.getvalue()


def zip_of(tree: Tree) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, (data, bits) in tree.items():
            info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6))
            info.external_attr = (stat.S_IFREG | bits) << 16
            whole.writestr(info, data)
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def declared(shop: Workshop, data: bytes, arguments: str) -> Workshop:
    """An archive, and a target `//a:x` that takes something out of it."""
    shop.file("a/archive", data)
    return shop.build(
        "a",
        'filegroup(name="archive", srcs=["archive"])',
        f'extract(name="x", archive=":archive", {arguments})',
    )


def taken(shop: Workshop, data: bytes, arguments: str) -> dict[str, tarfile.TarInfo]:
    """The entries of `x.tar`."""
    declared(shop, data, f'{arguments}, out="x.tar"').build_targets("//a:x")
    return shop.members("//a:x", "x.tar")


def refused(shop: Workshop, data: bytes, arguments: str) -> InputError:
    declared(shop, data, arguments)
    with pytest.raises(InputError) as caught:
        shop.build_targets("//a:x")
    assert str(caught.value.where) == "a/BUILD.py:3"
    assert caught.value.fix
    return caught.value


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz", "zip"])
def test_folders_and_files_get_the_places_they_are_given(shop: Workshop, mode: str) -> None:
    data = zip_of(TREE) if mode == "zip" else tar_of(TREE, mode)
    found = taken(
        shop,
        data,
        'files={"top-1.0/bin/": "opt/top/bin/", "top-1.0/lib/": "opt/jars/",'
        ' "top-1.0/README": "opt/top/doc/README.md"}, exclude=["**/*.cmd"]',
    )
    assert {name: (entry.mode, entry.size) for name, entry in found.items() if entry.isfile()} == {
        "opt/jars/a.jar": (0o644, 1),
        "opt/jars/deep/b.jar": (0o644, 3_000_000),
        "opt/top/bin/run": (0o755, 10),
        "opt/top/doc/README.md": (0o644, 7),
    }
    assert {(e.uid, e.gid, e.mtime, e.uname) for e in found.values()} == {(0, 0, EPOCH, "")}


def test_the_nearest_mapping_counts(shop: Workshop) -> None:
    found = taken(
        shop,
        tar_of(TREE, "w:gz"),
        'files={"./": "all/", "top-1.0/lib/": "./", "top-1.0/lib/a.jar": "one.jar"}',
    )
    assert [name for name, entry in found.items() if entry.isfile()] == [
        "all/top-1.0/README",
        "all/top-1.0/bin/run",
        "all/top-1.0/bin/run.cmd",
        "deep/b.jar",
        "one.jar",
    ]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_single_files_are_executable_where_they_were(shop: Workshop, pack) -> None:
    declared(shop, pack(TREE), 'files={"top-1.0/bin/run": "go", "top-1.0/lib/a.jar": "j/a.jar"}')
    shop.image("images/i", 'srcs=["//a:x"]', "FROM scratch\nCOPY go j/a.jar /\n")
    shop.build_targets("//a:x")
    record = shop.record("//a:x")
    assert record is not None
    assert {name: made.executable for name, made in record.files.items()} == {
        "go": True,
        "j/a.jar": False,
    }
    assert shop.made("//a:x", "go").read_bytes() == b"#!/bin/sh\n"


def test_a_leading_dot_is_no_folder(shop: Workshop) -> None:
    found = taken(shop, tar_of(TREE, prefix="./"), 'files={"top-1.0/lib/": "jars/"}')
    assert "jars/a.jar" in found


def test_empty_folders_are_kept(shop: Workshop) -> None:
    data = tar_of(TREE, "w:gz", special("top-1.0/logs/", tarfile.DIRTYPE))
    assert taken(shop, data, 'files={"top-1.0/": "opt/"}')["opt/logs"].isdir()


def test_a_hard_link_is_a_file_of_its_own_even_where_its_target_is_not_taken(
    shop: Workshop,
) -> None:
    data = tar_of(TREE, "w:gz", special("top-1.0/same", tarfile.LNKTYPE, "top-1.0/README"))
    found = taken(shop, data, 'files={"top-1.0/same": "same"}')
    assert found["same"].isfile()
    assert found["same"].size == 7


def test_links_follow_what_they_lead_to_to_its_new_place(shop: Workshop) -> None:
    data = tar_of(
        TREE,
        "w:gz",
        special("top-1.0/bin/jar", tarfile.SYMTYPE, "../lib/a.jar"),
        special("top-1.0/bin/jars", tarfile.SYMTYPE, "../lib"),
    )
    found = taken(shop, data, 'files={"top-1.0/bin/": "usr/bin/", "top-1.0/lib/": "opt/jars/"}')
    assert found["usr/bin/jar"].linkname == "../../opt/jars/a.jar"
    assert found["usr/bin/jars"].linkname == "../../opt/jars"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/etc/passwd", "leads out of the archive"),
        ("../../../etc/passwd", "leads out of the archive"),
        ("..", "is not taken"),
        ("../README", "is a link to top-1.0/README, which is not taken"),
        ("nothing", "is not taken"),
    ],
)
def test_links_to_elsewhere_are_refused(shop: Workshop, target: str, message: str) -> None:
    data = tar_of(TREE, "w:gz", special("top-1.0/bin/link", tarfile.SYMTYPE, target))
    arguments = 'files={"top-1.0/bin/": "bin/"}, out="x.tar"'
    assert message in refused(shop, data, arguments).what


def test_what_lies_below_a_link_is_refused(shop: Workshop) -> None:
    tree = {**TREE, "top-1.0/here/evil": (b"x", 0o644)}
    data = tar_of(tree, "w:gz", special("top-1.0/here", tarfile.SYMTYPE, "lib"))
    assert "no folder" in refused(shop, data, 'files={"top-1.0/": "a/"}, out="x.tar"').what


@pytest.mark.parametrize("name", ["/etc/passwd", "../evil", "top-1.0/../../evil", "a/../b"])
@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_member_that_leads_out_is_refused_unless_it_is_left_out(
    shop: Workshop, pack, name: str
) -> None:
    data = pack({**TREE, name: (b"root::0:0", 0o644)})
    error = refused(shop, data, 'files={"top-1.0/README": "README"}')
    assert f"{name!r}, which leads out" in error.what
    assert "exclude" in (error.fix or "")
    declared(shop, data, f'files={{"top-1.0/README": "README"}}, exclude=["{name}"]')
    shop.build_targets("//a:x")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(shop: Workshop, kind: bytes) -> None:
    data = tar_of(TREE, "w:gz", special("top-1.0/lib/device", kind))
    error = refused(shop, data, 'files={"top-1.0/lib/": "lib/"}, out="x.tar"')
    assert "top-1.0/lib/device is a device" in error.what


def test_a_link_among_single_files_is_refused(shop: Workshop) -> None:
    data = tar_of(TREE, "w:gz", special("l", tarfile.SYMTYPE, "top-1.0/README"))
    assert "l is a link to top-1.0/README" in refused(shop, data, 'files={"l": "l"}').what


@pytest.mark.parametrize(
    "files", ['{"top-1.0/REAMDE": "r"}', '{"top-1.0/lib/": "l/", "libs/": "m/"}']
)
def test_what_the_archive_lacks_is_told(shop: Workshop, files: str) -> None:
    told = refused(shop, tar_of(TREE), f'files={files}, out="x.tar"').what
    assert told in ("the archive has no top-1.0/REAMDE", "the archive has no libs/")


def test_two_members_at_one_place_are_refused(shop: Workshop) -> None:
    arguments = 'files={"top-1.0/README": "x", "top-1.0/lib/a.jar": "x"}'
    assert "would both be x" in refused(shop, tar_of(TREE), arguments).what


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 no zip", b"<html>", tar_of(TREE)[:-20], tar_of(TREE)[:90]],
    ids=["empty", "no zip", "a page", "its end missing", "its beginning"],
)
def test_what_is_no_archive_or_half_of_one_is_told(shop: Workshop, data: bytes) -> None:
    error = refused(shop, data, 'files={"./": "x/"}, out="x.tar"')
    assert "archive cannot be read as an archive" in error.what or "has no" in error.what


def test_an_archive_is_one_file(shop: Workshop) -> None:
    shop.file("a/one").file("a/two")
    shop.build(
        "a",
        'filegroup(name="archive", srcs=["one", "two"])',
        'extract(name="x", archive=":archive", files={"f": "f"})',
    )
    with pytest.raises(InputError, match="has 2 files, and an archive is one"):
        shop.build_targets("//a:x")


def test_nothing_is_left_of_the_work(shop: Workshop) -> None:
    taken(shop, tar_of(TREE), 'files={"top-1.0/": "x/"}')
    assert not list((shop.root / ".buildlib/stage").glob("scratch*"))


names = st.text(st.sampled_from("ab.-é"), min_size=1, max_size=6).filter(
    lambda name: name.strip(".") != ""
)
contents = st.tuples(st.binary(max_size=600), st.sampled_from([0o600, 0o644, 0o755, 0o744]))
trees = st.dictionaries(st.lists(names, min_size=1, max_size=3).map("/".join), contents, min_size=1)


def _has_no_file_above_a_file(tree: Tree) -> bool:
    return not any(other.startswith(f"{path}/") for path in tree for other in tree)


@given(trees.filter(_has_no_file_above_a_file), st.randoms(), st.sampled_from(["w:gz", "w", "zip"]))
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_order_and_the_format_the_result_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree, random, mode: str
) -> None:
    """The result is the tar that `write_tar` makes of the members themselves."""
    shuffled = dict(random.sample(sorted(tree.items()), len(tree)))
    data = zip_of(shuffled) if mode == "zip" else tar_of(shuffled, mode)
    shop = Workshop(tmp_path_factory.mktemp("shop"))
    declared(shop, data, 'files={"./": "opt/it/"}, out="x.tar"').build_targets("//a:x")
    expected = io.BytesIO()
    members = [Member(f"opt/it/{path}", mode, data) for path, (data, mode) in tree.items()]
    write_tar(members, expected, epoch=EPOCH)
    assert shop.made("//a:x", "x.tar").read_bytes() == expected.getvalue()


@pytest.mark.parametrize("mode", ["w:bz2", "w:xz"])
def test_an_archive_that_is_damaged_in_its_middle_is_told_as_that(
    shop: Workshop, mode: str
) -> None:
    noise = random.Random(1).randbytes(300_000)
    data = bytearray(tar_of({"a": (noise, 0o644), "b": (noise[::-1], 0o644)}, mode))
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    error = refused(shop, bytes(data), 'files={"a": "a", "b": "b"}')
    assert "archive cannot be read as an archive" in error.what


def test_a_full_disk_is_not_told_as_a_damaged_archive(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, out: object, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    declared(shop, tar_of(TREE), 'files={"./": "a/"}, out="x.tar"')
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ActionError, match="No space left"):
        shop.build_targets("//a:x")
