"""What each launcher does, from report to exit, each way a kernel may live and end.

The launchers are those of the working tree, as they are shipped: Python's with this interpreter,
R's and Scala's in the images that have what they need.
"""

from __future__ import annotations

import errno
import json
import re
import signal
import socket
import time

import pytest
from fake_gateway import FakeGateway, bound_but_deaf, wait_for
from launched import Capability, needs

pytestmark = pytest.mark.slow

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
MESSAGES = needs(Capability.MESSAGES)


# the report, and what the kernel is given


def test_the_report_says_where_the_kernel_is(launch, launcher):
    kernel = launch()
    info = kernel.info
    ports = [info[name] for name in (*PORTS, "comm_port")]
    assert len(set(ports)) == 6
    assert all(type(port) is int and port > 1023 for port in ports)
    known = (info["ip"], info["transport"], info["signature_scheme"], info["kernel_name"])
    assert known == ("0.0.0.0", "tcp", "hmac-sha256", launcher.kernel_name)
    assert re.fullmatch("[0-9a-f]{64}", info["key"])
    assert info["kernel_id"] == kernel.id
    assert type(info["pid"]) is type(info["pgid"]) is int
    kernel.wait_until_up()
    assert kernel.own_pid() == info["pid"]
    assert kernel.comm_port_is_open()


def test_the_key_is_on_disk_for_the_owner_alone_and_no_longer_than_the_kernel_needs_it(
    launch, launcher
):
    kernel = launch(env=launcher.slow)
    [file] = wait_for(lambda: kernel.connection_files)
    assert file.stat().st_mode & 0o777 == 0o600
    kernel.wait_until_up()
    assert kernel.connection_files == ([file] if launcher.keeps_connection_file else [])


def test_ports_are_nobody_elses_before_the_kernel_listens(launch, launcher):
    kernel = launch(port_range="42000..43000", env=launcher.slow)
    [file] = wait_for(lambda: [path for path in kernel.connection_files if path.stat().st_size])
    promised = json.loads(file.read_text())
    for name in PORTS:
        with socket.socket() as thief, pytest.raises(OSError) as caught:
            thief.bind(("0.0.0.0", promised[name]))
        assert caught.value.errno == errno.EADDRINUSE
    assert {name: kernel.info[name] for name in PORTS} == {name: promised[name] for name in PORTS}
    assert all(42000 <= kernel.info[name] <= 43000 for name in (*PORTS, "comm_port"))
    kernel.wait_until_up()


def test_the_kernel_gets_the_environment(launch):
    kernel = launch(env={"KERNEL_PROBE": "kept"})
    kernel.wait_until_up()
    assert kernel.variable("KERNEL_PROBE") == "kept"


@needs(Capability.HIDES_PARENT)
def test_the_kernel_does_not_see_a_process_of_the_gateway(launch):
    assert launch().variable("JPY_PARENT_PID") == ""


def test_the_old_spelling_is_understood_and_the_plain_one_wins(launch):
    options = ("--RemoteProcessProxy.port-range", "1..2", "--port-range", "0..0")
    kernel = launch(*options, old_spelling=True)
    assert kernel.info["kernel_id"] == kernel.id


def test_the_report_waits_for_a_gateway_that_is_late(launch):
    late = FakeGateway(listener := bound_but_deaf())
    kernel = launch(response_address=late.address, public_key=late.public_key)
    kernel.gateway = late
    wait_for(lambda: time.monotonic() > kernel.started + 5)
    assert kernel.process.poll() is None
    late.listen()
    kernel.wait_until_up()
    listener.close()


def test_a_report_that_is_reset_is_sent_again(launch):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        rude.settimeout(30)
        gateway = FakeGateway(rude)
        kernel = launch(response_address=gateway.address, public_key=gateway.public_key)
        kernel.gateway = gateway
        for _ in range(2):
            connection, _ = rude.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        rude.settimeout(None)
        gateway.listen()
        kernel.wait_until_up()


@pytest.mark.parametrize("variable", ["KERNEL_LAUNCH_TIMEOUT", "EG_KERNEL_LAUNCH_TIMEOUT"])
def test_a_report_that_nobody_takes_is_an_error_in_time(launch, launcher, variable):
    with bound_but_deaf() as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        kernel = launch(response_address=address, env={variable: "1.5"})
        assert kernel.wait() == 1
    assert f"nobody takes the connection info: {launcher.refused}" in kernel.output
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, marks=needs(Capability.TIDIES_UP)),
        pytest.param(signal.SIGINT, marks=needs(Capability.ENDS_BY_SIGINT)),
    ],
    ids=lambda number: number.name,
)
@pytest.mark.parametrize(
    "settings",
    [{}, pytest.param({"kernel_id": None}, marks=needs(Capability.ID_FROM_FILE))],
    ids=["named", "nameless"],
)
def test_without_a_response_address_the_kernel_just_runs(launch, launcher, settings, number):
    nobody = {"response_address": None, "public_key": None}
    kernel = launch(given_file=True, env=launcher.slow, **nobody, **settings)
    path = kernel.given
    wait_for(lambda: path.exists() and path.read_text().rstrip().endswith("}"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["transport"] == "tcp"
    time.sleep(0.3)  # Python's launcher hears no SIGINT just while it starts the kernel's process
    kernel.signal(number)
    assert kernel.wait() in launcher.early_codes
    assert not path.exists()
    kernel.assert_nothing_left()


@MESSAGES
def test_messages_that_are_not_ours_are_not_obeyed(launch):
    kernel = launch()
    kernel.wait_until_up()
    for key in ("0" * 64, ""):
        stranger = kernel.connect(key)
        stranger.execute(kernel.words.remember)
        stranger.shutdown()
        assert not kernel.remembers()
        stranger.stop_channels()


# cells


@MESSAGES
def test_nothing_of_a_cell_runs_after_its_first_error(launch):
    kernel = launch()
    said = kernel.run(kernel.words.fails)
    assert said.startswith("before")
    assert "after" not in said
    kernel.wait_until_up()


@MESSAGES
def test_lines_of_a_cell_may_end_as_on_windows(launch):
    kernel = launch()
    assert kernel.run(kernel.words.windows) == "42"


@MESSAGES
@pytest.mark.parametrize("code", ["", " \n\t", "# nothing"])
def test_a_cell_with_nothing_to_run_ends_well(launch, code):
    kernel = launch()
    assert kernel.run(code) == ""
    kernel.wait_until_up()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"public_key": "bm8ga2V5"}, "--public-key is not an RSA public key"),
        ({"public_key": None}, "--public-key is missing"),
        ({"kernel_id": None}, "--kernel-id is missing"),
        ({"response_address": "nowhere"}, "--response-address is 'nowhere', not host:port"),
        ({"port_range": "40000..40999"}, "--port-range 40000..40999 is too small: at least 1000"),
        ({"port_range": "80..9000"}, "range within 1024..65535"),
        ({"spark_context_initialization_mode": "soon"}, "not one of "),
        pytest.param(
            {"profile": "x"},
            "unrecognized arguments: --profile",
            marks=needs(Capability.REFUSES_UNKNOWN),
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_one_line_and_exit_code_2(launch, launcher, settings, message):
    kernel = launch(**settings)
    assert kernel.wait() == 2
    [error] = kernel.output.splitlines()
    assert error.startswith(f"{launcher.log_name}error: ")
    assert message in error
    kernel.assert_nothing_left()


# interrupts


@pytest.mark.parametrize("what", ["sleep", "spin"])
def test_an_interrupt_ends_the_cell_and_not_the_kernel(launch, what):
    kernel = launch()
    kernel.remember()
    cell = kernel.begin_cell(what)
    assert kernel.comm_port_is_open()  # however busy the kernel is; and that interrupts nothing
    kernel.assert_running(cell)
    kernel.request(signum=2)
    kernel.assert_interrupted(cell)
    assert kernel.remembers()
    assert kernel.comm_port_is_open()


@needs(Capability.PROGRAMS)
def test_an_interrupt_reaches_the_program_that_a_cell_waits_for(launch):
    kernel = launch()
    kernel.remember()
    # system() ignores SIGINT while it waits: only the child can end it
    cell = kernel.begin_program()
    kernel.request(signum=2)
    kernel.assert_program_interrupted(cell)
    assert kernel.remembers()


def test_interrupts_while_it_loads_harm_nothing(launch):
    kernel = launch()
    for _ in range(5):
        kernel.request(signum=2)
    kernel.wait_until_up()


@needs(Capability.MESSAGES, Capability.ANY_TIME)
def test_interrupts_at_any_time_harm_nothing(launch):
    kernel = launch()
    kernel.remember()
    for number in range(30):  # idle, or on its way to be, or printing
        message_id = kernel.begin(kernel.words.short)
        time.sleep(0.003 * (number % 10))
        kernel.request(signum=2)
        kernel.result_of(message_id)
    wait_for(kernel.remembers)


# ends


@MESSAGES
def test_the_gateways_usual_shutdown(launch):
    kernel = launch()
    kernel.client.hb_channel.start()
    wait_for(kernel.client.hb_channel.is_beating)
    kernel.request(signum=2)
    kernel.ask_to_end()
    kernel.shut_down_last()
    with kernel.ends_in_time(0):
        pass
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


SHUTDOWN = {"shutdown": 1}


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        pytest.param(["zmq"], {0}, marks=MESSAGES),
        ([SHUTDOWN], None),  # nobody told the kernel
        pytest.param([SHUTDOWN, "zmq"], {0}, marks=MESSAGES),
        ([{"signum": 15}], {143}),
        ([{"signum": 9}], {137}),
        ([{"signum": 2}, SHUTDOWN], None),
        pytest.param([{"signum": 2}, "zmq", {"signum": 15}, SHUTDOWN], {0, 143}, marks=MESSAGES),
    ],
    ids=str,
)
def test_every_order_of_shutdown_ends_all_in_time(launch, launcher, order, codes):
    kernel = launch(old_spelling=True)
    kernel.wait_until_up()
    with kernel.ends_in_time(*(codes or {launcher.shutdown_code})):
        for step in order:
            try:
                kernel.ask_to_end() if step == "zmq" else kernel.request(**step)
            except ConnectionRefusedError:
                assert step != order[0]  # a later request may find the kernel gone
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    ("requests", "code"),
    [([{"signum": 15}], 143), ([{"signum": 9}], 137), ([{"signum": 2}, SHUTDOWN], None)],
    ids=str,
)
@pytest.mark.parametrize("state", ["spinning", "held up", "with children"])
def test_the_end_comes_in_time_whatever_runs(launch, launcher, requests, code, state):
    kernel = launch()
    if state == "spinning":
        kernel.begin_cell("spin")
    elif state == "held up":
        kernel.hold_up_its_end()
    else:
        kernel.start_children()
    with kernel.ends_in_time(launcher.shutdown_code if code is None else code):
        for request in requests:
            kernel.request(**request)
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


def test_what_holds_up_the_kernels_end_does_not_hold_up_a_shutdown(launch, launcher):
    kernel = launch()
    kernel.hold_up_its_end()
    with kernel.ends_in_time(launcher.held_up_code):
        kernel.ask_to_end()
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(7, marks=needs(Capability.EXITS)),
        pytest.param(137, marks=needs(Capability.OWN_PROCESS)),
    ],
)
def test_the_kernels_end_is_the_launchers_with_all_it_started(launch, code):
    kernel = launch()
    kernel.start_children()
    kernel.exit(code) if code < 128 else kernel.die()
    assert kernel.wait() == code
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=needs(Capability.ENDS_BY_SIGINT))],
    ids=lambda number: number.name,
)
def test_stopping_the_launcher_stops_a_busy_kernel(launch, number):
    kernel = launch()
    kernel.begin_cell("sleep")
    with kernel.ends_in_time(128 + signal.SIGTERM):
        kernel.signal(number)
    assert kernel.processes() == []


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, marks=needs(Capability.TIDIES_UP)),
        pytest.param(signal.SIGINT, marks=needs(Capability.ENDS_BY_SIGINT)),
    ],
    ids=lambda number: number.name,
)
def test_a_signal_to_the_launcher_leaves_nothing(launch, number):
    kernel = launch()
    kernel.wait_until_up()
    kernel.signal(number)
    kernel.wait()
    kernel.assert_nothing_left()


def test_a_killed_launcher_takes_its_kernel_along(launch):
    kernel = launch()
    kernel.wait_until_up()
    kernel.kill()
    wait_for(lambda: not kernel.processes())
    assert not kernel.comm_port_is_open()
