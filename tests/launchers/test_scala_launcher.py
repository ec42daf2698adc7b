"""The Scala launcher from report to exit, with a stub for Toree: no Spark, no Scala."""

from __future__ import annotations

import errno
import json
import re
import signal
import socket
import time

import pytest
from fake_gateway import FakeGateway, wait_for
from scala_kernel import Jdk, LaunchedScalaKernel

pytestmark = pytest.mark.engine

# A stop takes less than two seconds; a busy machine is given more to notice, and docker to tell.
STOP_SECONDS = 4.0
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


@pytest.fixture(scope="session")
def jdk(tmp_path_factory):
    jdk = Jdk(tmp_path_factory.getbasetemp())
    yield jdk
    jdk.remove()


@pytest.fixture
def launch(gateway, tmp_path, jdk):
    launched: list[LaunchedScalaKernel] = []
    LaunchedScalaKernel.jdk = jdk

    def start(*options: str, **settings) -> LaunchedScalaKernel:
        folder = tmp_path / f"k{len(launched)}"
        kernel = LaunchedScalaKernel(gateway, folder, *options, **settings)
        launched.append(kernel)
        return kernel

    yield start
    for kernel in launched:
        kernel.clear_away()


def test_report_connection_file_and_what_toree_is_told(launch):
    kernel = launch("--nonsense", "--magic-url", "x y", spark_context_initialization_mode="none")
    info = kernel.info
    assert len({info[name] for name in (*PORTS, "comm_port")}) == 6
    assert (info["ip"], info["transport"], info["signature_scheme"], info["kernel_name"]) == (
        "0.0.0.0",
        "tcp",
        "hmac-sha256",
        "Apache Toree Scala",
    )
    assert re.fullmatch("[0-9a-f]{64}", info["key"])
    assert type(info["pid"]) is type(info["pgid"]) is int
    kernel.wait_for_line("toree-launcher: the gateway has the connection info")
    kernel.wait_for_line("stub profile: rw-------")
    kernel.wait_for_line("stub arguments: --nosparkcontext --nonsense --magic-url x y")
    wait_for(lambda: kernel.connection_files == [])  # Toree has read it
    kernel.tell("exit")
    assert kernel.wait() == 0
    kernel.assert_nothing_left()


def test_old_spelling_plain_wins_and_lazy_is_the_default(launch):
    kernel = launch("--RemoteProcessProxy.port-range", "1..2", "--port-range", "0..0",
                    old_spelling=True)  # fmt: skip
    assert kernel.info["kernel_id"] == kernel.id
    kernel.wait_for_line("stub arguments: --spark-context-initialization-mode lazy")


def test_ports_are_in_the_range_and_nobody_elses_until_toree_listens(launch):
    kernel = launch(port_range="42000..43000", env={"STUB_DELAY": "3000"})
    [file] = wait_for(lambda: [path for path in kernel.connection_files if path.stat().st_size])
    assert file.stat().st_mode & 0o777 == 0o600
    promised = json.loads(file.read_text())
    for name in PORTS:
        with socket.socket() as thief, pytest.raises(OSError) as caught:
            thief.bind(("0.0.0.0", promised[name]))
        assert caught.value.errno == errno.EADDRINUSE
    assert {name: kernel.info[name] for name in PORTS} == {name: promised[name] for name in PORTS}
    assert all(42000 <= kernel.info[name] <= 43000 for name in (*PORTS, "comm_port"))


def test_a_toree_that_does_not_listen_is_an_error_in_time(launch):
    kernel = launch(env={"STUB_DEAF": "hb", "EG_KERNEL_LAUNCH_TIMEOUT": "1.5"})
    assert kernel.wait() == 1
    assert "error: Toree does not listen on its hb_port" in kernel.output
    kernel.assert_nothing_left()


def test_a_toree_that_is_slow_to_listen_does_not_hold_up_the_report(launch):
    kernel = launch(env={"STUB_DELAY": "5000", "KERNEL_LAUNCH_TIMEOUT": "6"})
    _ = kernel.info
    assert "stub profile" not in kernel.output
    [_file] = kernel.connection_files
    kernel.wait_for_line("stub profile: rw-------")
    wait_for(lambda: kernel.connection_files == [])
    assert kernel.process.poll() is None


@pytest.mark.parametrize("signum", [2, 12])
@pytest.mark.parametrize(
    ("cell", "error"), [("sleep", "InterruptedException"), ("spin", "ThreadDeath")]
)
def test_an_interrupt_ends_the_cell_and_not_the_kernel(launch, cell, error, signum):
    kernel = launch("--alternate-sigint", "USR2")
    kernel.begin_cell(cell)
    kernel.request(signum=0)
    assert "ended" not in kernel.output
    kernel.request(signum=signum)
    kernel.wait_for_line(f"ended: {cell} by {error}")
    assert kernel.comm_port_is_open()


def test_the_number_of_an_interrupt_may_come_from_the_environment(launch):
    kernel = launch(env={"EG_ALTERNATE_SIGINT": "10"})
    kernel.begin_cell("sleep")
    kernel.request(signum=12)  # nobody's
    kernel.request(signum=10)
    kernel.wait_for_line("ended: sleep by InterruptedException")


def test_an_interrupt_hits_only_what_runs_a_cell(launch):
    kernel = launch()
    kernel.begin_cell("outside")
    kernel.request(signum=2)
    kernel.wait_for_line("ended: outside")


def test_signals_of_the_system_interrupt_and_end_it(launch):
    kernel = launch("--alternate-sigint", "USR2")
    wait_for(lambda: "the gateway has the connection info" in kernel.output)
    time.sleep(0.5)  # handlers are set when Toree is ready
    for number, count in ((signal.SIGINT, 1), (signal.SIGUSR2, 2)):
        kernel.tell("sleep")
        wait_for(lambda n=count: kernel.output.count("begun: sleep") == n)
        kernel.signal(number)
        wait_for(lambda n=count: kernel.output.count("by InterruptedException") == n)
    kernel.signal(signal.SIGTERM)
    began = time.monotonic()
    assert kernel.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - began < STOP_SECONDS


@pytest.mark.parametrize(
    ("requests", "code"),
    [([{"signum": 15}], 143), ([{"signum": 9}], 137), ([{"signum": 2}, {"shutdown": 1}], 0)],
)
@pytest.mark.parametrize("before", ["spin", "hang", "child"])
def test_the_end_comes_in_time_whatever_runs(launch, requests, code, before):
    kernel = launch()
    kernel.tell(before)
    began = time.monotonic()
    for request in requests:
        kernel.request(**request)
    assert kernel.wait() == code
    assert time.monotonic() - began < STOP_SECONDS
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


def test_an_exit_that_hangs_is_over_in_time(launch):
    kernel = launch()
    kernel.tell("hang")
    kernel.tell("exit")
    began = time.monotonic()
    assert kernel.wait() == 0
    assert time.monotonic() - began < STOP_SECONDS


def test_garbage_and_storms_on_the_comm_port(launch):
    kernel = launch()
    _ = kernel.info
    begun = [socket.create_connection(("127.0.0.1", kernel.info["comm_port"])) for _ in range(300)]
    garbage = (b"", b"{", b"\xff\x00", b"null", b"[]", b'{"signum": "2"}', b'{"signum": 15.0}',
               b'{"signum": 99999}', b'{"signum": -15}', b'{"signum": 15} x', b'{"shutdown": 0}',
               b'{"shutdown": true}', b'{"signum":15', b'{"a":' * 5000,
               b'{"signum": 15, "a": "' + b"x" * 1_000_000 + b'"}')  # fmt: skip
    for data in garbage:
        try:
            kernel.send(data)
        except (ConnectionResetError, BrokenPipeError):
            continue
    slowest = 0.0
    for _ in range(1000):
        started = time.monotonic()
        kernel.request(signum=0)
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1.0  # else the system has dropped one, for want of room in the queue
    kernel.begin_cell("sleep")
    with socket.create_connection(("127.0.0.1", kernel.info["comm_port"])) as sock:
        for piece in (b' {"sig', b'num"', b": 2", b"} "):  # in pieces, and nested objects are read
            sock.sendall(piece)
            time.sleep(0.05)
    kernel.wait_for_line("ended: sleep by InterruptedException")
    assert kernel.output.count("dropped a connection") == 1
    for sock in begun:
        sock.close()
    assert kernel.process.poll() is None


def test_the_report_waits_for_a_gateway_that_is_late(launch):
    listener = bound_but_deaf()
    late = FakeGateway(listener)
    kernel = launch(response_address=late.address, public_key=late.public_key)
    kernel._gateway = late
    wait_for(lambda: time.monotonic() > kernel.started + 5)
    assert kernel.process.poll() is None
    late.listen()
    assert kernel.info["kernel_id"] == kernel.id
    listener.close()


def test_a_report_that_nobody_takes_is_an_error_in_time(launch):
    with bound_but_deaf() as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        kernel = launch(response_address=address, env={"KERNEL_LAUNCH_TIMEOUT": "2"})
        assert kernel.wait() == 1
    assert "error: nobody takes the connection info: Connection refused" in kernel.output
    kernel.assert_nothing_left()


def test_without_a_response_address_the_kernel_just_runs_on_its_profile(launch, tmp_path):
    kernel = launch(
        "--profile", str(tmp_path / "mine.json"), response_address=None, public_key=None
    )
    kernel.wait_for_line("stub profile: rw-------")
    kernel.signal(signal.SIGTERM)
    assert kernel.wait() == 143
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"public_key": "bm8ga2V5"}, "--public-key is not an RSA public key"),
        ({"public_key": None}, "--public-key is missing"),
        ({"kernel_id": None}, "--kernel-id is missing"),
        ({"response_address": "nowhere"}, "--response-address is 'nowhere', not host:port"),
        ({"port_range": "40000..40999"}, "--port-range 40000..40999 is too small: at least 1000"),
        ({"port_range": "80..9000"}, "no range within 1024..65535"),
        ({"spark_context_initialization_mode": "soon"}, "is not one of lazy, eager, none"),
        ({"alternate_sigint": "NOSUCH"}, "there is no signal 'NOSUCH'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_one_line_and_exit_code_2(launch, settings, message):
    kernel = launch(**settings)
    assert kernel.wait() == 2
    [line] = kernel.output.splitlines()
    assert line.startswith("toree-launcher: error: ")
    assert message in line
    kernel.assert_nothing_left()


def bound_but_deaf() -> socket.socket:
    """A port where connections are refused, and that nobody else can take."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock
