"""The build context: exactly what was declared, the same on every machine, whatever was before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from buildlib.build.execution.stage import InputMovedError, Stage
from buildlib.core.model.inputs import Source
from buildlib.core.store.content import EPOCH, ContentStore, stamp_ns
from buildlib.errors import ActionError
from tests.support.workspace import digest


class Desk:
    """Sources, a store, and the folder that becomes the context."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "stage"
        self.sources = folder / "sources"
        self.sources.mkdir()
        self.store = ContentStore(str(folder / "store"))

    @property
    def folder(self) -> Path:
        """The context; there is one at a time."""
        (folder,) = self.home.glob("context-*")
        return folder

    def stage(self) -> Stage:
        return Stage(str(self.home), self.store)

    def source(self, name: str, text: str, *, mode: int = 0o644) -> Source:
        path = self.sources / name.replace("/", "+")
        path.write_text(text)
        path.chmod(mode)
        bits = "755" if mode & 0o100 else "644"
        return Source(str(path), f"{bits} {digest(text)}")

    def link(self, target: str) -> Source:
        return Source("", f"link {target}")

    def fill(self, **files: str) -> None:
        """One run: `a__b="text"` is the source a/b, `x="@text"` comes from the store."""
        stage = self.stage()
        for name, text in files.items():
            path = name.replace("__", "/")
            if text.startswith("@"):
                stage.add_stored(path, self.store.add_bytes(text[1:].encode()))
            elif text.startswith("->"):
                stage.add_source(path, self.link(text[2:]))
            else:
                stage.add_source(path, self.source(path, text))
        stage.finish()

    def there(self) -> dict[str, str]:
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            if path.is_symlink():
                found[name] = f"->{os.readlink(path)}"
            elif path.is_file():
                found[name] = path.read_text()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


RUNS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"a": "1"}, {"a": "1"}),
    ({"a": "1"}, {"a": "2"}),
    ({"a": "1", "b": "1"}, {"a": "1"}),
    ({"a": "1"}, {"b": "1"}),
    ({"d__a": "1"}, {"b": "1"}),
    ({"d__e__a": "1", "d__b": "1"}, {"d__b": "1"}),
    ({"a": "1"}, {"a__b": "1"}),
    ({"a__b": "1"}, {"a": "1"}),
    ({"a__b": "1"}, {"a": "@1"}),
    ({"a__b": "1"}, {"a": "->x"}),
    ({"a": "->x"}, {"a": "1"}),
    ({"a": "->x"}, {"a": "@1"}),
    ({"a": "->x", "x": "1"}, {"a": "1", "x": "2"}),
    ({"a": "->x"}, {"a": "->y"}),
    ({"a": "->nowhere"}, {"b": "1"}),
    ({"a": "->d", "d__x": "1"}, {"d__x": "1"}),
    ({"a": "->d", "d__x": "1"}, {"a__x": "2", "d__x": "1"}),
    ({"a": "->nowhere"}, {"a__x": "2"}),
    ({"a": "@1"}, {"a": "@2"}),
    ({"a": "@1"}, {"a": "1"}),
    ({"a": "1"}, {"a": "@1"}),
    ({"a": "@1"}, {"a__b": "@1"}),
    ({"a": "@1"}, {"a": "@1", "b": "@1"}),
    ({}, {"a": "1"}),
]


@pytest.mark.parametrize(("before", "after"), RUNS)
def test_what_is_staged_is_what_was_declared_whatever_was_before(
    desk: Desk, before: dict[str, str], after: dict[str, str]
) -> None:
    desk.fill(**before)
    desk.fill(**after)
    expected = {name.replace("__", "/"): text.removeprefix("@") for name, text in after.items()}
    assert desk.there() == expected
    assert all(desk.store.add_bytes(x.encode()) == digest(x) for x in ("1", "2"))


def test_a_link_of_the_last_time_leads_nothing_out_of_the_folder(
    desk: Desk, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("precious")
    desk.fill(a=f"->{outside}")
    desk.fill(a__x="staged")
    assert (outside / "x").read_text() == "precious"
    assert desk.there() == {"a/x": "staged"}


def test_a_link_leads_nothing_out_of_the_folder_in_one_run_either(
    desk: Desk, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    stage = desk.stage()
    stage.add_source("a", desk.link(str(outside)))
    with pytest.raises(ActionError):
        stage.add_source("a/x", desk.source("a/x", "staged"))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "", ".", "a/"])
def test_no_name_leads_out_of_the_folder(desk: Desk, tmp_path: Path, name: str) -> None:
    stage = desk.stage()
    with pytest.raises(ActionError):
        stage.add_source(name, desk.source("x", "1"))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_and_times_are_the_same_for_every_user(desk: Desk, mask: int) -> None:
    old = os.umask(mask)
    try:
        desk.fill(a="1", d__e__b="2", d__link="->e", s="@3")
    finally:
        os.umask(old)
    stage = desk.stage()
    stage.add_source("run", desk.source("run", "x", mode=0o700))
    stage.add_source("d/e/b", desk.source("d/e/b", "2", mode=0o600))
    stage.finish()
    modes = {
        str(p.relative_to(desk.folder)): p.stat().st_mode & 0o777 for p in desk.folder.rglob("*")
    }
    assert modes == {"run": 0o755, "d": 0o755, "d/e": 0o755, "d/e/b": 0o644}
    assert desk.folder.stat().st_mode & 0o777 == 0o755
    for path in (desk.folder, *desk.folder.rglob("*")):
        assert path.lstat().st_mtime_ns // 10**9 == EPOCH


def test_folders_are_all_dated_and_readable_at_the_first_time(desk: Desk) -> None:
    old = os.umask(0o077)
    try:
        desk.fill(d__e__b="2")
    finally:
        os.umask(old)
    assert {p.stat().st_mode & 0o777 for p in (desk.folder / "d", desk.folder / "d/e")} == {0o755}


def test_what_did_not_change_is_not_written_again(desk: Desk) -> None:
    desk.fill(a="1", b="@2", d__c="3")
    before = {path: path.stat().st_ino for path in desk.folder.rglob("*")}
    desk.fill(a="1", b="@2", d__c="3")
    assert {path: path.stat().st_ino for path in desk.folder.rglob("*")} == before


def test_an_edit_of_the_same_length_has_another_time(desk: Desk) -> None:
    """The transfer to BuildKit compares sizes and times and nothing else."""
    desk.fill(a="1")
    before = (desk.folder / "a").stat().st_mtime_ns
    desk.fill(a="2")
    assert (desk.folder / "a").stat().st_mtime_ns != before


def moved(change: Callable[[Path], object]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        source = desk.source("a", "1")
        change(Path(source.path))
        stage = desk.stage()
        stage.add_source("a", source)

    return run


@pytest.mark.parametrize(
    "run",
    [
        moved(lambda path: path.write_text("2")),
        moved(lambda path: path.unlink()),
        moved(lambda path: (path.unlink(), path.mkdir())),
        moved(lambda path: (path.unlink(), path.symlink_to("nowhere"))),
    ],
    ids=["edited", "removed", "a folder now", "a dangling link now"],
)
def test_a_source_that_moved_voids_the_build(desk: Desk, run: Callable[[Desk], None]) -> None:
    with pytest.raises(InputMovedError) as refused:
        run(desk)
    assert refused.value.fix
    assert not (desk.folder / "a").exists()


def test_two_inputs_of_one_name_are_refused(desk: Desk) -> None:
    stage = desk.stage()
    stage.add_source("a", desk.source("a", "1"))
    with pytest.raises(ActionError, match="two inputs would both be a"):
        stage.add_stored("a", desk.store.add_bytes(b"2"))


def test_a_file_where_another_input_needs_a_folder_is_refused(desk: Desk) -> None:
    stage = desk.stage()
    stage.add_source("a", desk.source("a", "1"))
    with pytest.raises(ActionError):
        stage.add_source("a/b", desk.source("b", "1"))


def test_a_folder_where_another_input_is_a_file_is_refused(desk: Desk) -> None:
    stage = desk.stage()
    stage.add_source("a/b", desk.source("b", "1"))
    with pytest.raises(ActionError):
        stage.add_source("a", desk.source("a", "1"))


MODES = [(executable, other) for executable in (False, True) for other in (False, True)]


@pytest.mark.parametrize(("before", "after"), MODES)
def test_a_stored_file_is_executable_when_it_should_be(
    desk: Desk, before: bool, after: bool
) -> None:
    """Only the mode of a file taken by label may change: its content is linked from the store."""
    sha256 = desk.store.add_bytes(b"echo run")
    for executable in (before, after):
        stage = desk.stage()
        stage.add_stored("tool.sh", sha256, executable=executable)
        stage.finish()
    found = desk.folder / "tool.sh"
    assert found.stat().st_mode & 0o777 == (0o555 if after else 0o444)
    assert os.stat(desk.store.path(sha256)).st_mode & 0o777 == 0o444


def test_a_source_that_becomes_a_stored_file_gets_its_mode(desk: Desk) -> None:
    desk.fill(a="1")
    desk.fill(a="@1")
    assert (desk.folder / "a").stat().st_mode & 0o777 == 0o444
    desk.fill(a="1")
    assert (desk.folder / "a").stat().st_mode & 0o777 == 0o644


SAME_STAMP = ("content 0001546\n", "content 0003695\n")
"""Of equal length, and `stamp_ns` of both is equal."""


def test_the_contents_have_equal_stamps() -> None:
    assert stamp_ns(digest(SAME_STAMP[0])) == stamp_ns(digest(SAME_STAMP[1]))


@pytest.mark.parametrize("first", ["", "@"], ids=["a source", "a stored file"])
@pytest.mark.parametrize("second", ["", "@"], ids=["a source", "a stored file"])
def test_contents_of_equal_stamps_are_told_apart(desk: Desk, first: str, second: str) -> None:
    """BuildKit would keep what it has of a path where mode, size and mtime are the same."""
    one, two = SAME_STAMP
    seen = set()
    for text in (first + one, second + two, first + one, "something else", second + two):
        desk.fill(a=text)
        file = desk.folder / "a"
        assert file.read_text() == text.removeprefix("@")
        seen.add((file.read_text(), file.stat().st_mtime_ns))
    assert len({mtime for _, mtime in seen}) == len(seen) == 3


def test_a_stage_that_lost_its_history_is_at_a_path_that_the_builder_does_not_know(
    desk: Desk,
) -> None:
    desk.fill(a="1")
    before = desk.folder
    desk.fill(a="2")
    assert desk.folder == before
    (desk.home / "history").unlink()
    desk.fill(a="3")
    assert desk.folder != before


@pytest.mark.parametrize("text", ["1", "@1"], ids=["a source", "a stored file"])
def test_a_staged_file_that_was_written_to_is_staged_anew(desk: Desk, text: str) -> None:
    desk.fill(a=text)
    file = desk.folder / "a"
    info = file.stat()
    file.chmod(0o644)
    file.write_text("2")
    file.chmod(info.st_mode)
    os.utime(file, ns=(info.st_mtime_ns,) * 2)
    if text.startswith("@"):  # it was a link, so the store is damaged, too
        with pytest.raises(ActionError, match="not in the content store"):
            desk.stage().add_stored("a", digest("1"))
    desk.fill(a=text)
    assert (desk.folder / "a").read_text() == "1"


def test_one_content_under_two_names_is_two_files(desk: Desk) -> None:
    """Links of one file would be links in the image, but only where the store lets us link."""
    for names in ({"a": "@1", "b": "@1"}, {"b": "@1", "a": "@1"}, {"b": "@1", "c": "@1"}):
        desk.fill(**names)
        one, other = (desk.folder / name for name in names)
        assert not one.samefile(other)
        assert one.stat().st_mtime_ns == other.stat().st_mtime_ns


def read_only(store: ContentStore, sha256: str, info: os.stat_result) -> None:
    """What is read of a store that nobody may write."""


@pytest.mark.parametrize("mended", [True, False], ids=["", "on read-only media"])
def test_a_store_that_lost_its_times_still_tells_contents_apart(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, mended: bool
) -> None:
    """As one that was unpacked by tar, which keeps whole seconds."""
    seen = set()
    for text in ("one\n", "two\n"):
        path = desk.store.path(desk.store.add_bytes(text.encode()))
        os.chmod(path, 0o755)
        os.utime(path, (EPOCH, EPOCH))
    monkeypatch.setattr(ContentStore, "add_bytes", lambda _, data: digest(data.decode()))
    monkeypatch.setattr(
        ContentStore, "_note_whole", ContentStore._note_whole if mended else read_only
    )
    for text in ("one\n", "two\n"):
        desk.fill(a="@" + text)
        info = (desk.folder / "a").stat()
        assert info.st_mode & 0o777 == 0o444
        assert info.st_mtime_ns // 10**9 == EPOCH
        seen.add(info.st_mtime_ns)
    assert len(seen) == 2


def test_the_history_of_names_that_are_gone_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.build.execution.stage._LONG", 2)
    folders = set()
    for number in range(20):
        desk.fill(**{f"bundle{number}": "1"})
        folders.add(desk.folder)
    assert len(folders) == 4


def test_a_long_history_ends_with_a_new_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildlib.build.execution.stage._LONG", 2)
    monkeypatch.setattr("buildlib.build.execution.stage._EACH", 1)
    folders = set()
    for number in range(9):
        desk.fill(a=str(number))
        folders.add(desk.folder)
        assert (desk.folder / "a").read_text() == str(number)
    assert len(folders) == 3
