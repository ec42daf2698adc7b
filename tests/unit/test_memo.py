"""The memo saves time and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildlib.core import fingerprint
from buildlib.core.store.memo import Memo


def opened(folder: Path, code: str = "of today") -> Memo:
    return Memo(str(folder / "deep" / "memo"), code)


def noted(folder: Path, **values: object) -> Path:
    memo = opened(folder)
    for name, value in values.items():
        memo[name] = value
    memo.save()
    return folder / "deep" / "memo"


def test_what_was_noted_is_known_to_the_next_run(tmp_path: Path) -> None:
    code = compile("x = 1", "BUILD.py", "exec")
    noted(tmp_path, code=code, pins={"a": ("1", 2)})
    memo = opened(tmp_path)
    assert memo.get("pins") == {"a": ("1", 2)}
    assert memo.get("code") == code
    assert memo.get("absent") is None


def test_what_a_run_did_not_use_is_dropped(tmp_path: Path) -> None:
    noted(tmp_path, old=1, used=2)
    memo = opened(tmp_path)
    assert memo.get("used") == 2
    memo["new"] = 3
    memo.save()
    memo = opened(tmp_path)
    assert [memo.get(name) for name in ("old", "used", "new")] == [None, 2, 3]


def test_it_is_written_only_when_it_changed(tmp_path: Path) -> None:
    path = noted(tmp_path, a=1)
    os.utime(path, (1, 1))
    memo = opened(tmp_path)
    memo.get("a")
    memo.save()
    assert path.stat().st_mtime == 1


def test_what_other_code_made_is_ignored(tmp_path: Path) -> None:
    noted(tmp_path, a=1)
    assert opened(tmp_path, "of tomorrow").get("a") is None
    assert opened(tmp_path).get("a") == 1


@pytest.mark.parametrize("change", ["edit", "another file", "none"])
def test_a_fingerprint_follows_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "room/a.py").write_text("1")
    monkeypatch.setattr(fingerprint, "_HOME", str(tmp_path))
    before = fingerprint.stamp("room", "one.py"), fingerprint.digest("room", "one.py")
    if change == "edit":
        (tmp_path / "room/a.py").write_text("2")
    elif change == "another file":
        (tmp_path / "room/b.py").write_text("")
    after = fingerprint.stamp("room", "one.py"), fingerprint.digest("room", "one.py")
    assert [a == b for a, b in zip(before, after, strict=True)] == [change == "none"] * 2


def test_a_digest_is_that_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for checkout in ("one", "another"):
        (tmp_path / checkout).mkdir()
        (tmp_path / checkout / "a.py").write_text("1")
        monkeypatch.setattr(fingerprint, "_HOME", str(tmp_path / checkout))
        found.append(fingerprint.digest("a.py"))
    assert found[0] == found[1]


@pytest.mark.parametrize("at", range(0, 160, 3))
def test_a_damaged_one_is_ignored(tmp_path: Path, at: int) -> None:
    path = noted(tmp_path, a={"deep": ["x"] * 9})
    data = path.read_bytes()
    for damaged in (
        data[: at % len(data)],
        data[: at % len(data)] + bytes([data[at % len(data)] ^ 4]) + data[at % len(data) + 1 :],
        b"foreign" + data,
        data + b"x",
    ):
        path.write_bytes(damaged)
        memo = opened(tmp_path)
        assert memo.get("a") is None
        memo["a"] = 2
        memo.save()
        assert opened(tmp_path).get("a") == 2


def test_one_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("")
    memo = opened(tmp_path)
    memo["a"] = 1
    memo.save()
    assert memo.get("b") is None
