"""Parts of the Python launcher alone: clusters, ports, requests, the report's perseverance."""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from fake_gateway import FakeGateway
from hypothesis import given
from hypothesis import strategies as st
from kernel_launcher.comm import Request, parse_request
from kernel_launcher.connection import candidate_ports, listen_on, write_connection_file
from kernel_launcher.messages import LauncherError
from kernel_launcher.options import parse_options
from kernel_launcher.report import Report, seal

REQUIRED = ["--kernel-id", "k", "--public-key", "p", "--response-address", "h:1"]


@pytest.mark.parametrize(
    ("options", "cluster", "mode"),
    [
        ([], "none", "none"),
        (["--spark-context-initialization-mode", "lazy"], "spark", "lazy"),
        (["--RemoteProcessProxy.spark-context-initialization-mode", "eager"], "spark", "eager"),
        (["--cluster-type", "dask"], "dask", "none"),
        (["--cluster-type", "none", "--spark-context-initialization-mode", "lazy"], "none", "lazy"),
    ],
)
def test_cluster_and_mode(options, cluster, mode):
    parsed = parse_options(REQUIRED + options, {})
    assert (parsed.cluster, parsed.spark_mode) == (cluster, mode)
    assert parsed.kernel_class == "ipykernel.ipkernel.IPythonKernel"


@pytest.mark.parametrize(
    "options",
    [["--cluster-type", "yarn"], ["--spark-context-initialization-mode", "now"], ["--kernel", "x"]],
)
def test_other_options_and_values_are_refused(options):
    with pytest.raises(LauncherError) as caught:
        parse_options(REQUIRED + options, {})
    assert caught.value.code == 2


def test_a_range_is_used_to_its_last_port_and_then_an_error():
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        assert sorted(candidate_ports((port, port + 5))) == list(range(port, port + 6))
        with pytest.raises(LauncherError, match="all ports of the range are taken"):
            listen_on(iter([port, port]), 1)
        with listen_on(iter([port, 0]), 1) as free:
            assert free.getsockname()[1] != port


def test_the_connection_file_is_private_and_stays_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = write_connection_file({"key": "k"}, "../../etc/evil id", None)
    assert list(tmp_path.iterdir()) == [tmp_path / path]
    assert (tmp_path / path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(LauncherError):  # never over a file, or through a link, of somebody else
        write_connection_file({"key": "k"}, "id", path)


@given(st.integers() | st.text() | st.none() | st.booleans() | st.floats() | st.lists(st.none()))
def test_only_real_signals_are_obeyed(value):
    text = json.dumps({"signum": value}).encode()
    if type(value) is int and (value == 0 or value in set(signal.valid_signals())):
        assert parse_request(text) == Request(value, shutdown=False)
    else:
        with pytest.raises(ValueError):
            parse_request(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        parse_request(data)


def test_seal_needs_an_rsa_key():
    for key in ("", "AAAA", "not base64!"):
        with pytest.raises(LauncherError, match="--public-key"):
            seal({}, key)


def test_a_report_that_is_reset_is_sent_again():
    gateway = FakeGateway(socket.create_server(("127.0.0.1", 0)))
    payload = seal({"kernel_id": "k", "long": "x" * 5000}, gateway.public_key)
    server = gateway._socket

    def be_rude_twice_then_take_it() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(10)
            reset = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.close()
        gateway._serve()

    threading.Thread(target=be_rude_twice_then_take_it, daemon=True).start()
    with selectors.DefaultSelector() as selector:
        report = Report(selector, server.getsockname(), payload)
        end = time.monotonic() + 20
        while not report.delivered and time.monotonic() < end:
            report.tick(time.monotonic())
            for key, _ in selector.select(0.05) if selector.get_map() else ():
                key.data()
    assert report.delivered
    assert gateway.report_of("k")["long"] == "x" * 5000
    gateway.close()


BLOCKED_IN_MAIN = """
import signal, threading, time
signal.signal(signal.SIGUSR2, lambda *_: None)
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
print("ready", flush=True)
time.sleep(60)
"""


def test_an_interrupt_is_for_the_main_thread_and_for_no_other():
    """One for the process would be taken by the thread that does not block it."""
    from kernel_launcher.processes import interrupt

    child = subprocess.Popen(
        [sys.executable, "-c", BLOCKED_IN_MAIN], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        interrupt(child.pid, signal.SIGUSR2, group=True)
        with open(f"/proc/{child.pid}/task/{child.pid}/status") as file:
            status = dict(line.split(":\t", 1) for line in file)
        assert int(status["SigPnd"], 16) == 1 << (signal.SIGUSR2 - 1)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


CANCELS = """
import signal, time
def cancel(*_):
    end = time.monotonic() + 0.03
    while time.monotonic() < end:
        pass
    print("cancelled", flush=True)
signal.signal(signal.SIGUSR2, cancel)
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_does_not_end_what_cancels_sparks_jobs():
    from types import SimpleNamespace

    from kernel_launcher.supervisor import Supervisor

    wakeup, other = socket.socketpair()
    signals = SimpleNamespace(wakeup=wakeup, drain=lambda: None, received=[])
    child = subprocess.Popen(
        [sys.executable, "-c", CANCELS], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        supervisor = Supervisor(child.pid, signals, cancel_jobs=True)
        supervisor._obey(Request(signal.SIGINT, shutdown=False))
        assert child.stdout.read() == b"cancelled\ninterrupted\n"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        wakeup.close()
        other.close()
