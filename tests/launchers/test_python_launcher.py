"""What is the Python launcher's alone; `test_launcher_contract.py` has what each one does."""

from __future__ import annotations

import signal
import time

import pytest
from fake_gateway import PATIENCE, wait_for
from python_kernel import PythonKernel

from tests.support.pace import promptly

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


SLEEPS = "import asyncio\nprint('go', flush=True)\nawait asyncio.sleep(60)"
GATHERS = """
import asyncio
async def forever():
    await asyncio.Event().wait()
print("go", flush=True)
await asyncio.gather(forever(), forever())
"""
COMPUTES = """
import asyncio
await asyncio.sleep(0)
print("go", flush=True)
while True: pass
"""


@pytest.mark.parametrize(
    ("code", "error"),
    [(SLEEPS, "CancelledError"), (GATHERS, "CancelledError"), (COMPUTES, "KeyboardInterrupt")],
    ids=["sleeps", "gathers", "computes"],
)
def test_an_interrupt_ends_a_cell_that_awaits_something(launch, code, error):
    kernel = launch()
    kernel.remember()
    for _ in range(2):
        cell = kernel.begin_endless(code)
        kernel.assert_running(cell)
        kernel.request(signum=2)
        with promptly(2):
            assert error in kernel.result_of(cell)
        assert kernel.remembers()  # so the next cell runs


def test_a_task_of_an_earlier_cell_outlives_an_interrupt(launch):
    kernel = launch()
    kernel.run(
        "import asyncio\nticks = []\nasync def tick():\n"
        "    while True:\n        ticks.append(1)\n        await asyncio.sleep(0.01)\n"
        "task = asyncio.ensure_future(tick())"
    )
    cell = kernel.begin_endless(SLEEPS)
    kernel.assert_running(cell)
    kernel.request(signum=2)
    assert "CancelledError" in kernel.result_of(cell)
    assert kernel.run("print(task.done(), len(ticks) > 1, end='')") == "False True"


def test_interrupts_as_a_cell_that_awaits_begins_and_ends_harm_nothing(launch):
    kernel = launch()
    kernel.remember()
    for number in range(20):
        cell = kernel.begin("import asyncio\nfor _ in range(30): await asyncio.sleep(0)")
        time.sleep(0.002 * number)
        kernel.request(signum=2)
        kernel.result_of(cell)
    wait_for(kernel.remembers)
