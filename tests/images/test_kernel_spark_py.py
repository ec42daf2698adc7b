"""The Python kernel with Spark: Spark works in the kernel, for any user, and ends with it."""

from __future__ import annotations

import time

import pytest
from own_kernel import lab_of, own_kernel

from verify.kernel import END_SECONDS, Wish

pytestmark = [pytest.mark.slow, pytest.mark.engine]
NAME = "kernel-spark-py"
USERS = ("1000:100", "2000:100", "12345:0")
SUM = "print(sc.parallelize(range(10)).sum())"
TABLE = """
spark.range(5).write.saveAsTable('t')
print(sql('select sum(id) as total from t').first().total)
"""
FIRST_SUM = 90  # seconds; 6 on a machine that does nothing else
INTERRUPTED = 20  # seconds; below 1 there

# Two tasks that sleep for minutes in workers of their own, below the JVM.
ENDLESS = """
import time
def nap(_):
    time.sleep(600)
print('go', flush=True)
sc.parallelize(range(2), 2).foreach(nap)
"""
WORKING = """
import time
tracker = sc.statusTracker()
for _ in range(200):
    active = len(tracker.getActiveStageIds())
    if not active:
        break
    time.sleep(0.05)
print(active)
"""
PROCESSES = """
import glob
print('java' in [open(path).read().strip() for path in glob.glob('/proc/[0-9]*/comm')])
"""


@pytest.fixture(scope="module")
def lab(image):
    """Starts kernels of the image as the gateway does."""
    with lab_of(image(NAME), "python") as lab:
        yield lab


def wish(mode: str, user: str) -> Wish:
    return Wish(env={"KERNEL_SPARK_CONTEXT_INIT_MODE": mode}, user=user)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_spark_sums_is_interrupted_and_ends_with_the_kernel(lab, mode, user):
    with own_kernel(lab, wish(mode, user)) as kernel:
        assert kernel.talk.run(SUM, seconds=FIRST_SUM).text == "45\n"
        assert kernel.talk.run(TABLE).text == "10\n"

        busy = kernel.talk.begin(ENDLESS)
        kernel.talk.wait_for_text(busy)
        time.sleep(2)  # for the tasks to have begun
        kernel.request(signum=2)
        outcome = kernel.talk.finish(busy, seconds=INTERRUPTED)
        # Where the cancelled job's answer is faster than the interrupt, the cell ends by that.
        assert outcome.error in ("KeyboardInterrupt", "Py4JJavaError")
        assert kernel.talk.run(WORKING).text == "0\n"
        assert kernel.talk.run(SUM).text == "45\n"

        since = kernel.pace.mark()
        kernel.talk.shutdown()
        kernel.request(shutdown=1)
        # Spark ends its session in good order where the launcher's patience lasts, else by SIGTERM.
        assert kernel.wait_end("shutdown", since, seconds=END_SECONDS).code in (0, 143)
        kernel.check_log()


def test_spark_that_works_holds_up_no_end(lab):
    with own_kernel(lab, wish("eager", USERS[0])) as kernel:
        busy = kernel.talk.begin(ENDLESS)
        kernel.talk.wait_for_text(busy, seconds=FIRST_SUM)
        time.sleep(5)
        since = kernel.pace.mark()
        kernel.request(shutdown=1)
        kernel.wait_end("shutdown", since, seconds=END_SECONDS)


def test_there_is_no_jdk(run):
    assert run(NAME, "bash", "-c", "command -v javac jshell gcc || true") == ""


def test_without_a_context_no_java_is_started(lab):
    with own_kernel(lab, wish("none", USERS[0])) as kernel:
        names = "print([name for name in ('sc', 'spark', 'sql') if name in globals()])"
        assert kernel.talk.run(names).text == "[]\n"
        assert kernel.talk.run(PROCESSES).text == "False\n"
