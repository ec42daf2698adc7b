"""The R launcher of the working tree, in the image that has R: from report to exit."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from fake_gateway import PATIENCE, FakeGateway, wait_for
from r_kernel import run_r
from test_launcher_life import bound_but_deaf
from test_launcher_storms import GARBAGE, GATEWAY_PATIENCE, seconds_to_poll, send_carelessly

pytestmark = pytest.mark.engine

STOP_SECONDS = 5.0  # two, and what a busy engine takes to see that a container has ended
ENDLESS = "cat('go\\n'); repeat Sys.sleep(0.02)"


def begin_endless(kernel, code: str = ENDLESS) -> str:
    message_id = kernel.begin(code)
    kernel.wait_for_output(message_id)
    return message_id


def interrupt(kernel) -> None:
    """Interrupt an endless cell, and see that it ends."""
    waiting = begin_endless(kernel)
    kernel.request(signum=2)
    kernel.result_of(waiting)


def test_report_execute_and_the_gateways_usual_shutdown(launch_r):
    kernel = launch_r(env={"KERNEL_PROBE": "kept"})
    info = kernel.info
    ports = [info[f"{name}_port"] for name in ("shell", "iopub", "stdin", "control", "hb", "comm")]
    assert len(set(ports)) == 6
    assert all(type(port) is int and port > 1023 for port in ports)
    known = (info["ip"], info["transport"], info["signature_scheme"], info["kernel_name"])
    assert known == ("0.0.0.0", "tcp", "hmac-sha256", "")
    assert len(info["key"]) == 64

    assert kernel.run("cat(6 * 7)") == "42"
    assert kernel.run("cat(Sys.getenv(c('KERNEL_PROBE', 'JPY_PARENT_PID', 'RES_OPTIONS')))") == (
        "kept  "
    )
    assert kernel.run("cat(Sys.getpid(), ls())") == f"{info['pid']} "
    # the key was on disk while the kernel was loading, and is no longer
    assert kernel.connection_files == []
    kernel.client.hb_channel.start()
    wait_for(kernel.client.hb_channel.is_beating)
    assert kernel.comm_port_is_open()

    kernel.request(signum=2)
    kernel.shutdown_by_zmq()
    with contextlib.suppress(ConnectionRefusedError):  # the kernel has told the launcher first
        kernel.request(shutdown=1)
    began = time.monotonic()
    assert kernel.wait() == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        (["zmq"], {0}),
        ([{"shutdown": 1}], {143}),  # nobody told the kernel: it is terminated after a moment
        ([{"shutdown": 1}, "zmq"], {0}),
        ([{"signum": 15}], {143}),
        ([{"signum": 2}, "zmq", {"signum": 15}, {"shutdown": 1}], {0, 143}),
    ],
    ids=str,
)
def test_every_order_of_shutdown_ends_all_in_time(launch_r, order, codes):
    kernel = launch_r(old_spelling=True)
    assert kernel.run("cat('up')") == "up"
    began = time.monotonic()
    for step in order:
        try:
            kernel.shutdown_by_zmq() if step == "zmq" else kernel.request(**step)
        except ConnectionRefusedError:
            assert step != order[0]  # a later request may find the kernel gone
    assert kernel.wait() in codes
    assert time.monotonic() - began < STOP_SECONDS
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


def test_interrupt_reaches_r_and_what_it_waits_for(launch_r):
    kernel = launch_r()
    waiting = begin_endless(kernel, f"kept <- 41; {ENDLESS}")
    assert kernel.comm_port_is_open()  # however busy the kernel is
    kernel.request(signum=2)
    kernel.result_of(waiting)
    assert kernel.run("cat(kept + 1)") == "42"
    # system() ignores SIGINT while it waits: only the child can end it
    waiting = begin_endless(kernel, "cat('go\\n'); cat(system('sleep 600') != 0)")
    time.sleep(0.3)
    kernel.request(signum=2)
    assert "TRUE" in kernel.result_of(waiting) or kernel.run("cat(kept)") == "41"


def test_interrupts_at_any_time_harm_nothing(launch_r):
    kernel = launch_r()
    for _ in range(5):  # while it loads
        kernel.request(signum=2)
    assert kernel.run("kept <- 1; cat('up')") == "up"
    for number in range(30):  # idle, or on its way to be, or printing
        message_id = kernel.begin("for (i in 1:300) cat(i, '')")
        time.sleep(0.003 * (number % 10))
        kernel.request(signum=2)
        kernel.result_of(message_id)
    wait_for(lambda: kernel.run("cat(kept)") == "1")


def test_the_kernels_end_is_the_launchers_with_all_it_started(launch_r):
    kernel = launch_r()
    kernel.run(
        "system('sleep 600', wait = FALSE)\n"
        "system('setsid sleep 600', wait = FALSE)\n"
        "system('(trap \"\" TERM; sleep 600) & sleep 600 &')\n"
    )
    assert len(kernel.processes()) >= 5
    kernel.begin("tools::pskill(Sys.getpid(), 9)")
    assert kernel.wait() == 137
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 143)])
def test_stopping_the_launcher_stops_the_kernel(launch_r, number, code):
    kernel = launch_r()
    begin_endless(kernel)
    began = time.monotonic()
    kernel.process.send_signal(number)
    assert kernel.wait() == code
    assert time.monotonic() - began < STOP_SECONDS
    assert kernel.processes() == []


def test_a_last_function_does_not_hold_up_a_shutdown(launch_r):
    kernel = launch_r()
    kernel.run(".Last <- function() Sys.sleep(600)")
    began = time.monotonic()
    kernel.shutdown_by_zmq()
    assert kernel.wait() == 143
    assert time.monotonic() - began < STOP_SECONDS
    kernel.assert_nothing_left()


def test_a_killed_launcher_takes_its_kernel_along(launch_r):
    kernel = launch_r()
    assert kernel.run("cat('up')") == "up"
    [launcher] = [pid for pid in kernel.processes() if is_launcher(pid)]
    subprocess.run(["kill", "-9", str(launcher)], check=True)
    wait_for(lambda: not kernel.processes())
    assert not kernel.comm_port_is_open()


def is_launcher(pid: int) -> bool:
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"launch_IRkernel.R" in line and not line.startswith(b"tini")


def test_the_report_waits_for_a_gateway_that_is_late(launch_r):
    late = FakeGateway(listener := bound_but_deaf())
    kernel = launch_r(response_address=late.address, public_key=late.public_key)
    kernel._gateway = late
    wait_for(lambda: time.monotonic() > kernel.started + 5)
    assert kernel.process.poll() is None
    late.listen()
    assert kernel.run("cat('up')") == "up"
    listener.close()


def test_a_report_that_is_reset_is_sent_again(launch_r):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        gateway = FakeGateway(rude)
        address = f"127.0.0.1:{rude.getsockname()[1]}"
        kernel = launch_r(response_address=address, public_key=gateway.public_key)
        kernel._gateway = gateway
        for _ in range(2):
            connection, _ = rude.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        gateway.listen()
        assert kernel.run("cat('up')") == "up"


def test_a_report_that_nobody_takes_is_an_error_in_time(launch_r):
    with bound_but_deaf() as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        kernel = launch_r(response_address=address, env={"EG_KERNEL_LAUNCH_TIMEOUT": "1.5"})
        assert kernel.wait() == 1
    assert "nobody takes the connection info: cannot connect" in kernel.output
    kernel.assert_nothing_left()


def test_without_a_response_address_the_kernel_just_runs(launch_r):
    kernel = launch_r(
        "/kernel-tmp/given.json", response_address=None, public_key=None, kernel_id=None
    )
    path = kernel.tmp / "given.json"
    wait_for(lambda: path.exists() and path.read_text().rstrip().endswith("}"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["transport"] == "tcp"
    kernel.process.send_signal(signal.SIGINT)
    kernel.wait()
    assert not path.exists()
    kernel.assert_nothing_left()


def test_all_ports_are_within_the_range(launch_r):
    kernel = launch_r(port_range="42000..43000")
    ports = [value for name, value in kernel.info.items() if name.endswith("_port")]
    assert len(ports) == 6
    assert all(42000 <= port <= 43000 for port in ports)
    assert kernel.run("cat('up')") == "up"


def test_messages_that_are_not_ours_are_not_obeyed(launch_r):
    kernel = launch_r()
    assert kernel.run("cat('up')") == "up"
    for key in ("0" * 64, ""):
        stranger = kernel.connect(key)
        stranger.execute("stolen <- TRUE")
        stranger.shutdown()
        assert kernel.run("cat(exists('stolen'))") == "FALSE"
        stranger.stop_channels()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"public_key": "bm8ga2V5"}, "--public-key is not an RSA public key"),
        ({"public_key": None}, "--public-key is missing"),
        ({"kernel_id": None}, "--kernel-id is missing"),
        ({"response_address": "nowhere"}, "--response-address is 'nowhere', not host:port"),
        ({"profile": "x"}, "unrecognized arguments: --profile"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_one_line_and_exit_code_2(launch_r, settings, message):
    kernel = launch_r(**settings)
    assert kernel.process.wait(PATIENCE) == 2
    [error] = kernel.output.splitlines()
    assert message in error
    kernel.assert_nothing_left()


def test_the_comm_port_under_fire(launch_r):
    kernel = launch_r()
    assert kernel.run("kept <- 42") == ""
    address = ("127.0.0.1", kernel.info["comm_port"])
    slow = [socket.create_connection(address) for _ in range(150)]
    for sock in slow:
        sock.sendall(b'{"signum": ')
    for data in GARBAGE:
        send_carelessly(kernel, data)
    polls = []
    for number in range(3000):
        send_carelessly(kernel, GARBAGE[number % len(GARBAGE)] if number % 2 else b'{"signum": 0}')
        if number % 50 == 0:
            polls.append(seconds_to_poll(kernel))
    assert statistics.median(polls) < GATEWAY_PATIENCE
    assert kernel.run("cat(kept)") == "42"
    interrupt(kernel)
    assert kernel.run("cat(kept)") == "42"
    for sock in slow:
        sock.close()
    waiting = begin_endless(kernel)
    with socket.create_connection(address) as sock:
        for piece in (b'{"note": {"a": 1}', b', "signum"', b": 2}"):
            sock.sendall(piece)
            time.sleep(0.02)  # so that they travel alone
        kernel.result_of(waiting)
    assert len(kernel.output.splitlines()) < 5
    kernel.request(shutdown=1)
    assert kernel.wait() == 143
    kernel.assert_nothing_left()


OPTIONS = r"""
options <- function(..., env = character()) tryCatch(
  format(parse_options(c("--kernel-id", "k", ...), env)[c("port_range", "spark_mode")]),
  launcher_error = function(problem) paste("error", problem$code)
)
range <- function(text, ...) options("--port-range", text, env = c(...))[1]
answers <- list(
  range(""), range("0..0"), range("40000..40000"), range("40000..41000"), range("40000..40999"),
  range("40000..40010", EG_MIN_PORT_RANGE_SIZE = "10"),
  range("40000..40010", MIN_PORT_RANGE_SIZE = "11", EG_MIN_PORT_RANGE_SIZE = "1"),
  range("41000..40000"), range("1..40000"), range("40000..70000"), range("a..b"),
  options("--port-range")[2],
  options("--RemoteProcessProxy.spark-context-initialization-mode", "lazy")[2],
  options("--RemoteProcessProxy.spark-context-initialization-mode", "lazy",
          "--spark-context-initialization-mode=eager", "--customAppName", "x")[2],
  options("--spark-context-initialization-mode", "now"),
  options("--cluster-type", "spark"),
  parse_options(c("--RemoteProcessProxy.kernel-id", "old", "--kernel-id", "new"))$kernel_id,
  launch_timeout(c()), launch_timeout(c(EG_KERNEL_LAUNCH_TIMEOUT = "60")),
  launch_timeout(c(KERNEL_LAUNCH_TIMEOUT = "soon", EG_KERNEL_LAUNCH_TIMEOUT = "-1"))
)
cat(paste(unlist(answers), collapse = "\n"))
"""


def test_options_are_those_of_the_other_launchers():
    any_port, error = "NULL", "error 2"
    assert run_r(OPTIONS, "messages", "options").splitlines() == [
        *(any_port, any_port, any_port, "40000, 41000", error),
        *("40000, 40010", error, error, error, error, error),
        *("none", "lazy", "eager", error, error, "new", "30", "60", "30"),
    ]


def test_a_name_server_that_does_not_answer_holds_up_nothing():
    # R asks for the name of whoever connects; 192.0.2.1 is nobody's (RFC 5737)
    script = """
    ask_no_name_server()
    server <- serverSocket(45000L)
    client <- socketConnection("127.0.0.1", 45000L, blocking = FALSE, open = "wb")
    writeLines("192.0.2.1 never", "/dev/null")
    before <- proc.time()[["elapsed"]]
    nsl <- suppressWarnings(utils::nsl("name.invalid"))
    cat(is.null(nsl), proc.time()[["elapsed"]] - before < 1)
    """
    assert run_r(script, "messages", "processes", options=["--dns=192.0.2.1"]) == "TRUE TRUE"
