"""Records, and what a workspace remembers: atomic, and never trusted when damaged."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildlib.core.keys.record import make_record
from buildlib.core.model.label import Label
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.store.records import Record, Records
from buildlib.core.store.state import State
from tests.support.workspace import digest

KEY = make_record([("rule", "docker_image 1"), ("file a", "644 x")])
IMAGE = f"sha256:{digest('image')}"
FILES = {"a.tar": FileOutput(digest("a"), 3)}


def test_what_was_noted_is_found(tmp_path: Path) -> None:
    records = Records(str(tmp_path / "deep" / "records"))
    assert records.get(KEY.key) is None
    assert records.parts(KEY.key) is None
    records.put(KEY, Output(IMAGE, FILES), 1.23456, label="//a")
    assert records.get(KEY.key) == Record((IMAGE,), FILES, 1.235)
    assert records.parts(KEY.key) == KEY
    assert Records(str(tmp_path / "deep" / "records")).get(KEY.key) is not None


def test_images_of_other_engines_are_kept_and_the_newest_is_first(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    for image in ("sha256:1", "sha256:2", "sha256:1"):
        records.put(KEY, Output(image), 0, label="//a")
    found = records.get(KEY.key)
    assert found is not None
    assert found.images == ("sha256:1", "sha256:2")


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output(IMAGE), 0, label="//a")
    records.forget(KEY.key)
    records.forget(KEY.key)
    assert records.get(KEY.key) is None
    assert records.parts(KEY.key) is None


def test_what_is_forgotten_is_to_be_rebuilt_until_it_was(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output(IMAGE), 0, label="//a")
    assert not records.is_forgotten(KEY.key)
    records.forget(KEY.key)
    assert records.is_forgotten(KEY.key)
    records.put(KEY, Output(IMAGE), 0, label="//a")
    assert not records.is_forgotten(KEY.key)
    records.remove(KEY.key)
    assert records.get(KEY.key) is None
    assert not records.is_forgotten(KEY.key)


def test_what_was_made_again_is_the_only_result(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output("sha256:1"), 0, label="//a")
    records.put(KEY, Output("sha256:2"), 0, label="//a", replace=True)
    found = records.get(KEY.key)
    assert found is not None
    assert found.images == ("sha256:2",)


def test_the_record_of_another_key_is_none(tmp_path: Path) -> None:
    """Two files of the store that took each other's names."""
    records = Records(str(tmp_path))
    other = make_record([("rule", "docker_image 1"), ("file a", "644 y")])
    records.put(KEY, Output(IMAGE, FILES), 0, label="//a")
    place = tmp_path / other.key[:2] / f"{other.key[2:]}.json"
    place.parent.mkdir(exist_ok=True)
    (tmp_path / KEY.key[:2] / f"{KEY.key[2:]}.json").rename(place)
    assert records.get(other.key) is None


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output(IMAGE, FILES), 0, label="//a")
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == [f"{KEY.key[2:]}.json", f"{KEY.key[2:]}.parts.json"]


DAMAGED = [
    b"", b"{", b"null", b"[]", b"3", b'"x"', b"{}", b"\xff\xfe",
    b'{"images": [], "files": {}}',
    b'{"images": null, "files": {}, "seconds": 1}',
    b'{"images": "sha256:x", "files": {}, "seconds": 1}',
    b'{"images": [3], "files": {}, "seconds": 1}',
    b'{"images": [], "files": [], "seconds": 1}',
    b'{"images": [], "files": {"a": 3}, "seconds": 1}',
    b'{"images": [], "files": {"a": ["x"]}, "seconds": 1}',
    b'{"images": [], "files": {"a": [3, 4]}, "seconds": 1}',
    b'{"images": [], "files": {"a": ["x", "y"]}, "seconds": 1}',
    b'{"images": [], "files": {}, "seconds": "soon"}',
]  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_record_is_none(tmp_path: Path, data: bytes) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output(IMAGE, FILES), 0, label="//a")
    for path in tmp_path.rglob("*.json"):
        path.write_bytes(data.replace(b"{", f'{{"key": "{KEY.key}", '.encode(), 1))
    assert records.get(KEY.key) is None
    assert records.parts(KEY.key) is None
    records.put(KEY, Output(IMAGE, FILES), 0, label="//a")
    assert records.get(KEY.key) == Record((IMAGE,), FILES, 0)
    assert records.parts(KEY.key) == KEY


@given(st.integers(0, 10_000))
def test_a_record_that_was_cut_is_none(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    folder = tmp_path_factory.mktemp("records")
    records = Records(str(folder))
    records.put(KEY, Output(IMAGE, FILES), 0, label="//a")
    for path in folder.rglob("*.json"):
        data = path.read_bytes()
        path.write_bytes(data[: at % len(data)])
    assert records.get(KEY.key) is None
    assert records.parts(KEY.key) is None


def test_parts_of_another_key_are_not_believed(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.put(KEY, Output(IMAGE), 0, label="//a")
    path = next(tmp_path.rglob("*.parts.json"))
    path.write_text(json.dumps([["rule", "docker_image 1"], ["file a", "644 y"]]))
    assert records.parts(KEY.key) is None


def test_a_record_where_a_folder_stands_is_none(tmp_path: Path) -> None:
    (tmp_path / KEY.key[:2] / f"{KEY.key[2:]}.json").mkdir(parents=True)
    assert Records(str(tmp_path)).get(KEY.key) is None


def test_parts_hold_whatever_a_file_may_be_called(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    strange = make_record([("file \udcff\u00fc\U0001f4a9\n\t", "link \udcfe")])
    records.put_parts(strange)
    assert records.parts(strange.key) == strange


def test_many_threads_note_the_same_parts(tmp_path: Path) -> None:
    """Images that are built at a time share their base: both note what it was made of."""
    records = Records(str(tmp_path))
    failures: list[BaseException] = []
    shared = [make_record([("n", str(n)), ("long", "x" * 2_000)]) for n in range(60)]
    gate = threading.Barrier(8)

    def note() -> None:
        gate.wait()
        try:
            for record in shared:
                records.put_parts(record)
                assert records.parts(record.key) == record
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=note) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]


# -- state ----------------------------------------------------------------------------------------


def test_a_workspace_remembers_the_last_key_of_a_target(tmp_path: Path) -> None:
    label = Label("images/a", "a")
    State(str(tmp_path)).set_last_key(label, "k1")
    assert State(str(tmp_path)).last_key(label) == "k1"
    assert State(str(tmp_path)).last_key(Label("images/b", "b")) == ""


def test_a_workspace_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".buildlib").write_text("a file where a folder should be")
    State(str(tmp_path)).set_last_key(Label("a", "a"), "k")
    assert State(str(tmp_path)).last_key(Label("a", "a")) == ""


def test_a_last_key_that_is_no_text_is_none(tmp_path: Path) -> None:
    state, label = State(str(tmp_path)), Label("a", "a")
    state.set_last_key(label, "k")
    next((tmp_path / ".buildlib" / "last").iterdir()).write_bytes(b"\xff\xfe")
    assert state.last_key(label) == ""
