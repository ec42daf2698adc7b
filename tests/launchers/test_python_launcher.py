"""What is the Python launcher's alone; `test_launcher_contract.py` has what each one does."""

from __future__ import annotations

import signal
import time

import pytest
from fake_gateway import PATIENCE
from python_kernel import PythonKernel

pytestmark = pytest.mark.slow


@pytest.fixture
def launcher():
    return PythonKernel


def test_the_kernel_leads_the_process_group_of_the_report(launch):
    kernel = launch()
    where = "import os; print(os.getpid(), os.getpgid(0))"
    assert kernel.run(where) == f"{kernel.info['pid']} {kernel.info['pgid']}\n"


def test_no_variable_of_the_gateways_process_is_in_the_environment(launch):
    kernel = launch()
    assert kernel.run("import os; print('JPY_PARENT_PID' in os.environ)") == "False\n"


def test_the_result_of_a_cell_is_shown(launch):
    assert launch().run("6 * 7") == "42"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_launcher_stops_even_a_stubborn_kernel(launch, number):
    kernel = launch()
    kernel.run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with kernel.ends_in_time(137):
        kernel.signal(number)
    kernel.assert_nothing_left()


def test_a_kernel_class_that_is_not_there(launch):
    kernel = launch(kernel_class_name="no.such.Kernel")
    assert kernel.wait() == 2
    error, *rest = kernel.output.splitlines()
    if "the gateway has the connection info" in error:
        error, *rest = rest
    assert "kernel class no.such.Kernel" in error
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
        cell = kernel.begin_endless("print('go', flush=True)\npair[0].recv(1)")
        time.sleep(0.3)
        kernel.request(signum=2)
        kernel.assert_interrupted(cell)
