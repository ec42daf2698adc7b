"""What is said again at once is what the full course would say, whatever was changed before."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from buildlib.build import noop_cache
from buildlib.build.workspace import Workspace
from buildlib.cli.main import main
from buildlib.core.keys import index
from buildlib.core.model.label import Label, Reference
from buildlib.core.model.output import Output
from tests.support.workspace import WorkspaceBuilder

IMAGE, PACK, GROUP = Label("images/a", "a"), Label("pack", "pack"), Label("images/a", "files")
NOTHING = "nothing to build: 2 targets are up to date\n"
TICK_NS = 15_000_000
"""Enough for the clock of files here; ours is for all systems, and would be waited for often."""
OLD = 2 * TICK_NS / 1e9
"""Seconds after which a change is old enough to be cached."""


@pytest.fixture(autouse=True)
def _tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_TICK_NS", TICK_NS)


class Engine:
    """An engine on a socket that tells of images, and does nothing else."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.images: dict[str, list[str]] = {}
        self.asked = 0
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            with link, suppress(OSError), link.makefile("rb") as lines:
                while (line := lines.readline()).startswith(b"GET "):
                    name = line.split()[1].decode()[len("/images/") : -len("/json")]
                    while lines.readline() not in {b"\r\n", b""}:
                        pass
                    link.sendall(self._answer(name))

    def _answer(self, name: str) -> bytes:
        self.asked += 1
        found = next((i for i, tags in self.images.items() if name in (i, *tags)), None)
        said = {"Id": found, "RepoTags": self.images[found]} if found else {"message": "none"}
        body = json.dumps(said).encode()
        status = "200 OK" if found else "404 Not Found"
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def stop(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class Made:
    """A built workspace with an image, a release file, and an entry."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.ws = ws = WorkspaceBuilder(folder)
        self._capfd = capfd
        self.engine = Engine(str(folder / "e.sock"))
        ws.file("defs.py", 'ARGS = {"A": "1"}\n').file("images/a/f/one", "1").file("pack/x", "x")
        ws.image("images/a", "", "FROM scratch\nCOPY f /\n")
        ws.file(
            "images/a/BUILD.py",
            """\
            from buildlib.rules import docker_image, filegroup, glob
            from defs import ARGS

            filegroup(name="files", srcs=glob(["f/**"]))
            docker_image(name="a", srcs=[":files"], build_args=ARGS)
            """,
        )
        ws.build("pack", 'tarball(name="pack", parts={"p": {"x": "x"}}, archive="release")')
        self.export = ws.root / "dist/release-2.5.0.dev0.tar.gz"

    def build(self) -> None:
        """Make all, and leave an entry."""
        assert main(["build", "pack"]) == 0
        workspace = self.workspace()
        record = workspace.keys.record(Reference(IMAGE))
        workspace.records.put(record, Output(image="sha256:1"), 1.0, label=str(IMAGE))
        self.engine.images = {"sha256:1": ["elyra/a:dev", f"elyra/a:key-{record.key[:32]}"]}
        time.sleep(OLD)
        assert self.full() == NOTHING
        assert self.repeated() == NOTHING

    def workspace(self) -> Workspace:
        return Workspace(str(self.ws.root), store_root=os.environ["BUILDLIB_STORE"])

    def full(self) -> str:
        """What the full course says."""
        self._capfd.readouterr()
        main(["plan"])
        return "".join(self._capfd.readouterr())

    def repeated(self) -> str:
        """What is said again; empty where nothing is."""
        self._capfd.readouterr()
        again = noop_cache.repeat(("doitw", "plan"))
        noop_cache._read.clear()
        out = self._capfd.readouterr().out
        assert bool(out) == again
        return out

    def asked(self) -> str:
        """What a run says: the same again, or what it finds with what it has read in vain."""
        self._capfd.readouterr()
        if not noop_cache.repeat(("doitw", "plan")):
            main(["plan"])
        return "".join(self._capfd.readouterr())

    def record(self) -> Path:
        return Path(self.workspace().records._path(self.key(PACK), "json"))

    def stored(self) -> Path:
        workspace = self.workspace()
        record = workspace.records.get(self.key(PACK))
        assert record is not None
        return Path(workspace.store.path(record.files["pack.tar"].sha256))

    def key(self, label: Label) -> str:
        return self.workspace().keys.key(Reference(label))


@pytest.fixture
def made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Made]:
    made = Made(tmp_path, capfd)
    monkeypatch.setattr(
        noop_cache.gc, "disable", lambda: None
    )  # the collector is that of the tests
    monkeypatch.chdir(made.ws.root)
    monkeypatch.setenv("BUILDLIB_STORE", str(made.ws.store))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made.engine.path}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    yield made
    made.engine.stop()


def in_secret(made: Made) -> None:
    """An edit that restores size and time."""
    path = made.ws.root / "pack/x"
    info = path.stat()
    path.write_text("y")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def damaged(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def retagged(made: Made) -> None:
    made.engine.images["sha256:1"].remove("elyra/a:dev")
    made.engine.images["sha256:2"] = ["elyra/a:dev"]


def rebuilt_elsewhere(made: Made) -> None:
    made.engine.images["sha256:3"] = made.engine.images.pop("sha256:1")


CHANGES: dict[str, Callable[[Made], object]] = {
    "a source": lambda made: made.ws.file("images/a/f/one", "2"),
    "a source, in secret": in_secret,
    "the mode of a source": lambda made: made.ws.file("images/a/f/one", "1", mode=0o755),
    "a source into a link": lambda made: made.ws.link("pack/x", "BUILD.py"),
    "a source is gone": lambda made: made.ws.remove("pack/x"),
    "a file more for a glob": lambda made: made.ws.file("images/a/f/two", "2"),
    "a folder more for a glob": lambda made: made.ws.file("images/a/f/deep/two", "2"),
    "a file less for a glob": lambda made: made.ws.remove("images/a/f"),
    "a package more": lambda made: made.ws.build("images/a/f", 'filegroup(name="b", srcs=[])'),
    "a declaration": lambda made: made.ws.build("pack", ""),
    "a macro": lambda made: made.ws.file("defs.py", 'ARGS = {"A": "2"}\n'),
    "the Dockerfile": lambda made: made.ws.file("images/a/Dockerfile", "FROM scratch\n"),
    "an ignore file": lambda made: made.ws.file("images/a/.dockerignore", "f/one\n"),
    "a setting": lambda made: made.ws.setting("organization", "acme"),
    "the flavour": lambda made: made.ws.setting("flavour", "docker-stacks"),
    "the lock": lambda made: made.ws.file("images.lock", "nonsense"),
    "the version": lambda made: made.ws.file("VERSION", "2.6.0.dev0\n"),
    "a release": lambda made: made.ws.file("VERSION", "2.5.0\n"),
    "a record is gone": lambda made: made.record().unlink(),
    "a record is damaged": lambda made: damaged(made.record(), "{}"),
    "forgotten": lambda made: made.workspace().records.forget(made.key(IMAGE)),
    "a stored file is gone": lambda made: made.stored().unlink(),
    "a stored file is cut": lambda made: damaged(made.stored(), ""),
    "the export is gone": lambda made: made.export.unlink(missing_ok=True),
    "the export is edited": lambda made: damaged(made.export, "x") if made.export.exists() else 0,
    "a tag moved": retagged,
    "other images": rebuilt_elsewhere,
    "no image": lambda made: made.engine.images.clear(),
    "the last keys": lambda made: made.workspace().state.set_last_key(IMAGE, "other"),
    "another store": lambda _: os.environ.update(BUILDLIB_STORE=os.environ["BUILDLIB_STORE"] + "2"),
    "another engine": lambda _: os.environ.update(DOCKER_HOST="unix:///nowhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_said_again_after_a_change(made: Made, change: str) -> None:
    made.build()
    CHANGES[change](made)
    assert made.repeated() == ""


def test_no_answer_of_the_engine_is_a_change_too(made: Made) -> None:
    made.build()
    made.engine.stop()
    assert made.repeated() == ""
    assert "no engine answers" in made.full()


HARMLESS: dict[str, Callable[[Made], object]] = {
    "nothing": lambda _: None,
    "a file that is no source": lambda made: made.ws.file("pack/README", "second"),
    "the full course": lambda made: made.full(),
    "another variable": lambda _: os.environ.update(COLUMNS="33"),
    "an image that nobody asks for": lambda made: made.engine.images.update({"sha256:9": ["b:1"]}),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_no_run_looks_at_changes_nothing(made: Made, change: str) -> None:
    made.ws.file("pack/README", "first")
    made.build()
    HARMLESS[change](made)
    assert made.repeated() == NOTHING


@pytest.mark.parametrize("seed", range(12))
def test_after_any_changes_what_is_said_again_is_what_the_full_course_says(
    made: Made, seed: int
) -> None:
    made.build()
    chosen = random.Random(seed)
    for _ in range(12):
        if chosen.random() < 0.6:
            with suppress(Exception):  # what it changes is gone
                chosen.choice([*CHANGES.values(), *HARMLESS.values()])(made)
        else:
            time.sleep(OLD)
        assert made.asked() == made.full()
    time.sleep(OLD)
    full = made.full()
    assert made.repeated() == (full if full.startswith("nothing to build") else "")


def test_other_words_or_another_folder_are_not_answered(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.build()
    for words in (("plan", "--json"), ("plan", "pack"), ("plan", "ORGANIZATION=acme"), ("list",)):
        assert not noop_cache.repeat(("doitw", *words))
    monkeypatch.chdir(made.ws.root / "pack")
    assert made.repeated() == ""


def test_what_changed_while_a_run_looked_is_not_cached(made: Made) -> None:
    made.build()
    made.ws.file("pack/x", "y")
    main(["build", "pack"])
    assert made.full() == NOTHING
    assert made.repeated() == "", "the file is so young that an edit could follow unseen"
    time.sleep(OLD)
    assert made.full() == NOTHING
    assert made.repeated() == NOTHING


def test_code_that_changed_gives_no_answer_of_older_code(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = noop_cache._code()
    assert {Path(file).name for file in code} >= {"noop_cache.py", "plan.py", "tarball.py", "build"}
    fake = tmp_path / "code.py"
    fake.touch()
    os.utime(fake, (1, 1))
    time.sleep(OLD)
    monkeypatch.setattr(noop_cache, "_BEGAN", time.time_ns())
    monkeypatch.setattr(noop_cache, "_code", lambda: {str(fake)})
    made.build()
    fake.touch()
    assert made.repeated() == ""
    assert made.full() == NOTHING
    assert made.repeated() == "", "this process may have loaded the code before it changed"


def test_a_full_disk_is_told_by_the_full_course(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.build()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert not noop_cache.repeat(("doitw", "plan"))


def test_a_damaged_entry_is_none(made: Made) -> None:
    made.build()
    file = made.ws.root / ".buildlib/noop-plan"
    file.write_bytes(file.read_bytes()[:-1])
    assert made.repeated() == ""


def test_nothing_is_kept_while_a_declaration_is_wrong(made: Made) -> None:
    """Not even of what does not need it."""
    words = ["plan", "pack"]
    made.build()
    assert main(words) == 0
    assert noop_cache.repeat(("doitw", *words))
    made.ws.file("x/BUILD.py", "docker_image(\n")
    time.sleep(OLD)
    assert not noop_cache.repeat(("doitw", *words))
    noop_cache._read.clear()
    assert main(words) == 0
    assert not noop_cache.repeat(("doitw", *words))
    noop_cache._read.clear()
    assert main(["plan"]) == 3


def test_what_finds_something_to_do_removes_the_entry(made: Made) -> None:
    made.build()
    made.ws.file("pack/x", "y")
    assert "1 to do" in made.full()
    assert not (made.ws.root / ".buildlib/noop-plan").exists()


def test_a_run_reads_no_variable_that_an_entry_does_not_hold(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.build()
    read: set[str] = set()
    original = type(os.environ).__getitem__

    def get(environ: os._Environ[str], name: str) -> str:
        read.add(name)
        return original(environ, name)

    monkeypatch.setattr(type(os.environ), "__getitem__", get)
    assert main(["build", "pack"]) == 0
    assert made.full() == NOTHING
    assert read <= {*noop_cache._VARIABLES, "COLUMNS", "LINES"}
