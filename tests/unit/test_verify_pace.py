"""What is late is held against the pace of the machine, not against the clock alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import pytest

from verify import owner, pace, results
from verify.pace import Pace
from verify.results import Board, Case
from verify.rules import Late
from verify.turns import Turns


def machine(*work: float, bare: tuple[float, ...] = ()) -> Pace:
    """A pace that measures these: the work's twice each time, the bare container's once."""
    works, bares = iter(work), iter(bare)
    return Pace(lambda: next(bares, None), work=lambda: next(works))


@pytest.fixture
def waits(monkeypatch):
    """`waits(seconds)`: what the kernel says that something has waited since the boot."""
    found = {"cpu": 0.0}
    monkeypatch.setattr(pace, "waited", lambda: found)

    def wait(seconds: float) -> None:
        found["cpu"] = seconds

    return wait


def test_in_time_nothing_is_measured(waits):
    made = machine()
    made.judge("stop", "it has ended", 1.9, 2.0)
    assert made.notes() == ()


def test_late_on_an_idle_machine_is_late_with_the_figures_of_both(waits):
    made = machine(1.0, 1.1, bare=(0.3,))
    with pytest.raises(Late) as caught:
        made.judge("stop", "it has ended", 2.5, 2.0)
    assert caught.value.rule == "stop"
    assert "it has ended after 2.50 s, not 2.00 s" in caught.value.message
    assert "not busy" in caught.value.message
    assert "0.30 s" in caught.value.message
    assert made.notes() == ()


def test_late_by_no_more_than_the_machine_is_slow(waits):
    made = machine(1.0, 2.0)
    made.judge("stop", "it has ended", 3.9, 2.0)
    [note] = made.notes()
    assert (note.seconds, note.limit, note.pace) == (3.9, 2.0, 2.0)
    assert "it has ended after 3.90 s, not 2.00 s; the machine is busy, pace 2.0" in note.what
    assert made.notes() == ()


def test_later_than_the_machine_is_wrong_also_when_it_is_busy(waits):
    made = machine(2.0, 2.0)
    with pytest.raises(Late, match=r"pace 2\.0"):
        made.judge("stop", "it has ended", 8.0, 2.0)


def test_what_has_waited_for_the_machine_is_not_its_own_time(waits):
    made = machine(2.0, 2.0)
    begun = made.mark()
    waits(6.5)
    made.judge("stop", "it has ended", 8.0, 2.0, begun)
    [note] = made.notes()
    assert note.waited == 6.5
    assert "waited for it for 6.5 s" in note.what


def test_own_threads_that_wait_for_each_other_make_no_machine_busy(waits):
    made = machine(1.0, 1.0)
    begun = made.mark()
    waits(6.5)
    with pytest.raises(Late):
        made.judge("stop", "it has ended", 8.0, 2.0, begun)


def test_a_bare_container_that_starts_slowly_shows_a_busy_engine():
    made = machine(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, bare=(0.3, 0.45, 1.2))
    assert made.measure() == 1.0
    assert made.measure() == 1.0  # within what an idle machine does
    assert made.measure() == pytest.approx(4.0)
    assert (made.busy, made.most, made.bare) == (True, pytest.approx(4.0), 0.3)


def test_the_usual_start_is_computed_where_the_machine_is_busy_from_the_start():
    made = machine(3.0, 3.0, bare=(0.9,))
    assert made.measure() == 3.0
    assert made.bare == pytest.approx(0.3)


def test_patience_lasts_longer_on_a_busy_machine_only(waits):
    def over(late: float, *work: float) -> bool:
        return machine(*work).patience(10, time.monotonic() - late).over()

    assert not over(5)  # and nothing is measured
    assert over(15, 1.0, 1.0)
    assert not over(15, 2.0, 2.0)
    assert over(25, 2.0, 2.0)


def test_what_comes_in_the_longer_time_is_slow(waits):
    made = machine(2.0, 2.0)
    made.patience(10, time.monotonic() - 15).kept("execute", "code has ended")
    assert [note.limit for note in made.notes()] == [10]


def test_limits_that_others_keep_grow_with_the_pace_of_a_busy_machine():
    made = machine(1.1, 1.2, 3.0, 3.0)
    made.measure()
    assert made.scale == 1.0
    made.measure()
    assert made.scale == 3.0


def test_a_slow_case_is_well_and_says_so(waits, tmp_path):
    made, out = machine(3.0, 3.0), io.StringIO()

    def slow() -> str:
        made.judge("stop", "it has ended", 5.0, 2.0)
        return "a remark"

    cases = [Case("one", "", slow), Case("two", "", lambda: None)]
    found = results.run(cases, Board(out), made)
    assert [(result.ok, result.word) for result in found] == [(True, "slow"), (True, "ok")]
    assert results.verdict(found) == "works"
    assert results.exit_code(found) == 0
    assert "slow: it has ended after 5.00 s, not 2.00 s; the machine is busy" in out.getvalue()
    results.write_json(str(tmp_path / "out.json"), {}, found)
    report = json.loads((tmp_path / "out.json").read_text())
    assert [row["slow"] for row in report["rows"]] == [1]
    [told], none = (case["slow"] for case in report["cases"])
    assert none == []
    assert (told["seconds"], told["limit"], told["pace"]) == (5.0, 2.0, 3.0)


def test_what_was_slow_in_a_try_that_failed_is_not_told_of_the_next(waits):
    made = machine(3.0, 3.0, 1.0, 1.0)
    tries = iter([True, False])

    def case() -> None:
        if next(tries):
            made.judge("stop", "it has ended", 5.0, 2.0)
            made.judge("stop", "the next", 5.0, 2.0)

    [result] = results.run([Case("one", "", case)], Board(io.StringIO()), made)
    assert result.word == "ok"


def test_the_work_takes_about_its_processor_time():
    assert Pace().measure() >= 1.0


# -- Turns ----------------------------------------------------------------------------------------

PROBE = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_NB | getattr(fcntl, sys.argv[2]))
except BlockingIOError:
    sys.exit(1)
"""


@pytest.fixture
def others(tmp_path):
    """`others(how)`: whether another process could now take the lock that way."""

    def could(how: str) -> bool:
        words = [sys.executable, "-c", PROBE, str(tmp_path / "turns"), how]
        return not subprocess.run(words, check=False).returncode

    return could


def test_proofs_run_side_by_side_but_measure_alone(tmp_path, others):
    turns = Turns(str(tmp_path / "turns"))
    turns.join()
    assert others("LOCK_SH")
    assert not others("LOCK_EX")
    with turns.alone():
        assert not others("LOCK_SH")
        with turns.alone():
            pass
        assert not others("LOCK_SH")
        with turns.resting():  # changes nothing: what is measured goes on
            assert not others("LOCK_SH")
    assert others("LOCK_SH")
    with turns.resting():
        assert others("LOCK_EX")
    assert not others("LOCK_EX")
    turns.give_way()
    assert others("LOCK_SH")
    assert not others("LOCK_EX")
    turns.leave()
    assert others("LOCK_EX")


def test_what_is_late_beside_other_proofs_is_tried_again_alone(tmp_path, waits, others):
    turns = Turns(str(tmp_path / "turns"))
    turns.join()
    works = iter([3.0, 3.0])  # measured once: the first time, others are no excuse
    made = Pace(turns=turns, work=lambda: next(works))
    tries = []

    def case() -> None:
        tries.append(others("LOCK_SH"))
        with made.beside():
            made.judge("stop", "it has ended", 1.0, 2.0)
            made.judge("stop", "it has ended", 5.0, 2.0)

    [result] = results.run([Case("docker-stop", "", case)], Board(io.StringIO()), made)
    turns.leave()
    assert tries == [True, False]
    assert result.word == "slow"
    assert [note.pace for note in result.slow] == [3.0]


def test_without_a_place_for_the_lock_there_are_no_turns(tmp_path):
    turns = Turns(str(tmp_path / "no" / "folder"))
    turns.join()
    with turns.alone(), turns.resting():
        pass
    turns.leave()


# -- Whose containers -----------------------------------------------------------------------------


def changed(**values: str) -> dict[str, str]:
    return {**owner.labels(), **{f"verify.owner.{name}": value for name, value in values.items()}}


def test_a_running_process_has_not_ended():
    assert not owner.has_ended(owner.labels())


def test_a_process_has_ended_when_it_is_gone_or_another_has_its_number():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    of_child = changed(pid=str(child.pid), started=owner.started(child.pid))
    assert not owner.has_ended(of_child)
    child.communicate(b"\n")
    assert owner.has_ended(of_child)
    assert owner.has_ended(changed(started="1"))
    assert owner.has_ended(changed(boot="of yesterday"))


@pytest.mark.parametrize(
    "values",
    [{"machine": "another"}, {"machine": "another", "boot": "x"}, {"numbers": "pid:[1]"}],
)
def test_of_another_machine_or_container_nothing_is_known(values):
    assert not owner.has_ended(changed(**{"started": "1", **values}))


@pytest.mark.parametrize("missing", ["machine", "boot", "numbers", "pid", "started"])
def test_what_does_not_say_whose_it_is_stays(missing):
    found = changed(started="1", boot="of yesterday")
    del found[f"verify.owner.{missing}"]
    assert not owner.has_ended(found)
