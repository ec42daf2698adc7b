"""Children end with the build, in order, and none is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest

from buildlib.engine import process
from tests.support.pace import promptly


@pytest.fixture(autouse=True)
def again() -> Iterator[None]:
    yield
    process._stopping.clear()


def gone(pid: int, seconds: float = 30.0) -> bool:
    """Whether a process disappears in time, from the list of processes too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def started(script: str) -> tuple[threading.Thread, list[str], list[BaseException]]:
    """Run a shell script in a thread, up to its first line of output."""
    lines: list[str] = []
    errors: list[BaseException] = []
    first = threading.Event()

    def on_line(line: str) -> None:
        lines.append(line)
        first.set()

    def run() -> None:
        try:
            process.stream(["sh", "-c", script], on_line)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert first.wait(60)
    return thread, lines, errors


def test_output_comes_line_by_line_with_the_exit_code() -> None:
    lines: list[str] = []
    script = "printf 'a\\nb\\r\\n'; printf '\\377 end' >&2; exit 3"
    assert process.stream(["sh", "-c", script], lines.append) == 3
    assert lines == ["a", "b", "\ufffd end"]


def test_a_program_that_is_not_there() -> None:
    code, text = process.capture(["/nonexistent/program"])
    assert code == 127
    assert "No such file" in text


def test_stopping_ends_the_whole_family() -> None:
    thread, lines, errors = started("sleep 60 & echo $! $$; wait")
    with promptly(4):
        process.stop_all(grace=60)
        thread.join(60)
    assert all(gone(int(pid)) for pid in lines[0].split())
    assert isinstance(errors[0], process.Stopped)


def test_one_that_does_not_listen_is_killed() -> None:
    thread, lines, errors = started("trap '' TERM; echo $$; while :; do sleep 0.1; done")
    process.stop_all(grace=0.3)
    thread.join(10)
    assert gone(int(lines[0]))
    assert isinstance(errors[0], process.Stopped)


def test_nothing_starts_once_all_is_stopped() -> None:
    process.stop_all()
    with pytest.raises(process.Stopped):
        process.stream(["touch", "/nonexistent/never"], print)
    with pytest.raises(process.Stopped), process.on_stop(lambda: None):
        pytest.fail("must not be entered")


def test_an_error_of_the_reader_ends_the_child() -> None:
    lines: list[str] = []

    def refuse(line: str) -> None:
        lines.append(line)
        raise ValueError

    with pytest.raises(ValueError):
        process.stream(["sh", "-c", "echo $$; sleep 60"], refuse)
    assert gone(int(lines[0]), 0.1)


def test_cleanups_run_even_if_one_fails_and_only_while_registered() -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("first")
        raise OSError

    with process.on_stop(lambda: done.append("never")):
        pass
    with process.on_stop(fail), process.on_stop(lambda: done.append("second")):
        process.stop_all()
    assert done == ["first", "second"]


MAIN = """
    import signal, sys
    from buildlib.engine import process

    def stop(number, frame):
        process.stop_all(grace=60)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    script = (
        "trap 'sleep 0.3; exit' TERM; trap 'echo interrupted' INT;"
        "echo $$; while :; do sleep 0.1; done"
    )
    process.stream(["sh", "-c", script], lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_handler_may_stop_what_its_own_thread_waits_for(number: int, code: int) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(MAIN)]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert program.stdout
    child = int(program.stdout.readline())
    with promptly(4):
        os.killpg(program.pid, number)  # as a terminal does: to the group, but not to our child
        assert program.wait(60) == code
    assert gone(child)
    assert "interrupted" not in program.stdout.read()
    program.stdout.close()


def test_a_child_that_was_given_time_may_tidy_up(tmp_path):
    """A proof removes its containers, and a swarm, when it is told to stop."""
    done = tmp_path / "tidied"
    script = (
        f"trap 'sleep 2.5; echo yes > {done}; exit 1' TERM; echo up; while :; do sleep 0.1; done"
    )
    up = threading.Event()

    def run() -> None:
        with contextlib.suppress(process.Stopped):
            process.stream(["sh", "-c", script], lambda _: up.set(), grace=30)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(20)
        process.stop_all()
        thread.join(20)
        assert done.read_text() == "yes\n"
    finally:
        process._stopping.clear()
