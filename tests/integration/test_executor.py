"""Building one target: what is recorded and named, in which order, and what is not."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.build.execution.executor import Executor
from buildlib.build.execution.stage import InputMovedError, Stage
from buildlib.core.keys.record import make_record
from buildlib.core.model.inputs import Source
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.output import Output
from buildlib.core.plan.plan import FORGOTTEN
from buildlib.core.store.content import ContentStore
from buildlib.engine.protocol import BuildRequest
from buildlib.errors import ActionError

DOCKERFILE = "FROM scratch\nCOPY data.txt /\n"


@pytest.fixture
def one(shop: Workshop) -> Workshop:
    """An image of one file."""
    shop.file("images/a/data.txt", "one\n")
    return shop.image("images/a", 'srcs=["data.txt"]', DOCKERFILE)


def test_the_record_is_there_before_any_tag(one: Workshop, monkeypatch) -> None:
    recorded: list[bool] = []
    real = one.engine.tag

    def tag(image: str, ref: str) -> None:
        record = one.record("//images/a")
        recorded.append(record is not None and image in record.images)
        real(image, ref)

    monkeypatch.setattr(one.engine, "tag", tag)
    one.build_targets("//images/a")
    assert recorded == [True, True]
    tags = [question for question in one.engine.asked if question.startswith("tag ")]
    assert tags == [f"tag {one.content_tag('//images/a')}", "tag elyra/a:dev"]


def test_a_build_that_dies_before_the_tags_is_finished_by_the_next(
    one: Workshop, monkeypatch
) -> None:
    def die(image: str, ref: str) -> None:
        raise ActionError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(one.engine, "tag", die)
        with pytest.raises(ActionError, match="power cut"):
            one.build_targets("//images/a")
    assert one.tag("//images/a") is None
    assert one.action("//images/a") == "restore"
    one.build_targets("//images/a")
    assert len(one.builder.requests) == 1
    assert one.tag("//images/a")


def test_a_failure_leaves_neither_record_nor_tag(one: Workshop) -> None:
    one.builder.fail_next("exit code: 1")
    with pytest.raises(ActionError):
        one.build_targets("//images/a")
    assert one.record("//images/a") is None
    assert one.tag("//images/a") is None
    assert one.engine.resolve(one.content_tag("//images/a")) is None
    assert one.action("//images/a") == "build"


def test_a_failed_edit_leaves_the_last_good_image_named(one: Workshop) -> None:
    one.build_targets("//images/a")
    good = one.tag("//images/a")
    one.file("images/a/data.txt", "two\n")
    one.builder.fail_next("exit code: 1")
    with pytest.raises(ActionError):
        one.build_targets("//images/a")
    assert one.tag("//images/a") == good
    one.file("images/a/data.txt", "one\n")
    assert one.action("//images/a") == "fresh"


@pytest.mark.parametrize("edit", ["content", "mode", "gone"])
def test_an_input_that_moves_between_key_and_action_voids_it(one: Workshop, edit: str) -> None:
    session = one.session()
    session.start(session.workspace.resolve(["//images/a"]))
    path = one.root / "images/a/data.txt"
    if edit == "content":
        path.write_text("two\n")
    elif edit == "mode":
        path.chmod(0o755)
    else:
        path.unlink()
    planned = session.plan.steps[0].key
    if edit == "mode":  # the bytes are those of the key, and so are the bits they are staged with
        session.run(session.labels()[0])
        staged = one.staged("//images/a") / "data.txt"
        assert not staged.stat().st_mode & 0o111
        return
    with pytest.raises(InputMovedError, match=r"data\.txt"):
        session.run(session.labels()[0])
    assert one.open().records.get(planned) is None
    assert one.builder.requests == []
    assert one.engine.images() == []


def test_an_edit_during_the_build_is_no_wrong_hit(one: Workshop) -> None:
    """The builder sees the staged copy: what it made is of the old key; the new one is stale."""
    edits = ["two\n"]
    seen: list[str] = []

    def edit(request: BuildRequest) -> None:
        with open(f"{request.context}/data.txt") as file:
            seen.append(file.read())
        if edits:
            one.file("images/a/data.txt", edits.pop())

    one.builder.during = edit
    old = one.key("//images/a")
    one.build_targets("//images/a")
    assert one.key("//images/a") != old
    assert one.record("//images/a") is None
    assert one.action("//images/a") == "build"
    one.build_targets("//images/a")
    assert seen == ["one\n", "two\n"]
    record = one.record("//images/a")
    assert record is not None
    assert record.images[0] == one.tag("//images/a")
    other = one.record("//images/a", old)
    assert other is None or other.images[0] != record.images[0]


def test_an_image_that_was_untagged_gets_its_name_back(one: Workshop) -> None:
    one.build_targets("//images/a")
    image = one.tag("//images/a")
    one.engine.untag("elyra/a:dev")
    assert one.action("//images/a") == "restore"
    one.build_targets("//images/a")
    assert one.tag("//images/a") == image
    assert len(one.builder.requests) == 1


def test_a_name_that_was_moved_to_a_foreign_image_comes_back(one: Workshop) -> None:
    one.build_targets("//images/a")
    image = one.tag("//images/a")
    foreign = one.engine.add("foreign:1")
    one.engine.tag(foreign, "elyra/a:dev")
    one.engine.tag(foreign, one.content_tag("//images/a"))
    one.build_targets("//images/a")
    assert one.tag("//images/a") == image
    assert one.engine.resolve(one.content_tag("//images/a")) == image
    assert one.engine.resolve("foreign:1") == foreign


def test_a_removed_image_is_built_again(one: Workshop) -> None:
    one.build_targets("//images/a")
    image = one.tag("//images/a")
    assert image is not None
    one.engine.remove(image)
    assert one.step("//images/a").reason == "the image is gone from the engine"
    one.build_targets("//images/a")
    assert len(one.builder.requests) == 2
    assert one.tag("//images/a") == image


def test_going_back_to_an_old_content_builds_nothing(one: Workshop) -> None:
    one.build_targets("//images/a")
    first = one.tag("//images/a")
    one.file("images/a/data.txt", "two\n")
    one.build_targets("//images/a")
    assert one.tag("//images/a") != first
    one.file("images/a/data.txt", "one\n")
    one.build_targets("//images/a")
    assert one.tag("//images/a") == first
    assert len(one.builder.requests) == 2


def test_two_engines_keep_one_record(one: Workshop) -> None:
    one.build_targets("//images/a")
    first = one.record("//images/a")
    one.engine.remove(str(one.tag("//images/a")))
    one.builder.during = None
    one.file("images/a/ignored", "")
    one.build_targets("//images/a")
    second = one.record("//images/a")
    assert first is not None
    assert second is not None
    assert set(first.images) <= set(second.images)


@pytest.mark.parametrize("how", ["always", "forget"])
def test_what_is_built_again_is_built_from_its_sources(
    one: Workshop, verb: Verbs, how: str
) -> None:
    """No cache answers, and the image that was made before is no result of the key any more."""
    one.image("images/b", 'parent="//images/a"', "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    assert verb("build").code == 0
    first = one.tag("//images/a")
    assert first is not None
    if how == "always":
        assert verb("build", "-a", "a").code == 0
    else:
        assert verb("forget", "a").code == 0
        assert one.action("//images/a") == "build"
        assert verb("build", "a").code == 0
    assert [request.no_cache for request in one.builder.requests] == [False, False, True]
    second, record = one.tag("//images/a"), one.record("//images/a")
    assert record is not None
    assert record.images == (second,)
    assert second != first
    assert one.action("//images/a") == "fresh"
    one.engine.tag(first, one.content_tag("//images/a"))
    assert one.action("//images/a") == "restore"
    assert verb("build", "-a", "b").code == 0  # its parent was not asked for
    assert [Path(r.context).parent.name for r in one.builder.requests if r.no_cache] == [
        "images+a+a",
        "images+b+b",
    ]


def test_what_is_forgotten_while_it_is_built_is_built_again(one: Workshop) -> None:
    forgets: list[threading.Thread] = []

    def forget() -> None:
        Executor(one.open(), say=one.said.append).forget([parse_label("//images/a")])

    def during(_: BuildRequest) -> None:
        forgets.append(threading.Thread(target=forget))
        forgets[0].start()
        time.sleep(0.2)

    one.builder.during = during
    one.build_targets("//images/a")
    forgets[0].join()
    assert one.step("//images/a").reason == FORGOTTEN


def test_a_forgotten_archive_is_packed_again_for_who_takes_a_part(
    shop: Workshop, verb: Verbs
) -> None:
    shop.file("pack/run.sh", "1").build(
        "pack", 'tarball(name="t", parts={"p": {"run.sh": "run.sh"}})'
    )
    shop.image("images/a", 'srcs=["//pack:t[p]"]', "FROM scratch\nADD t.tar /\n")
    assert verb("build").code == 0
    part = shop.open().keys.key(Reference(parse_label("//pack:t"), ("p",)))
    assert verb("forget", "//pack:t").code == 0
    assert shop.record("//pack:t", part) is None


def test_what_was_damaged_in_the_store_is_made_again_before_it_is_used(
    shop: Workshop, verb: Verbs
) -> None:
    shop.file("pack/run.sh", "1").build("pack", 'zip_file(name="z", members={"run.sh": "run.sh"})')
    shop.file("images/a/x", "1").image(
        "images/a", 'srcs=["x", "//pack:z"]', "FROM scratch\nCOPY . /\n"
    )
    assert verb("build").code == 0
    path = shop.made("//pack:z", "z.zip")
    good = path.read_bytes()
    info = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"X" * len(good))
    os.utime(path, ns=(info.st_mtime_ns,) * 2)
    assert verb("build").out.startswith("nothing to build")  # nothing reads it
    shop.file("images/a/x", "2")
    told = verb("build")
    assert told.code == 0
    assert told.err.count("z.zip of //pack:z was damaged in the content store") == 1
    assert (shop.staged("//images/a") / "z.zip").read_bytes() == good
    assert path.read_bytes() == good


def test_two_builds_at_once_make_one_image_and_the_second_says_that_it_waits(
    one: Workshop,
) -> None:
    one.builder.delay = 0.6
    errors: list[ActionError] = []

    def build() -> None:
        try:
            one.build_targets("//images/a")
        except ActionError as error:
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(one.builder.requests) == 1
    assert [line for line in one.said if "waiting for process" in line] == [
        f"//images/a: waiting for process {os.getpid()}, which builds it"
    ]


def test_targets_that_share_a_part_are_recorded_at_once(one: Workshop) -> None:
    """Threads of one process note the same parts: neither fails, and nothing is cut off."""
    workspace = one.open()
    records = [make_record([("part", f"{number} " * 2000)]) for number in range(40)]
    start = threading.Barrier(4)
    errors: list[OSError] = []

    def note() -> None:
        start.wait()
        for record in records:
            try:
                workspace.records.put(record, Output(), 0.0, label="x")
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(workspace.records.parts(record.key) == record for record in records)
    left = [path for path in (one.store / "records").rglob("*") if path.is_file()]
    assert len(left) == 2 * len(records)


def test_the_log_is_kept_and_shown_when_asked(one: Workshop, verb: Verbs) -> None:
    told = verb("build", "-v", "2")
    assert "$ docker build --file" in told.out
    log = (one.root / ".buildlib/logs/images+a+a.log").read_text()
    assert "COPY data.txt /" in log
    assert log.startswith("$ docker build")
    quiet = verb("build", "-a")
    assert "$ docker build" not in quiet.out


def test_labels_hold_nothing_that_changes_with_a_day(shop: Workshop) -> None:
    shop.image("images/base")
    shop.image(
        "images/a",
        'parent="//images/base", description="what it is", licenses="MIT", repository="other"',
        "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n",
    )
    shop.setting("organization", "acme")
    shop.build_targets("//images/a")
    prefix = "org.opencontainers.image"
    assert dict(shop.builder.requests[-1].labels) == {
        f"{prefix}.title": "other",
        f"{prefix}.description": "what it is",
        f"{prefix}.licenses": "MIT",
        f"{prefix}.base.name": "base",
    }
    assert shop.engine.resolve("acme/other:dev")


# -- the folder a Dockerfile sees ------------------------------------------------------------------


def test_the_context_holds_what_was_declared_and_nothing_else(one: Workshop) -> None:
    one.file("images/a/secret.txt", "no\n")
    one.build_targets("//images/a")
    context = one.staged("//images/a")
    assert sorted(path.name for path in context.iterdir()) == ["Dockerfile", "data.txt"]
    one.file("images/a/other.txt", "x\n").image("images/a", 'srcs=["other.txt"]', "FROM scratch\n")
    one.build_targets("//images/a")
    assert sorted(path.name for path in context.iterdir()) == ["Dockerfile", "other.txt"]


def test_an_edit_of_equal_length_is_seen_by_the_builder(one: Workshop) -> None:
    one.build_targets("//images/a")
    path = one.staged("//images/a") / "data.txt"
    first = path.stat()
    one.file("images/a/data.txt", "two\n")
    one.build_targets("//images/a")
    second = path.stat()
    assert path.read_text() == "two\n"
    assert first.st_mtime_ns != second.st_mtime_ns
    assert first.st_mtime_ns // 10**9 == second.st_mtime_ns // 10**9


@pytest.mark.parametrize("first", ["file", "folder", "link"])
@pytest.mark.parametrize("second", ["file", "folder", "link"])
def test_a_name_may_become_another_kind_of_thing(shop: Workshop, first: str, second: str) -> None:
    shop.file("images/a/real/x", "real\n")
    for kind in (first, second):
        if (shop.root / "images/a/thing").exists():
            shop.remove("images/a/thing")
        if kind == "file":
            shop.file("images/a/thing", "file\n")
        elif kind == "folder":
            shop.file("images/a/thing/x", "folder\n")
        else:
            shop.link("images/a/thing", "real")
        name = "thing/x" if kind == "folder" else "thing"
        shop.image("images/a", f'srcs=["real/x", "{name}"]', "FROM scratch\nCOPY . /\n")
        shop.build_targets("//images/a")
        staged = shop.staged("//images/a")
        assert (staged / "real/x").read_text() == "real\n"
        assert (staged / "thing").is_symlink() == (kind == "link")
        assert (staged / "thing").is_dir() == (kind != "file")
        if kind == "folder":
            assert (staged / "thing/x").read_text() == "folder\n"


@pytest.mark.parametrize(("before", "after"), [("f/x", "f"), ("f", "f/x")])
def test_a_stored_file_may_become_a_folder_and_back(tmp_path, before: str, after: str) -> None:
    store = ContentStore(str(tmp_path / "store"))
    sha256 = store.add_bytes(b"x")
    for name in (before, after):
        stage = Stage(str(tmp_path / "stage"), store)
        stage.add_stored(name, sha256)
        stage.finish()
        folder = Path(stage.folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files == [folder / name]


def test_two_inputs_of_one_name_are_refused(tmp_path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    stage = Stage(str(tmp_path / "stage"), store)
    stage.add_stored("f", store.add_bytes(b"x"))
    with pytest.raises(ActionError, match="two inputs would both be f"):
        stage.add_stored("f", store.add_bytes(b"y"))


def test_a_source_that_is_not_what_its_key_says_is_not_staged(tmp_path) -> None:
    (tmp_path / "f").write_text("x")
    stage = Stage(str(tmp_path / "stage"), ContentStore(str(tmp_path / "store")))
    with pytest.raises(InputMovedError):
        stage.add_source("f", Source(str(tmp_path / "f"), f"644 {'0' * 64}"))
    assert not os.path.exists(f"{stage.folder}/f")


def test_a_group_of_files_keeps_the_executable_bit(shop: Workshop) -> None:
    """It is in the key; `COPY` of the same script from the package itself has it, too."""
    shop.file("lib/run.sh", "#!/bin/sh\n", mode=0o755)
    shop.build("lib", 'filegroup(name="scripts", srcs=["run.sh"])')
    shop.image("images/a", 'srcs=["//lib:scripts"]', "FROM scratch\nCOPY run.sh /\n")
    shop.build_targets("//images/a")
    staged = shop.staged("//images/a") / "run.sh"
    assert staged.stat().st_mode & 0o111


# -- signals ---------------------------------------------------------------------------------------

SCRIPT = """
import sys, time
from buildlib.build.execution import signals
from buildlib.engine import process
signals.install(lambda: print("kept", flush=True), lambda: ["a", "b"])
print("ready", flush=True)
process.stream(["sh", "-c", "echo $$; exec sleep 60"], lambda line: print(line, flush=True))
"""


def runs(process: int) -> bool:
    """Whether a process still does something; one that ended may wait for init to notice."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_children_keeps_what_is_whole_and_gives_its_code(
    number: signal.Signals, code: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    below = int(child.stdout.readline())
    child.send_signal(number)
    out, err = child.communicate(timeout=120)
    assert child.returncode == code
    assert out == "kept\n"
    assert err == "\nstopping a, b; what was finished is kept\n"
    assert not runs(below)


STATUS = """
import threading, time
from buildlib.build.doit_adapter.reporter import Reporter
from buildlib.build.execution import signals
import sys
class Session: doing, fetching = {}, ""
Reporter.session = Session()
reporter = Reporter(sys.stdout, {})
reporter._started["build:a"] = time.monotonic()
signals.install(lambda: time.sleep(1.2), lambda: ["a"])
threading.Thread(target=reporter._live, daemon=True).start()
time.sleep(60)
"""


def test_after_an_interrupt_the_prompt_stands_on_a_line_of_its_own() -> None:
    """Though the status line would be written while the build stops."""
    terminal, inner = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", STATUS], stdout=inner, stderr=inner)
    os.close(inner)
    shown = b""
    while "… a " not in shown.decode(errors="replace"):
        shown += os.read(terminal, 1024)
    child.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # which says that the terminal is closed
        while data := os.read(terminal, 1024):
            shown += data
    assert child.wait(60) == 130
    end = shown.decode().rpartition("stopping")[2]
    assert end == " a; what was finished is kept\r\n\r\x1b[K"
