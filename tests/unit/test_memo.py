"""The memo saves time and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildlib.store.memo import Memo


def opened(folder: Path) -> Memo:
    return Memo(str(folder / "deep" / "memo"))


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
