"""What is kept from run to run is never taken for what it would be now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from buildlib.build.workspace import Workspace
from buildlib.core.dsl.loader import Loader
from buildlib.core.keys.index import _TICK_NS, DigestIndex
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import FileOutput, Output
from buildlib.core.store import records
from buildlib.core.store.records import Records
from buildlib.core.trees.working import WorkingTree
from buildlib.core.view import View
from tests.support.random_family import RandomFamily
from tests.support.workspace import WorkspaceBuilder

OLD = 2 * _TICK_NS / 1e9
"""Seconds after which a change is old enough to be trusted."""


class Runs:
    """How often a kind of work was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.count = 0
        before = getattr(owner, name)

        def counted(*args: object, **more: object) -> object:
            self.count += 1
            return before(*args, **more)

        monkeypatch.setattr(owner, name, counted)

    def of(self, work: Callable[[], object]) -> int:
        before = self.count
        work()
        return self.count - before


def run(made: WorkspaceBuilder) -> Workspace:
    """A run that computes all keys, and keeps what the next one may use."""
    workspace = made.open()
    assert workspace.view.key_of_each() is not None
    workspace.save()
    return workspace


def afresh(made: WorkspaceBuilder) -> View:
    """A view that knows nothing of earlier runs."""
    index = DigestIndex(str(made.root), str(made.root / "no index"))
    return View(WorkingTree(str(made.root), index))


@pytest.mark.parametrize("seed", range(6))
def test_after_random_edits_targets_and_keys_are_those_of_a_first_run(
    tmp_path: Path, seed: int
) -> None:
    made = WorkspaceBuilder(tmp_path)
    family = RandomFamily(made, Random(seed))
    family.write()
    chosen = Random(seed)
    for _ in range(12):
        done = family.edit()
        if chosen.random() < 0.7:
            time.sleep(OLD)
        truth, found = afresh(made), run(made)
        assert found.graph.targets == truth.graph.targets, done
        assert found.graph.order == truth.graph.order, done
        assert found.view.key_of_each() == truth.key_of_each(), done
        for label in chosen.sample([*truth.key_of_each()], 3):
            ref = Reference(label)
            assert found.keys.record(ref) == truth.keys.record(ref), done
            assert found.keys.closure(ref) == truth.keys.closure(ref), done
    time.sleep(OLD)
    run(made)
    assert made.open().keys.at_hand() == afresh(made).key_of_each()


@pytest.fixture
def made(tmp_path: Path) -> WorkspaceBuilder:
    """Two runs old: what they kept can be used."""
    made = WorkspaceBuilder(tmp_path).file("a/f/one", "1").file("b/x", "x").file("b/y", "y")
    made.file(
        "defs.py",
        'def group(name):\n    filegroup(name=name, srcs=glob(["f/**"], allow_empty=True))\n',
    )
    made.replace("defs.py", "def group", "from buildlib.rules import filegroup, glob\n\ndef group")
    made.file("a/BUILD.py", 'from defs import group\n\ngroup("a")\n')
    made.build("b", 'filegroup(name="b", srcs=["x"])', 'filegroup(name="c", srcs=["y", "//a"])')
    run(made)
    time.sleep(OLD)
    run(made)
    return made


DECLARED_AGAIN: dict[str, Callable[[WorkspaceBuilder], object]] = {
    "a declaration": lambda made: made.build("b", 'filegroup(name="b", srcs=["y"])'),
    "a macro": lambda made: made.replace("defs.py", "name=name", 'name=name, doc="x"'),
    "a file more": lambda made: made.file("a/f/two"),
    "a folder more": lambda made: made.file("a/f/deep/two"),
    "a file less": lambda made: made.file("a/f/two").remove("a/f/one"),
    "a file into a folder": lambda made: made.remove("a/f/one").file("a/f/one/two"),
    "a folder into a link": lambda made: made.remove("a/f").file("e/one").link("a/f", "../e"),
    "a package more": lambda made: made.build("a/f", 'filegroup(name="f", srcs=[])'),
    "a package less": lambda made: made.remove("b"),
    "a setting": lambda made: made.setting("organization", "acme"),
}


@pytest.mark.parametrize("change", DECLARED_AGAIN)
def test_declarations_are_run_again_when_something_they_see_changed(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    runs = Runs(monkeypatch, Loader, "_load_package")
    DECLARED_AGAIN[change](made)
    assert runs.of(lambda: run(made)) > 0
    assert made.open().graph.targets == afresh(made).graph.targets
    assert made.open().view.key_of_each() == afresh(made).key_of_each()


NOT_DECLARED_AGAIN: dict[str, Callable[[WorkspaceBuilder], object]] = {
    "nothing": lambda _: None,
    "a source": lambda made: made.file("b/x", "new"),
    "a source, by another file": lambda made: (
        made.file("n", "new").root.joinpath("n").replace(made.root / "b/x")
    ),
    "a tool's leaving": lambda made: made.file("b/.x.swp"),
    "the lock": lambda made: made.lock({}),
}


@pytest.mark.parametrize("change", NOT_DECLARED_AGAIN)
def test_else_they_are_not(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    runs = Runs(monkeypatch, Loader, "_load_package")
    made.lock({})
    run(made)
    time.sleep(OLD)
    run(made)
    NOT_DECLARED_AGAIN[change](made)
    assert runs.of(lambda: run(made)) == 0
    assert made.open().view.key_of_each() == afresh(made).key_of_each()


def test_keys_of_other_files_are_known_after_an_edit(made: WorkspaceBuilder) -> None:
    a, b, c = Label("a", "a"), Label("b", "b"), Label("b", "c")
    assert made.open().keys.at_hand().keys() == {a, b, c}
    made.file("b/x", "new")
    assert made.open().keys.at_hand().keys() == {a, c}
    made.file("a/f/one", "new")
    assert made.open().keys.at_hand().keys() == set()


def test_an_action_finds_the_stamp_that_a_known_key_stands_for(made: WorkspaceBuilder) -> None:
    workspace, stamp = made.open(), made.open().tree.stamps(["b/x"])[0]
    assert workspace.keys.key(Reference(Label("b", "b")))
    made.file("b/x", "while it is built")
    assert workspace.keys.stamp_of("b/x") == stamp
    workspace.renew()
    assert workspace.tree.stamps(["b/x"]) != [stamp]


def test_no_key_is_kept_without_the_index_that_it_goes_with(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.file("b/z", "z").build("b", 'filegroup(name="b", srcs=["z"])')
    time.sleep(OLD)
    with monkeypatch.context() as full_disk:
        full_disk.setattr(DigestIndex, "save", lambda _: False)
        run(made)
    assert made.open().keys.at_hand() == {}
    run(made)
    assert made.open().keys.at_hand() == afresh(made).key_of_each()


def test_one_edit_does_not_write_the_index_of_many_files(made: WorkspaceBuilder) -> None:
    for number in range(100):
        made.file(f"a/f/{number}")
    run(made)
    time.sleep(OLD)
    run(made)

    def written() -> int:
        return (made.root / ".buildlib/index").stat().st_mtime_ns

    before = written()
    made.file("b/x", "new")
    time.sleep(OLD)
    run(made)
    assert written() == before
    made.file("b/x", "n" * 200_000)
    time.sleep(OLD)
    run(made)
    assert written() != before


# -- records ---------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "seconds": "never"}))


def rewrite(path: Path) -> None:
    path.write_text(path.read_text().replace("1.5", "2.5"))


@pytest.mark.parametrize("change", [Path.unlink, damage, rewrite, None])
def test_a_kept_record_is_what_its_file_says(
    made: WorkspaceBuilder, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None] | None
) -> None:
    ref = Reference(Label("b", "b"))
    workspace = made.open()
    output = Output(files={"x": FileOutput("0" * 64, 1)})
    workspace.records.put(workspace.keys.record(ref), output, 1.5, label="b")
    key = workspace.keys.key(ref)
    runs = Runs(monkeypatch, records, "_read")
    time.sleep(OLD)

    def ask() -> None:
        workspace = made.open()
        found = workspace.records.get(key)
        assert found == Records(f"{made.store}/records").get(key)
        workspace.save()

    assert runs.of(ask) == 2, "the one, and the other to compare with"
    assert runs.of(ask) == 1
    if change:
        change(Path(workspace.records._path(key, "json")))
        assert runs.of(ask) >= 1
    assert (made.open().records.get(key) is None) == (change in (Path.unlink, damage))
