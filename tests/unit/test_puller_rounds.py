"""The puller's rounds and loop, with a runtime that does what a test says."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "images/kernel-image-puller"))

from kernel_image_puller import fetchers, main, runtimes
from kernel_image_puller.credentials import Credentials
from kernel_image_puller.errors import FetchFailed, PullFailed, RuntimeUnreachable
from kernel_image_puller.health import Heartbeat, check
from kernel_image_puller.references import parse_reference
from kernel_image_puller.rounds import Round, Rules
from kernel_image_puller.settings import read_settings

from tests.support.pace import promptly

FOLDER = Path(__file__).parents[2] / "images/kernel-image-puller"

NOT_THERE = PullFailed("manifest unknown", permanent=True)
DOWN = PullFailed("connection refused")


class FakeRuntime:
    """Has `present`; fails as `failures[name]` says, one after the other; else pulls."""

    def __init__(self, present=(), failures=None, seconds=0.0):
        self.present = {full(name) for name in present}
        self.failures = {full(name): list(what) for name, what in (failures or {}).items()}
        self.seconds = seconds
        self.pulls = Counter()
        self.begun = []
        self.credentials = []
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()

    def has(self, reference):
        return str(reference) in self.present

    def pull(self, reference, credentials):
        with self.lock:
            self.pulls[str(reference)] += 1
            self.begun.append(str(reference))
            self.credentials.append(credentials)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(self.seconds)
        with self.lock:
            self.busy -= 1
            waiting = self.failures.get(str(reference))
            if waiting:
                raise waiting.pop(0)
            self.present.add(str(reference))


def full(name):
    return str(parse_reference(name))


def go(runtime, names, always=False, retries=3, workers=2, keyring=lambda _: None, delay=0.01):
    images = [parse_reference(name) for name in names]
    rules = Rules(always, retries, workers, keyring, delay)
    current = Round(runtime, images, rules).start()
    assert current.wait(20)
    return current.result()


@pytest.fixture(autouse=True)
def everything_is_said(caplog):
    caplog.set_level(logging.DEBUG, "kernel_image_puller")


def test_what_is_there_is_not_pulled_unless_always():
    runtime = FakeRuntime(present=["a"])
    result = go(runtime, ["a", "b"])
    assert (result.pulled, result.present) == ((full("b"),), (full("a"),))
    assert runtime.pulls == {full("b"): 1}
    go(runtime, ["a", "b"], always=True)
    assert runtime.pulls == {full("a"): 1, full("b"): 2}


def test_nothing_to_do_is_done_at_once():
    result = go(FakeRuntime(), [])
    assert result.pulled == result.present == result.failed == ()
    assert not result.unreachable


def test_what_may_still_come_is_tried_again_and_no_more_often_than_asked(caplog):
    runtime = FakeRuntime(failures={"a": [DOWN] * 2, "b": [DOWN] * 9})
    result = go(runtime, ["a", "b"])
    assert (result.pulled, result.failed) == ((full("a"),), (full("b"),))
    assert runtime.pulls == {full("a"): 3, full("b"): 4}
    assert re.search(r"gave up \S+/b:latest: try 4, \d+\.\d s: connection refused", caplog.text)
    assert go(FakeRuntime(failures={"a": [DOWN]}), ["a"], retries=0).failed


def test_what_will_not_come_is_tried_once():
    runtime = FakeRuntime(failures={"a": [NOT_THERE] * 9})
    assert go(runtime, ["a"]).failed == (full("a"),)
    assert runtime.pulls == {full("a"): 1}


def test_an_image_that_waits_for_its_next_try_keeps_no_worker():
    runtime = FakeRuntime(failures={"a": [DOWN]})
    current = Round(
        runtime,
        [parse_reference(name) for name in "abcdef"],
        Rules(always=False, retries=1, workers=1, keyring=lambda _: None, first_delay=1.0),
    ).start()
    assert current.wait(60)
    assert runtime.begun == [full(name) for name in "abcdefa"]  # the others came before it
    assert len(current.result().pulled) == 6


def test_pauses_grow_and_differ(caplog):
    runtime = FakeRuntime(failures={"a": [DOWN] * 3, "b": [DOWN] * 3})
    go(runtime, ["a", "b"], delay=0.05)
    begun = {}
    for record in caplog.records:
        if record.message.startswith("pulling"):
            begun.setdefault(record.args[0].path, []).append(record.created)
    for times in begun.values():
        pauses = [after - before for before, after in pairwise(times)]
        assert [0.03 * 2**n <= pause for n, pause in enumerate(pauses)] == [True] * 3
    assert len({round(times[1] - times[0], 5) for times in begun.values()}) == 2


def test_so_many_are_pulled_at_a_time_as_asked():
    runtime = FakeRuntime(seconds=0.05)
    go(runtime, "abcdefgh", workers=3)
    assert runtime.most_busy == 3


def test_a_surprise_with_one_image_is_not_the_end_of_the_others(caplog):
    runtime = FakeRuntime(failures={"a": [KeyError("x")] * 9})
    result = go(runtime, ["a", "b"], retries=1)
    assert (result.pulled, result.failed) == ((full("b"),), (full("a"),))
    assert "KeyError" in caplog.text


def test_a_runtime_that_never_answers_is_told_apart():
    nobody = [RuntimeUnreachable("nobody")] * 9
    runtime = FakeRuntime(failures={"a": nobody, "b": nobody})
    runtime.has = lambda reference: runtime.pull(reference, None)
    assert go(runtime, ["a", "b"], retries=1).unreachable
    refusing = FakeRuntime(failures={"a": [NOT_THERE]})
    assert not go(refusing, ["a"]).unreachable


def test_secrets_in_an_engines_message_are_hidden_and_it_stays_one_line(caplog):
    secret = Credentials(username="u", password="s3cret")
    runtime = FakeRuntime(failures={"a": [PullFailed("bad s3cret\n[I] forged line")] * 2})
    go(runtime, ["a"], keyring=lambda _: secret, retries=1)
    assert runtime.credentials == [secret, secret]
    assert "s3cret" not in caplog.text
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


# -- The loop --------------------------------------------------------------------------------------


class Over(Exception):
    """A test has seen enough rounds."""


@pytest.fixture
def loop(monkeypatch, tmp_path):
    """`loop(runtime, [names or failure of each round])` gives the pauses before the rounds."""

    def loop(runtime, lists, **env):
        lists, pauses = list(lists), []

        def fetch():
            names = lists.pop(0)
            if isinstance(names, Exception):
                raise names
            return names

        def sleep(seconds):
            pauses.append(seconds)
            if not lists:
                raise Over

        monkeypatch.setattr(runtimes, "make_runtime", lambda _: runtime)
        monkeypatch.setattr(fetchers, "make_fetcher", lambda _: fetch)
        env = {"KIP_HEARTBEAT_FILE": str(tmp_path / "beat"), "KIP_NUM_RETRIES": "0", **env}
        with pytest.raises(Over):
            main.run(read_settings(env), sleep)
        return pauses

    return loop


def test_it_makes_haste_until_the_first_success_and_takes_its_time_afterwards(loop):
    lost = FetchFailed("no gateway")
    assert loop(FakeRuntime(), [lost, lost, ["a"], lost, ["a"]]) == [5, 5, 5, 300, 300, 300]


def test_a_list_that_shrinks_is_forgotten_and_what_goes_missing_comes_back(loop):
    runtime = FakeRuntime()
    loop(runtime, [["a", "b"], ["b"], ["b"]])
    assert runtime.pulls == {full("a"): 1, full("b"): 1}
    runtime.present.clear()
    loop(runtime, [["b"]])
    assert runtime.pulls == {full("a"): 1, full("b"): 2}


def test_names_of_the_same_image_are_one_and_what_names_none_is_reported(loop, caplog):
    runtime = FakeRuntime()
    names = ["python", "docker.io/python:latest", "library/python", "No Name", "a", "a"]
    loop(runtime, [names])
    assert runtime.pulls == {full("python"): 1, full("a"): 1}
    assert "left out: 'No Name'" in caplog.text


def test_the_default_registry_and_the_policy_reach_the_runtime(loop):
    runtime = FakeRuntime()
    env = {"KIP_DEFAULT_CONTAINER_REGISTRY": "localhost:5000", "KIP_PULL_POLICY": "Always"}
    loop(runtime, [["a/b:1"], ["a/b:1"]], **env)
    assert runtime.pulls == {"localhost:5000/a/b:1": 2}


def test_it_is_well_if_names_came_and_the_runtime_answered(loop, tmp_path):
    beat = str(tmp_path / "beat")
    loop(FakeRuntime(failures={"a": [NOT_THERE]}), [["a", "b"]])
    well, said = check(beat)
    assert well
    assert said.startswith("2 images: 1 pulled, 0 there, 1 failed; missing: ")
    loop(FakeRuntime(), [FetchFailed("no gateway")])
    assert check(beat) == (False, "no round has succeeded yet")
    silent = FakeRuntime(failures={"a": [RuntimeUnreachable("nobody")]})
    silent.has = lambda reference: silent.pull(reference, None)
    assert loop(silent, [["a"]]) == [5, 5]
    assert check(beat) == (False, "no round has succeeded yet")


def test_a_heartbeat_is_good_for_a_while_and_a_long_pull_keeps_it(loop, tmp_path, monkeypatch):
    beat = str(tmp_path / "beat")
    Heartbeat(beat, 100).beat("fine")
    assert check(beat, lambda: time.monotonic() + 99)[0]
    well, said = check(beat, lambda: time.monotonic() + 101)
    assert not well
    assert said.endswith("the last one: fine")
    monkeypatch.setattr(main, "_SLICE", 0.05)
    seen = []

    def pull(*_):
        """It takes until somebody has said so."""
        end = time.monotonic() + 60
        while not check(beat)[0] and time.monotonic() < end:
            time.sleep(0.05)
        seen.append(check(beat))

    slow = FakeRuntime()
    slow.pull = pull
    loop(slow, [["a"]])
    assert seen == [(True, "pulling some of 1 images")]


def test_a_heartbeat_that_cannot_be_written_stops_nothing_and_is_told_once(loop, caplog):
    loop(FakeRuntime(), [["a"], ["a"]], KIP_HEARTBEAT_FILE="/proc/none/beat")
    assert caplog.text.count("no heartbeat") == 1
    assert not check("/proc/none/beat")[0]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"until": "x", "said": 1}', "\0"])
def test_a_heartbeat_that_is_none_is_not_well(tmp_path, text):
    (tmp_path / "beat").write_text(text)
    well, said = check(str(tmp_path / "beat"))
    assert not well
    assert "is no heartbeat" in said


# -- The process -----------------------------------------------------------------------------------


def puller(*argv, **env):
    return subprocess.Popen(
        [sys.executable, *argv],
        env={"PYTHONPATH": str(FOLDER), "PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_faulty_settings_and_arguments_end_it_with_a_line_each(tmp_path):
    process = puller("-m", "kernel_image_puller", KIP_INTERVAL="x", KIP_NUM_PULLERS="y")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    names = [line.split(": ")[1] for line in said.splitlines()]
    assert names == ["KIP_INTERVAL", "KIP_NUM_PULLERS"]
    process = puller("-m", "kernel_image_puller", "--chek")
    assert "usage" in process.communicate(timeout=120)[0]
    assert process.returncode == 2


def test_the_check_is_quick_as_it_runs_often(tmp_path):
    beat = str(tmp_path / "beat")
    process = puller(
        "-X", "importtime", "-m", "kernel_image_puller", "--check", KIP_HEARTBEAT_FILE=beat
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "no round has succeeded yet" in said
    assert not re.search(r"\| +(docker|grpc|google|requests|ssl|asyncio)$", said, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["gateway", "pull", "pause"])
def test_a_signal_ends_it_at_once_wherever_it_waits(tmp_path, number, where):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as engine, socket.socket() as gateway:
        engine.bind(str(path))
        engine.listen()
        gateway.bind(("127.0.0.1", 0))
        gateway.listen()  # both take connections, and never answer
        script = textwrap.dedent("""
            from kernel_image_puller import main
            main.HASTE = 0.1
            main.main([])
        """)
        process = puller(
            "-c", script,
            KIP_GATEWAY_HOST=f"http://127.0.0.1:{gateway.getsockname()[1]}",
            KIP_CRI_ENDPOINT=f"unix://{path}", KIP_IMAGES="" if where == "pause" else "a/b",
            KIP_IMAGE_FETCHER="KernelSpecsFetcher" if where == "gateway" else "StaticListFetcher",
            KIP_HEARTBEAT_FILE=str(tmp_path / "beat"),
        )  # fmt: skip
        if where == "pause":
            for line in process.stdout:
                if "next in 300 s" in line:
                    break
        else:
            waiting = gateway if where == "gateway" else engine
            waiting.settimeout(20)
            waiting.accept()
        time.sleep(0.1)
        with promptly(2):
            process.send_signal(number)
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.splitlines()[-1].endswith("stopped")
    assert "Traceback" not in said
