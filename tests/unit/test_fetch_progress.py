"""The line that shows how far a fetch is."""

from __future__ import annotations

import io

import pytest

from buildlib.outside.fetch.progress import Progress, progress_for


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_live_redraws_one_line_and_ends_it(clock):
    stream = io.StringIO()
    with Progress(stream, live=True, clock=clock) as observer:
        observer(0, 32_000_000, 0, 88)
        clock.now += 2
        observer(16_000_000, 32_000_000, 44, 88)
        observer(16_000_000, 32_000_000, 44, 88)
        clock.now += 2
        observer(32_000_000, 32_000_000, 88, 88)
    drawn = stream.getvalue().replace("\x1b[K", "")
    assert drawn.split("\r") == [
        "",
        "fetch   0/88 files  0.0/32.0 MB",
        "fetch  44/88 files  16.0/32.0 MB  8.0 MB/s  0:02 left",
        "fetch  88/88 files  32.0/32.0 MB\n",
    ]


def test_bytes_of_an_earlier_run_are_no_rate(clock):
    stream = io.StringIO()
    with Progress(stream, live=True, clock=clock) as observer:
        observer(900_000_000, 1_000_000_000, 0, 1)
        clock.now += 1
        observer(901_000_000, 1_000_000_000, 0, 1)
    assert "1.0 MB/s  1:39 left" in stream.getvalue()


def test_the_rate_is_that_of_the_last_seconds(clock):
    stream = io.StringIO()
    with Progress(stream, live=True, clock=clock) as observer:
        for second in range(20):
            observer(min(second, 5) * 10_000_000 + second * 1_000_000, 10**9, 0, 1)
            clock.now += 1
    last = stream.getvalue().rsplit("\r", 1)[-1]
    assert "  1.0 MB/s" in last
    assert "15:31 left" in last


def test_a_long_wait_has_hours(clock):
    stream = io.StringIO()
    with Progress(stream, live=True, clock=clock) as observer:
        observer(0, 7_322_000_000, 0, 1)
        clock.now += 1
        observer(1_000_000, 7_322_000_000, 0, 1)
    assert "2:02:01 left" in stream.getvalue()


def test_a_restart_shows_no_negative_rate(clock):
    stream = io.StringIO()
    with Progress(stream, live=True, clock=clock) as observer:
        observer(50_000_000, 100_000_000, 0, 1)
        clock.now += 1
        observer(0, 100_000_000, 0, 1)
    assert "-" not in stream.getvalue().replace("\x1b[K", "")


def test_quiet_writes_a_line_every_few_seconds_and_the_last(clock):
    stream = io.StringIO()
    with Progress(stream, live=False, clock=clock) as observer:
        for second in range(13):
            observer(second * 1_000_000, 12_000_000, 0, 1)
            clock.now += 1
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[-1] == "fetch  0/1 files  12.0/12.0 MB"
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("live", [True, False])
def test_a_warning_has_a_line_of_its_own(clock, live):
    stream = io.StringIO()
    with Progress(stream, live=live, clock=clock) as observer:
        observer(1_000_000, 12_000_000, 0, 1)
        observer.tell("warning: a.example went silent")
        observer(1_000_000, 12_000_000, 0, 1)
    shown = [line.rpartition("\r")[2] for line in stream.getvalue().split("\n")]
    assert [line.replace("\x1b[K", "") for line in shown][-3:] == [
        "warning: a.example went silent",
        "fetch  0/1 files  1.0/12.0 MB",
        "",
    ]


def test_what_need_not_move_has_no_size(clock):
    stream = io.StringIO()
    with Progress(stream, live=False, clock=clock, verb="pull", things="targets") as progress:
        progress(0, 0, 1, 1)
    assert stream.getvalue() == "pull  1/1 targets\n"


def test_nothing_fetched_writes_nothing():
    for live in (True, False):
        stream = io.StringIO()
        with Progress(stream, live=live):
            pass
        assert stream.getvalue() == ""


def test_the_line_is_ended_when_the_fetch_fails(clock):
    stream = io.StringIO()

    def fetch():
        with Progress(stream, live=True, clock=clock) as observer:
            observer(0, 1, 0, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fetch()
    assert stream.getvalue().endswith("\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "live"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_the_kind_that_suits_the_stream(stream, environ, live, monkeypatch):
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with progress_for(stream) as observer:
        observer(0, 1, 0, 1)
    assert ("\r" in stream.getvalue()) == live
