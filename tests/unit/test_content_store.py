"""The store of files by sha256: whole or absent, whatever happens."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from buildlib.core.store import content
from buildlib.core.store.content import EPOCH, ContentStore, HashMismatch, default_root, stamp_ns
from buildlib.errors import ActionError
from tests.support.chance import examples

NONE = hashlib.sha256(b"").hexdigest()


def sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path):
    return ContentStore(str(tmp_path / "store"))


def files_in(root):
    return sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    )


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_new_store_writes_nothing(store):
    assert not store.has(sha(b"x"))
    assert not os.path.exists(store.root)


def test_layout_mode_and_time(store):
    digest = store.add_bytes(b"hello")
    path = store.path(digest)
    assert path == f"{store.root}/sha256/{digest[:2]}/{digest[2:]}"
    stat = os.stat(path)
    assert stat.st_mode & 0o777 == 0o444
    assert stat.st_mtime_ns == stamp_ns(digest)
    assert int(stat.st_mtime) == EPOCH == 1_700_000_000
    assert files_in(store.root) == [os.path.relpath(path, store.root)]


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_stamps_tell_contents_apart_within_the_same_second(one, two):
    first, second = stamp_ns(sha(one)), stamp_ns(sha(two))
    assert first // 10**9 == second // 10**9 == EPOCH
    assert (first == second) == (one == two)


def test_has_asks_for_the_size(store):
    digest = store.add_bytes(b"hello")
    assert store.has(digest)
    assert store.has(digest, 5)
    assert not store.has(digest, 4)


def test_an_empty_file_is_only_believed_of_the_empty_content(store):
    digest = store.add_bytes(b"hello")
    os.chmod(store.path(digest), 0o644)
    os.truncate(store.path(digest), 0)  # what a machine that lost power may leave
    assert not store.has(digest)
    store.add_bytes(b"hello")
    assert read(store.path(digest)) == b"hello"
    assert store.has(store.add_bytes(b""))


@pytest.mark.parametrize("name", ["", "abc", "../" * 21 + "a", "A" * 64, "g" * 63, "a/" * 32])
def test_what_is_no_digest_is_refused(store, name):
    with pytest.raises(ValueError, match="not a sha256"):
        store.path(name)
    assert not store.has(name)  # what a damaged record may ask for
    assert not store.check(name)


def test_commit_of_something_else_leaves_nothing(store):
    with store.writer() as out:
        out.write(b"other")
        with pytest.raises(HashMismatch) as error:
            out.commit(sha(b"wanted"))
    assert sha(b"other") in str(error.value)
    assert sha(b"wanted") in str(error.value)
    assert files_in(store.root) == []


def test_a_writer_that_is_left_leaves_nothing(store):
    with store.writer() as out:
        out.write(b"half")
    assert files_in(store.root) == []


def test_add_file_leaves_the_original_alone(store, tmp_path):
    original = tmp_path / "a"
    original.write_bytes(b"data" * 1000)
    digest = store.add_file(str(original))
    original.write_bytes(b"changed")
    assert store.verify(digest)
    assert digest == sha(b"data" * 1000)


def test_adding_again_keeps_the_file(store):
    digest = store.add_bytes(b"x")
    before = os.stat(store.path(digest)).st_ino
    store.add_bytes(b"x")
    assert os.stat(store.path(digest)).st_ino == before


def test_verify_moves_a_bad_file_aside(store):
    digest = store.add_bytes(b"good")
    assert store.verify(digest)
    os.chmod(store.path(digest), 0o644)
    with open(store.path(digest), "r+b") as file:
        file.write(b"BAD")
    assert store.has(digest, 4)  # a stat cannot see it
    assert not store.verify(digest)
    assert not store.has(digest)
    assert files_in(store.root) == [f"corrupt/{digest}"]
    assert not store.verify(digest)  # absent
    store.add_bytes(b"good")
    assert store.verify(digest)


def test_link_is_a_hard_link(store, tmp_path):
    digest = store.add_bytes(b"one")
    dest = str(tmp_path / "file")
    assert store.link_to(digest, dest)
    assert os.path.samefile(dest, store.path(digest))


def test_where_links_are_not_possible_that_is_said(store, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(content.os, "link", refuse)
    assert not store.link_to(store.add_bytes(b"x"), str(tmp_path / "out"))


def test_link_of_what_is_absent(store, tmp_path):
    with pytest.raises(ActionError, match="not in the content store") as error:
        store.link_to(NONE, str(tmp_path / "dest"))
    assert error.value.fix
    assert os.listdir(tmp_path) == []


def overwrite(path, data):
    """Other bytes under an old date, as a failing disk leaves them."""
    before = os.stat(path)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(data)
    os.chmod(path, before.st_mode)
    os.utime(path, ns=(before.st_mtime_ns,) * 2)


def swap(path, other):
    os.rename(path, f"{path}.x")
    os.rename(other, path)
    os.rename(f"{path}.x", other)


DAMAGE = {
    "other bytes": lambda path, _: overwrite(path, b"evil"),
    "cut": lambda path, _: os.truncate(path, 2),
    "emptied": lambda path, _: os.truncate(path, 0),
    "longer": lambda path, _: os.truncate(path, 9),
    "names swapped": swap,
}


@pytest.mark.parametrize("again", [False, True], ids=["same process", "next process"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_what_was_damaged_is_told_once_and_absent(store, capsys, kind, again):
    digest, other = store.add_bytes(b"good"), store.add_bytes(b"fine")
    assert store.check(digest, 4)
    store.save()
    DAMAGE[kind](store.path(digest), store.path(other))
    if again:
        store = ContentStore(store.root)
    assert not store.check(digest, 4, what="x.tar of //a")
    assert not store.check(digest, 4)
    assert not store.has(digest)
    assert os.path.exists(f"{store.root}/corrupt/{digest}")
    assert capsys.readouterr().err.count("x.tar of //a was damaged in the content store") == 1
    store.add_bytes(b"good")
    assert store.check(digest, 4)


def test_what_was_damaged_and_is_made_again_replaces_the_damaged_file(store):
    digest = store.add_bytes(b"good")
    overwrite(store.path(digest), b"evil")
    assert store.add_bytes(b"good") == digest
    assert read(store.path(digest)) == b"good"


def test_a_whole_file_gets_its_mode_and_time_back(store, tmp_path):
    digest = store.add_bytes(b"good")
    path = store.path(digest)
    os.chmod(path, 0o755)
    os.utime(path)
    assert not store.link_to(digest, str(tmp_path / "link"))
    assert store.check(digest)
    assert os.stat(path).st_mode & 0o777 == 0o444
    assert os.stat(path).st_mtime_ns == stamp_ns(digest)
    assert store.link_to(digest, str(tmp_path / "link"))


def test_what_is_damaged_where_nobody_may_write_is_told(store, monkeypatch):
    digest = store.add_bytes(b"good")
    overwrite(store.path(digest), b"evil")

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(content.os, "replace", refuse)
    with pytest.raises(ActionError, match=r"x\.tar is damaged .* Read-only file system") as told:
        store.check(digest, what="x.tar")
    assert store.path(digest) in told.value.fix


def test_a_write_through_a_link_is_seen(store, tmp_path):
    digest = store.add_bytes(b"good")
    link = str(tmp_path / "link")
    store.link_to(digest, link)
    assert store.check(digest)
    with open(link, "r+b") as file:
        file.write(b"evil")
    assert not store.check(digest)


def test_what_is_known_to_be_whole_is_not_read_again(store, tmp_path, monkeypatch):
    """Not after our own links came and went, and not by the next process either."""
    digest = store.add_bytes(b"good")
    store.save()
    store = ContentStore(store.root)
    monkeypatch.setattr(content, "hash_file", pytest.fail)
    link = str(tmp_path / "link")
    store.link_to(digest, link)
    assert store.check(digest)
    with store.own_change(digest):
        os.unlink(link)
    assert store.check(digest)
    store.save()
    assert ContentStore(store.root).check(digest)


def test_what_processes_note_at_the_same_time_is_all_kept(store, monkeypatch):
    one, two = ContentStore(store.root), ContentStore(store.root)
    first, second = one.add_bytes(b"1"), two.add_bytes(b"2")
    one.save()
    two.save()
    monkeypatch.setattr(content, "hash_file", pytest.fail)
    assert store.check(first)
    assert store.check(second)


def test_what_leaves_the_machine_is_read_in_any_case(store, monkeypatch):
    digest = store.add_bytes(b"good")
    monkeypatch.setattr(store._index, "unchanged_stamp", lambda _: digest)
    overwrite(store.path(digest), b"evil")
    assert store.check(digest)
    assert not store.verify(digest)


def test_files_of_dead_processes_go_after_a_day(store, monkeypatch):
    folder = os.path.join(store.root, "incoming")
    os.makedirs(folder)
    left = os.path.join(folder, "left")
    with open(left, "w"):
        pass
    ContentStore(store.root).add_bytes(b"x")
    assert os.path.exists(left)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400)
    ContentStore(store.root).add_bytes(b"y")
    assert not os.path.exists(left)


def test_a_file_about_to_get_its_name_is_not_taken_for_a_dead_one(store):
    """Its mtime is set to one long past, just before the rename; another process may look then."""
    folder = os.path.join(store.root, "incoming")
    os.makedirs(folder)
    path = os.path.join(folder, "mine")
    with open(path, "w"):
        pass
    os.utime(path, (0, 0))
    ContentStore(store.root).add_bytes(b"x")
    assert os.path.exists(path)


def test_a_store_that_cannot_be_made_is_an_error_with_a_fix(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ActionError, match="cannot write to the content store") as error:
        ContentStore(str(tmp_path / "file" / "store")).add_bytes(b"x")
    assert "BUILDLIB_STORE" in error.value.fix


def test_default_root(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("BUILDLIB_STORE", raising=False)
    assert default_root() == "/home/ada/.cache/buildlib"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_root() == "/home/ada/.cache/buildlib"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert default_root() == "/var/cache/ada/buildlib"
    monkeypatch.setenv("BUILDLIB_STORE", "~/mine")
    assert default_root() == "/home/ada/mine"


def _add_many(root, seed):
    store = ContentStore(root)
    for number in range(60):
        data = f"{(number * seed) % 20}".encode() * 50_000
        assert store.verify(store.add_bytes(data))


def test_processes_share_a_store(store):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_many, args=(store.root, s)) for s in (1, 3, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(files_in(store.root)) == 20


def test_killed_while_writing_leaves_no_file_under_a_final_name(store):
    code = (
        "import sys, os\n"
        "from buildlib.core.store.content import ContentStore\n"
        "out = ContentStore(sys.argv[1]).writer()\n"
        "out.write(b'x' * 3_000_000)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, store.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"ready\n"
    child.kill()
    child.communicate()
    assert [name.split("/")[0] for name in files_in(store.root)] == ["incoming"]


def test_the_module_is_light():
    code = "import sys, buildlib.core.store.content; print(*sorted(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"hashlib", "urllib.request", "urllib3", "tempfile", "shutil", "pathlib", "threading"}
    assert not heavy & set(loaded)


class AnyHistory(RuleBasedStateMachine):
    """Whatever is added, damaged, verified and taken out: what is there is right, or absent."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = ContentStore(os.path.join(self.folder.name, "store"))
        self.good = {}
        self.damaged = set()

    def teardown(self):
        self.folder.cleanup()

    data = st.binary(max_size=40)

    @rule(data=data)
    def add_bytes(self, data):
        digest = self.store.add_bytes(data)
        assert digest == sha(data)
        self.good[digest] = data

    @rule(data=data, pieces=st.integers(1, 5), commit=st.booleans())
    def write(self, data, pieces, commit):
        step = max(1, len(data) // pieces)
        with self.store.writer() as out:
            for start in range(0, len(data), step):
                out.write(data[start : start + step])
            if commit:
                assert out.commit(sha(data)) == (sha(data), len(data))
                self.good[sha(data)] = data

    @rule(data=st.data(), junk=st.binary(max_size=40))
    def damage(self, data, junk):
        if self.good:
            digest = data.draw(st.sampled_from(sorted(self.good)))
            path = self.store.path(digest)
            if os.path.exists(path):
                os.unlink(path)
                with open(path, "wb") as file:
                    file.write(junk)
                if sha(junk) != digest:
                    self.damaged.add(digest)

    @rule(data=data)
    def verify(self, data):
        digest = sha(data)
        path = self.store.path(digest)
        intact = os.path.exists(path) and read(path) == data
        assert self.store.verify(digest) == intact
        assert os.path.exists(path) == intact

    @rule()
    def verify_all(self):
        for digest in list(self.good):
            if not self.store.verify(digest):
                assert digest in self.damaged
                assert not self.store.has(digest)
                del self.good[digest]
            self.damaged.discard(digest)

    @invariant()
    def undamaged_content_is_whole(self):
        for digest, data in self.good.items():
            if digest not in self.damaged:
                assert self.store.has(digest, len(data))
                assert read(self.store.path(digest)) == data


AnyHistory.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=15)
TestAnyHistory = AnyHistory.TestCase
