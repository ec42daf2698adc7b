"""What is the Scala launcher's alone, with a stub for Toree: no Spark, no Scala.

`test_launcher_contract.py` has what each launcher does.
"""

from __future__ import annotations

import signal
import time

import pytest
from fake_gateway import wait_for
from scala_kernel import ScalaKernel

pytestmark = [pytest.mark.slow, pytest.mark.engine]


@pytest.fixture
def launcher(jdk):
    ScalaKernel.jdk = jdk
    return ScalaKernel


def test_what_toree_is_told_and_its_orderly_end(launch):
    kernel = launch("--nonsense", "--magic-url", "x y", spark_context_initialization_mode="none")
    kernel.wait_until_up()
    kernel.wait_for_line("stub arguments: --nosparkcontext --nonsense --magic-url x y")
    kernel.ask_to_end()
    assert kernel.wait() == 0
    kernel.assert_nothing_left()


def test_lazy_is_the_default(launch):
    kernel = launch()
    kernel.wait_for_line("stub arguments: --spark-context-initialization-mode lazy")


@pytest.mark.parametrize(
    ("master", "told", "eager"), [("local[2]", "lazy", "true"), ("yarn", "eager", "null")]
)
def test_eager_is_the_interpreters_affair_where_no_cluster_waits(launch, master, told, eager):
    kernel = launch(
        spark_context_initialization_mode="eager",
        env={"JAVA_TOOL_OPTIONS": f"-Dspark.master={master}"},
    )
    kernel.wait_for_line(f"stub arguments: --spark-context-initialization-mode {told}")
    kernel.wait_for_line(f"stub eager: {eager}")


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
@pytest.mark.parametrize("what", ["sleep", "spin"])
def test_the_alternate_signal_interrupts_as_sigint_does(launch, what, signum):
    kernel = launch("--alternate-sigint", "USR2")
    cell = kernel.begin_cell(what)
    kernel.request(signum=signum)
    kernel.assert_interrupted(cell)
    assert kernel.comm_port_is_open()


def test_the_number_of_an_interrupt_may_come_from_the_environment(launch):
    kernel = launch(env={"EG_ALTERNATE_SIGINT": "10"})
    cell = kernel.begin_cell("sleep")
    kernel.request(signum=12)  # nobody's
    kernel.request(signum=10)
    kernel.assert_interrupted(cell)


def test_an_interrupt_before_the_interpreter_is_ready_is_for_the_cells_that_wait(launch):
    kernel = launch()
    kernel.answer("ready false")
    cell = kernel.begin_cell("sleep")  # what the interpreter itself runs looks like one
    kernel.request(signum=2)
    kernel.wait_for_line("interrupted: cells that wait")
    kernel.assert_running(cell)
    kernel.answer("ready true")
    kernel.request(signum=2)
    kernel.assert_interrupted(cell)


def test_an_interrupt_hits_only_what_runs_a_cell(launch):
    kernel = launch()
    kernel.begin_cell("outside")
    kernel.request(signum=2)
    kernel.wait_for_line("ended: outside")


def test_signals_of_the_system_interrupt_and_end_it(launch):
    kernel = launch("--alternate-sigint", "USR2")
    kernel.wait_until_up()
    time.sleep(0.5)  # handlers are set when Toree is ready
    for number in (signal.SIGINT, signal.SIGUSR2):
        cell = kernel.begin_cell("sleep")
        kernel.signal(number)
        kernel.assert_interrupted(cell)
    with kernel.ends_in_time(128 + signal.SIGTERM):
        kernel.signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
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
