"""The digest index: whatever happens to files and to the index, never a wrong stamp."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from buildlib.core.keys.index import DigestIndex
from tests.support.chance import examples

SETTLE = 0.06
"""Seconds after which an index may trust a file: a little more than its tick."""


def truth(path: Path) -> str:
    """The stamp, from the file alone."""
    if path.is_symlink():
        return f"link {os.readlink(path)}"
    if not path.is_file():
        return "-"
    mode = "755" if path.stat().st_mode & 0o100 else "644"
    return f"{mode} {sha256(path.read_bytes()).hexdigest()}"


def opened(folder: Path) -> DigestIndex:
    return DigestIndex(str(folder), str(folder / ".index"))


# -- cost ---------------------------------------------------------------------------------------


def test_a_settled_file_is_read_once(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"f{number}").write_text(str(number))
    time.sleep(SETTLE)
    index = opened(tmp_path)
    stamps = [index.stamp(f"f{number}") for number in range(20)]
    assert index.hashed == 20
    index.save()
    again = opened(tmp_path)
    assert [again.stamp(f"f{number}") for number in range(20)] == stamps
    assert again.hashed == 0


def test_touching_everything_costs_one_rehash_and_then_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    time.sleep(SETTLE)
    index = opened(tmp_path)
    stamp = index.stamp("f")
    index.save()
    (tmp_path / "f").touch()
    time.sleep(SETTLE)
    for expected in (1, 0, 0):
        index = opened(tmp_path)
        assert index.stamp("f") == stamp
        assert index.hashed == expected
        index.save()


def test_an_index_that_holds_nothing_new_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    time.sleep(SETTLE)
    index = opened(tmp_path)
    index.stamp("f")
    index.save()
    os.utime(tmp_path / ".index", ns=(1, 1))
    index = opened(tmp_path)
    index.stamp("f")
    index.save()
    assert (tmp_path / ".index").stat().st_mtime_ns == 1


def test_an_index_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    (tmp_path / "file").write_text("")
    time.sleep(SETTLE)
    index = DigestIndex(str(tmp_path), str(tmp_path / "file" / "index"))
    assert index.stamp("f") == truth(tmp_path / "f")
    index.save()


# -- edits that try not to be seen ----------------------------------------------------------------


def test_edits_in_one_tick_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for number in range(300):
        path.write_text(f"{number:04}")
        index = opened(tmp_path)
        index.stamp("f")
        index.save()
        path.write_text(f"{number:04}"[::-1])
        index = opened(tmp_path)
        assert index.stamp("f") == truth(path)
        index.save()


def test_an_edit_that_keeps_size_and_mtime_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    before = path.stat()
    time.sleep(SETTLE)
    index = opened(tmp_path)
    index.stamp("f")
    index.save()
    path.write_text("new")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert opened(tmp_path).stamp("f") == truth(path)


def test_another_file_under_the_name_is_seen(tmp_path: Path) -> None:
    path, other = tmp_path / "f", tmp_path / "other"
    path.write_text("old")
    other.write_text("new")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    time.sleep(SETTLE)
    index = opened(tmp_path)
    index.stamp("f")
    index.save()
    other.rename(path)
    assert opened(tmp_path).stamp("f") == truth(path)


def test_a_file_system_with_whole_seconds_is_not_trusted_within_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.lstat

    def coarse(path: str) -> SimpleNamespace:
        info = real(path)
        second = 1_000_000_000
        return SimpleNamespace(
            st_mode=info.st_mode,
            st_size=info.st_size,
            st_ino=info.st_ino,
            st_mtime_ns=info.st_mtime_ns // second * second,
            st_ctime_ns=info.st_ctime_ns // second * second,
        )

    path = tmp_path / "f"
    monkeypatch.setattr(os, "lstat", coarse)
    index = opened(tmp_path)
    for number in range(10):
        path.write_text(str(number))
        assert index.stamp("f") == f"644 {sha256(str(number).encode()).hexdigest()}"
        time.sleep(SETTLE)


def test_a_file_that_is_written_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildlib.core.keys import index as module

    path = tmp_path / "f"
    path.write_text("old")
    time.sleep(SETTLE)
    real, edits = module.file_sha256, iter(["new", "newer"])

    def slow(name: str) -> str:
        found = real(name)
        text = next(edits, None)
        if text is not None:
            path.write_text(text)
        return found

    monkeypatch.setattr(module, "file_sha256", slow)
    assert opened(tmp_path).stamp("f") == truth(path)


def test_a_file_that_never_rests_does_not_hang_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildlib.core.keys import index as module

    path = tmp_path / "f"
    path.write_text("")
    real, reads = module.file_sha256, 0

    def restless(name: str) -> str:
        nonlocal reads
        reads += 1
        assert reads < 1_000, "it reads for ever"
        found = real(name)
        path.write_text("x" * reads)
        return found

    monkeypatch.setattr(module, "file_sha256", restless)
    index = opened(tmp_path)
    index.stamp("f")
    monkeypatch.undo()
    assert index.stamp("f") == truth(path)


@pytest.mark.parametrize("bits", [0o644, 0o600, 0o666, 0o640, 0o755, 0o700, 0o744, 0o711])
def test_of_the_mode_only_the_owners_execute_bit_counts(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    path.chmod(bits)
    expected = "755" if bits & 0o100 else "644"
    assert opened(tmp_path).stamp("f") == f"{expected} {sha256(b'x').hexdigest()}"


def test_what_is_no_file_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    index = opened(tmp_path)
    assert [index.stamp(name) for name in ("folder", "pipe", "absent", "dangling", "folder/x")] == [
        "-", "-", "-", "link nowhere", "-",
    ]  # fmt: skip


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildlib.core.keys import index as module
    from buildlib.errors import BuildError

    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "f").write_text("x")
    monkeypatch.setattr(module, "file_sha256", refuse)
    with pytest.raises(BuildError, match=r"f\b"):
        opened(tmp_path).stamp("f")


# -- corruption ---------------------------------------------------------------------------------


def damaged(data: bytes, how: str) -> bytes:
    kind, _, number = how.partition(" ")
    at = int(number or 0)
    if kind == "flip":
        return data[: at % len(data)] + bytes([data[at % len(data)] ^ 1 << at % 8]) + data[
            at % len(data) + 1 :
        ]  # fmt: skip
    if kind == "cut":
        return data[: at % len(data)]
    if kind == "grow":
        return data + b"x" * at
    return {"foreign": b"another tool's index\n" + data, "empty": b"", "twice": data + data}[kind]


@pytest.mark.parametrize(
    "how",
    [
        "foreign",
        "empty",
        "twice",
        "grow 1",
        *(f"flip {at}" for at in range(0, 200, 3)),
        *(f"cut {at}" for at in range(0, 150, 7)),
    ],
)
def test_a_damaged_index_costs_a_read_and_tells_no_lie(tmp_path: Path, how: str) -> None:
    (tmp_path / "f").write_text("x")
    os.utime(tmp_path / "f", (1, 1))
    time.sleep(SETTLE)
    index = opened(tmp_path)
    index.stamp("f")
    index.save()
    file = tmp_path / ".index"
    file.write_bytes(damaged(file.read_bytes(), how))
    index = opened(tmp_path)
    assert index.stamp("f") == truth(tmp_path / "f")
    assert index.hashed == 1
    index.save()
    index = opened(tmp_path)
    assert index.stamp("f") == truth(tmp_path / "f")
    assert index.hashed == 0


# -- everything at once -------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b"])
CONTENTS = st.sampled_from([b"one", b"two", b"six", b"longer"])


class Files(RuleBasedStateMachine):
    """Any sequence of edits, saves, damages and waits: the index always tells the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="index-"))
        self.index = opened(self.folder)
        self.settled = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def _clear(self, name: str) -> Path:
        path = self.folder / name
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            path.rmdir()
        return path

    @rule(name=NAMES, content=CONTENTS, quietly=st.booleans())
    def write(self, name: str, content: bytes, quietly: bool) -> None:
        path = self._clear(name)
        before = path.stat() if path.exists() else None
        path.write_bytes(content)
        if quietly and before:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(name=NAMES, content=CONTENTS)
    def exchange(self, name: str, content: bytes) -> None:
        path, other = self._clear(name), self.folder / "other"
        other.write_bytes(content)
        if path.exists():
            info = path.stat()
            os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
        other.rename(path)

    @rule(name=NAMES, executable=st.booleans())
    def chmod(self, name: str, executable: bool) -> None:
        path = self.folder / name
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755 if executable else 0o600)

    @rule(name=NAMES, to=st.sampled_from(["x", "y"]))
    def link(self, name: str, to: str) -> None:
        path = self._clear(name)
        path.unlink(missing_ok=True)
        path.symlink_to(to)

    @rule(name=NAMES, as_folder=st.booleans())
    def remove(self, name: str, as_folder: bool) -> None:
        path = self._clear(name)
        path.unlink(missing_ok=True)
        if as_folder:
            path.mkdir()

    @precondition(lambda self: self.settled < 3)
    @rule()
    def settle(self) -> None:
        self.settled += 1
        time.sleep(SETTLE)

    @rule()
    def reopen(self) -> None:
        self.index.save()
        self.index = opened(self.folder)

    @rule(how=st.sampled_from(["foreign", "empty", "flip 40", "cut 30"]))
    def damage(self, how: str) -> None:
        file = self.folder / ".index"
        if file.exists() and file.stat().st_size:
            file.write_bytes(damaged(file.read_bytes(), how))
            self.index = opened(self.folder)

    @invariant()
    def tells_the_truth(self) -> None:
        for name in ("a", "b"):
            assert self.index.stamp(name) == truth(self.folder / name)


TestFiles = Files.TestCase
TestFiles.settings = settings(
    max_examples=examples(30),
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
