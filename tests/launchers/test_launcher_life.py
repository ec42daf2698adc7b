"""From report to exit: each way a kernel may live and end, with the launcher as it is shipped."""

from __future__ import annotations

import signal
import socket
import time

import pytest
from fake_gateway import PATIENCE, FakeGateway, wait_for

# A stop takes less than two seconds; a busy machine is given one more to notice.
STOP_SECONDS = 3.0


def test_report_execute_and_the_gateways_usual_shutdown(launch):
    kernel = launch(env={"KERNEL_PROBE": "kept"})
    info = kernel.info

    ports = [info[f"{name}_port"] for name in ("shell", "iopub", "stdin", "control", "hb", "comm")]
    assert len(set(ports)) == 6
    assert all(type(port) is int and port > 1023 for port in ports)
    assert (info["ip"], info["transport"], info["signature_scheme"], info["kernel_name"]) == (
        "0.0.0.0",
        "tcp",
        "hmac-sha256",
        "",
    )
    assert len(info["key"]) >= 32
    [file] = kernel.connection_files
    assert file.stat().st_mode & 0o777 == 0o600

    assert kernel.run("6 * 7") == "42"
    environment = "import os; print('JPY_PARENT_PID' in os.environ, os.environ['KERNEL_PROBE'])"
    assert kernel.run(environment) == "False kept\n"
    where = "import os; print(os.getpid(), os.getpgid(0))"
    assert kernel.run(where) == f"{info['pid']} {info['pgid']}\n"
    kernel.client.hb_channel.start()
    wait_for(kernel.client.hb_channel.is_beating)
    assert kernel.comm_port_is_open()

    kernel.request(signum=2)
    kernel.shutdown_by_zmq()
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
def test_every_order_of_shutdown_ends_all_in_time(launch, order, codes):
    kernel = launch(old_spelling=True)
    assert kernel.run("print('up')") == "up\n"
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


def test_interrupt_reaches_python_and_what_it_waits_for(launch):
    kernel = launch()
    waiting = kernel.begin_endless("kept = 41")
    kernel.request(signum=2)
    assert "KeyboardInterrupt" in kernel.result_of(waiting)
    assert kernel.run("kept + 1") == "42"
    # system() ignores SIGINT while it waits: only the child can end it
    waiting = kernel.begin("import os; print(os.system('sleep 600') != 0)")
    wait_for(lambda: any(b"sleep" in cmdline(pid) for pid in kernel.processes()))
    kernel.request(signum=2)
    assert "True" in kernel.result_of(waiting)


def cmdline(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_an_interrupt_during_the_start_harms_nothing(launch):
    kernel = launch()
    for _ in range(5):
        kernel.request(signum=2)
    assert kernel.run("print('up')") == "up\n"


@pytest.mark.parametrize(
    ("last_words", "code"),
    [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)],
)
def test_the_kernels_end_is_the_launchers_with_all_it_started(launch, last_words, code):
    kernel = launch()
    kernel.run(
        "import os, signal, subprocess\n"
        "subprocess.Popen(['sleep', '600'])\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "subprocess.run('(trap \"\" TERM; sleep 600) & sleep 600 &', shell=True)\n"
    )
    assert len(kernel.processes()) >= 5
    kernel.begin(last_words)
    assert kernel.wait() == code
    assert not kernel.comm_port_is_open()
    kernel.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_launcher_stops_even_a_stubborn_kernel(launch, number):
    kernel = launch()
    kernel.run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    began = time.monotonic()
    kernel.process.send_signal(number)
    assert kernel.wait() == 137
    assert time.monotonic() - began < STOP_SECONDS
    kernel.assert_nothing_left()


def test_threads_and_forgotten_children_do_not_hold_up_a_shutdown(launch):
    kernel = launch()
    kernel.run(
        "import subprocess, threading, time\n"
        "forgotten = subprocess.Popen(['true'])\n"
        "threading.Thread(target=time.sleep, args=[600]).start()\n"
    )
    began = time.monotonic()
    kernel.shutdown_by_zmq()
    assert kernel.wait() == 143
    assert time.monotonic() - began < STOP_SECONDS
    kernel.assert_nothing_left()


def test_a_killed_launcher_takes_its_kernel_along(launch):
    kernel = launch()
    assert kernel.run("print('up')") == "up\n"
    kernel.process.kill()
    kernel.wait()
    wait_for(lambda: not kernel.processes())
    assert not kernel.comm_port_is_open()


def test_the_report_waits_for_a_gateway_that_is_late(launch, tmp_path):
    late = FakeGateway(listener := bound_but_deaf())
    kernel = launch(response_address=late.address, public_key=late.public_key)
    kernel._gateway = late
    wait_for(lambda: time.monotonic() > kernel.started + 5)
    assert kernel.process.poll() is None
    late.listen()
    assert kernel.run("print('up')") == "up\n"
    listener.close()


def bound_but_deaf() -> socket.socket:
    """A port where connections are refused, and that nobody else can take."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def test_a_report_that_nobody_takes_is_an_error_in_time(launch):
    with bound_but_deaf() as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        kernel = launch(response_address=address, env={"EG_KERNEL_LAUNCH_TIMEOUT": "1.5"})
        assert kernel.wait() == 1
    assert "nobody takes the connection info: Connection refused" in kernel.output
    kernel.assert_nothing_left()


def test_without_a_response_address_the_kernel_just_runs(launch, tmp_path):
    path = tmp_path / "given.json"
    kernel = launch(str(path), response_address=None, public_key=None, kernel_id=None)
    wait_for(path.exists)
    kernel.process.terminate()
    assert kernel.wait() == 143
    assert not path.exists()
    kernel.assert_nothing_left()


def test_all_ports_are_within_the_range(launch):
    kernel = launch(port_range="42000..43000")
    ports = [value for name, value in kernel.info.items() if name.endswith("_port")]
    assert len(ports) == 6
    assert all(42000 <= port <= 43000 for port in ports)
    assert kernel.run("print('up')") == "up\n"


def test_messages_signed_with_a_wrong_key_are_not_obeyed(launch):
    kernel = launch()
    stranger = kernel.connect("0" * 64)
    stranger.execute("stolen = True")
    stranger.shutdown()
    assert kernel.run("print('stolen' in globals())") == "False\n"
    stranger.stop_channels()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"public_key": "bm8ga2V5"}, "--public-key is not an RSA public key"),
        ({"public_key": None}, "--public-key is missing"),
        ({"kernel_id": None}, "--kernel-id is missing"),
        ({"response_address": "nowhere"}, "--response-address is 'nowhere', not host:port"),
        ({"profile": "x"}, "unrecognized arguments: --profile"),
        ({"kernel_class_name": "no.such.Kernel"}, "kernel class no.such.Kernel"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_one_line_and_exit_code_2(launch, settings, message):
    kernel = launch(**settings)
    assert kernel.process.wait(PATIENCE) == 2
    error, *rest = kernel.output.splitlines()
    if "the gateway has the connection info" in error:
        error, *rest = rest
    assert message in error
    assert all("the kernel has ended" in line or "connection info" in line for line in rest)
    kernel.assert_nothing_left()


def test_a_kernel_class_of_ones_own(launch, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ipykernel.ipkernel import IPythonKernel\n"
        "class Kernel(IPythonKernel):\n"
        "    banner = 'my own'\n"
    )
    kernel = launch(kernel_class_name="mine.Kernel", env={"PYTHONPATH": str(tmp_path)})
    kernel.client.kernel_info()
    assert kernel.client.get_shell_msg(timeout=PATIENCE)["content"]["banner"] == "my own"


def test_an_interrupt_reaches_code_that_waits_in_a_system_call_beside_many_threads(launch):
    """A signal to a process may be given to any thread; Python obeys it in the main one."""
    kernel = launch()
    kernel.run(
        "import socket, threading, time\npair = socket.socketpair()\n"
        "for _ in range(8):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    for _ in range(3):
        waiting = kernel.begin("print('go', flush=True)\npair[0].recv(1)")
        kernel.wait_for_output(waiting)
        time.sleep(0.3)
        kernel.request(signum=2)
        assert "KeyboardInterrupt" in kernel.result_of(waiting)
