"""Deterministic archives: bytes, round trips through other programs, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.pack.compress import compress
from buildlib.core.pack.tar import Member, header, write_tar
from buildlib.errors import ActionError, InputError

EPOCH = 1_600_000_000
LONG = "deep/" + "/".join(["folder-with-a-long-name"] * 9) + "/file"
MEMBERS = [
    Member("usr/local/bin/run.sh", 0o755, b"#!/bin/sh\n"),
    Member("usr/local/share/data.bin", 0o600, bytes(range(256)) * 5),
    Member("usr/local/bin/same", kind="hardlink", target="usr/local/bin/run.sh"),
    Member("usr/local/bin/link", kind="link", target="../share/data.bin"),
    Member("empty", kind="dir"),
    Member("empty.txt"),
    Member("naïve/文.txt", 0o644, b"x"),
    Member(LONG, 0o644, b"long"),
    Member("n" * 150, 0o644, b"no slash to split at"),
    Member("far", kind="link", target="t/" * 80 + "end"),
]


def tar(members, **options):
    out = io.BytesIO()
    packed = write_tar(members, out, epoch=EPOCH, **options)
    data = out.getvalue()
    assert packed == (hashlib.sha256(data).hexdigest(), len(data))
    return data


def opened(data):
    return tarfile.open(fileobj=io.BytesIO(data))


def refused(members, **options):
    with pytest.raises(InputError) as caught:
        write_tar(members, io.BytesIO(), **{"epoch": EPOCH, **options})
    assert caught.value.fix
    return caught.value


def test_python_reads_back_what_was_written():
    with opened(tar(MEMBERS)) as archive:
        found = {entry.name: entry for entry in archive}
        for member in MEMBERS:
            entry = found[member.path]
            if member.kind == "file":
                assert entry.isreg()
                assert archive.extractfile(entry).read() == member.data
            elif member.kind == "dir":
                assert entry.isdir()
            else:
                assert entry.linkname == member.target
                assert entry.issym() if member.kind == "link" else entry.islnk()


def test_gnu_tar_unpacks_what_was_written(tmp_path):
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar(MEMBERS))
    target = tmp_path / "out"
    target.mkdir()
    done = subprocess.run(
        ["tar", "-xf", archive, "-C", target], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    for member in MEMBERS:
        if member.kind == "file":
            assert (target / member.path).read_bytes() == member.data
    assert str((target / "far").readlink()) == "t/" * 80 + "end"
    assert (target / "usr/local/bin/same").samefile(target / "usr/local/bin/run.sh")
    assert (target / "usr/local/bin/run.sh").stat().st_mtime == EPOCH


def test_entries_are_the_same_for_everyone():
    with opened(tar(MEMBERS)) as archive:
        for entry in archive:
            assert (entry.uid, entry.gid) == (0, 0), entry.name
            assert (entry.uname, entry.gname, entry.mtime) == ("", "", EPOCH)
            plain = entry.isreg() and not entry.name.endswith("run.sh")
            assert entry.mode == (0o644 if plain else 0o755), entry.name


def test_a_hard_link_has_the_mode_of_its_file():
    """Docker sets the mode of a file once more when it unpacks a link to it."""
    with opened(tar([MEMBERS[0], MEMBERS[2]._replace(mode=0o600)])) as archive:
        assert archive.getmember("usr/local/bin/same").mode == 0o755


def test_folders_stand_before_their_members_and_hard_links_last():
    with opened(tar(MEMBERS)) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    for index, name in enumerate(names):
        parent = name.rpartition("/")[0]
        assert not parent or parent in names[:index]
    assert names[-1] == "usr/local/bin/same"


simple = st.text(st.sampled_from("ab.-_é "), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
trees = st.dictionaries(
    st.lists(simple, min_size=1, max_size=4).map("/".join),
    st.binary(max_size=1500),
    max_size=8,
).filter(lambda tree: not any(a != b and b.startswith(a + "/") for a in tree for b in tree))


@given(trees, st.randoms())
def test_the_order_of_members_does_not_matter_and_nothing_is_lost(tree, random):
    members = [Member(path, 0o644, data) for path, data in tree.items()]
    first = tar(members)
    random.shuffle(members)
    assert tar(members) == first
    with opened(first) as archive:
        files = {e.name: archive.extractfile(e).read() for e in archive if e.isreg()}
    assert files == tree


def test_bytes_are_the_same_from_another_folder_umask_zone_and_hash_seed(tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"content" * 1000)
    source.chmod(0o664)
    program = (
        "import sys\nfrom buildlib.core.pack.tar import Member, write_tar\n"
        "import os\nmode = os.stat(sys.argv[1]).st_mode\n"
        "write_tar({Member('a/b', mode, sys.argv[1]), Member('a/c'), Member('d', data=b'x')},"
        " sys.stdout.buffer, epoch=5)\n"
    )
    root = str(Path(__file__).parents[2])
    results = set()
    for cwd, umask, zone, seed, user, mode in (
        ("/", 0o022, "UTC", "1", "root", 0o664),
        (str(tmp_path), 0o077, "Pacific/Auckland", "2", "someone", 0o600),
    ):
        source.chmod(mode)
        os.utime(source, (umask, umask))
        done = subprocess.run(
            [sys.executable, "-c", program, str(source)],
            cwd=cwd,
            umask=umask,
            env={"PYTHONPATH": root, "TZ": zone, "PYTHONHASHSEED": seed, "USER": user},
            check=True,
            capture_output=True,
        )
        results.add(done.stdout)
    assert len(results) == 1


def test_gzip_holds_the_same_archive_without_name_and_time():
    out = io.BytesIO()
    compress(io.BytesIO(tar(MEMBERS)), out)
    data = out.getvalue()
    assert gzip.decompress(data) == tar(MEMBERS)
    assert data[3:10] == b"\0\0\0\0\0\0\xff"


def test_files_are_read_in_pieces(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3_000_001))
    with opened(tar([Member("big", data=str(big)), Member("z", data=b"1")])) as archive:
        assert archive.extractfile("big").read() == big.read_bytes()
        assert archive.extractfile("z").read() == b"1"


@pytest.mark.parametrize("change", [b"more", None])
def test_a_file_that_changes_while_it_is_packed_is_noticed(tmp_path, change):
    moving = tmp_path / "moving"
    moving.write_bytes(b"a" * 2_000_000)

    class Out(io.BytesIO):
        def write(self, data):
            if change:
                with moving.open("ab") as stream:
                    stream.write(change)
            else:
                os.truncate(moving, 1_500_000)
            return super().write(data)

    with pytest.raises(ActionError, match="changed while it was packed"):
        write_tar([Member("a", data=b"x" * 10), Member("b", data=str(moving))], Out(), epoch=EPOCH)


@pytest.mark.parametrize(
    "path",
    ["", "/abs", "a/../b", "..", "a/..", "./a", "a/./b", "a//b", "a/", "nul\0", "surrogate\udcff"],
)
def test_paths_that_cannot_be_unpacked_safely(path):
    refused([Member(path)])


def test_dots_inside_names_are_fine():
    names = ["..a", "a..", "...", ".hidden/..x"]
    with opened(tar([Member(name) for name in names])) as archive:
        assert set(names) <= set(archive.getnames())


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ([Member("a"), Member("a", data=b"2")], "twice"),
        ([Member("a"), Member("a/b")], "no folder"),
        ([Member("a", kind="link", target="/etc"), Member("a/b")], "no folder"),
        ([Member("a", kind="hardlink", target="b")], "no file of the archive"),
        ([Member("a", kind="hardlink", target="b"), Member("b", kind="dir")], "no file"),
        ([Member("a", kind="link")], "link to nothing"),
        ([Member("a", kind="fifo")], "cannot be of kind fifo"),
    ],
)
def test_members_that_do_not_fit_together(members, what):
    assert what in refused(members).what
    assert what in refused(members[::-1]).what


def test_numbers_out_of_range():
    assert "out of range" in refused([Member("a")], epoch=-1).what
    with pytest.raises(InputError, match="out of range"):
        header("a", kind=b"0", mode=0o644, owner=(8**7, 0), size=0, mtime=EPOCH)


def test_a_declared_folder_is_the_same_as_an_implied_one():
    assert tar([Member("a", kind="dir"), Member("a/b")]) == tar([Member("a/b")])
