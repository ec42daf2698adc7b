"""Spark's names in the notebook, with a pyspark of our own that is slow and like Spark 4."""

from __future__ import annotations

import pytest
from fake_gateway import wait_for
from python_kernel import NAP, PythonKernel

pytestmark = pytest.mark.slow

FAKE_PYSPARK = """
import pathlib, os, sys, time, types
folder = pathlib.Path(os.environ["FAKE_SPARK"])

class SparkContext:
    _active_spark_context = None
    def cancelAllJobs(self):
        (folder / "cancelled").touch()

class SparkSession:
    def __init__(self):
        self.sparkContext = SparkContext._active_spark_context = SparkContext()
    def sql(self, query):
        return "rows of " + query
    def range(self, end):
        return list(range(end))
    def stop(self):
        (folder / "stopped").touch()

class Builder:
    def getOrCreate(self):
        (folder / "begun").touch()
        while not (folder / "may_start").exists():
            time.sleep(0.01)
        if (folder / "fails").exists():
            raise OSError("no master")
        return SparkSession()

SparkSession.builder = Builder()
sql = sys.modules["pyspark.sql"] = types.ModuleType("pyspark.sql")
sql.SparkSession = SparkSession
"""


@pytest.fixture
def launcher():
    return PythonKernel


@pytest.fixture
def spark(launch, tmp_path):
    """Start a kernel with Spark in a mode; returns it and the folder for signs of the fake."""
    folder = tmp_path / "spark"
    (folder / "pyspark").mkdir(parents=True)
    (folder / "pyspark" / "__init__.py").write_text(FAKE_PYSPARK)

    def start(mode: str, **env: str):
        env = {"PYTHONPATH": str(folder), "FAKE_SPARK": str(folder), **env}
        return launch("--spark-context-initialization-mode", mode, env=env), folder

    return start


def test_lazy_spark_starts_at_the_first_use(spark):
    kernel, folder = spark("lazy")
    assert kernel.run("print('first answer')") == "first answer\n"
    assert not (folder / "begun").exists()
    (folder / "may_start").touch()
    assert kernel.run("spark.range(3)") == "[0, 1, 2]"
    assert kernel.run(
        "sql('t'), sqlContext.sql('u'), type(sc).__name__, sc is spark.sparkContext"
    ) == ("('rows of t', 'rows of u', 'SparkContext', True)")
    kernel.ask_to_end()
    assert kernel.wait() == 0
    assert (folder / "stopped").exists()


@pytest.mark.parametrize("how", [("eager", {}), ("lazy", {"PYSPARK_GATEWAY_PORT": "1"})], ids=str)
def test_eager_spark_starts_by_itself_and_holds_up_nothing(spark, how):
    mode, env = how
    kernel, folder = spark(mode, **env)
    assert kernel.run("print('first answer')") == "first answer\n"
    wait_for((folder / "begun").exists)
    waiting = kernel.begin("print('go')\nspark.range(2)")
    kernel.wait_for_output(waiting)
    assert "KeyboardInterrupt" in kernel.result_of(waiting, interrupting=True)
    kernel.run("sc = 'mine'")
    (folder / "may_start").touch()
    assert kernel.run("spark.range(2)") == "[0, 1]"
    assert kernel.run("sc") == "'mine'"


def test_an_interrupt_cancels_the_jobs(spark):
    kernel, folder = spark("eager")
    (folder / "may_start").touch()
    waiting = kernel.begin_endless(f"spark.range(1)\n{NAP}")
    kernel.request(signum=2)
    assert "KeyboardInterrupt" in kernel.result_of(waiting)
    wait_for((folder / "cancelled").exists)


def test_a_session_that_fails_is_told_to_the_user(spark):
    kernel, folder = spark("lazy")
    (folder / "fails").touch()
    (folder / "may_start").touch()
    assert kernel.run("spark") == "RuntimeError: spark: no Spark session: no master"
    assert kernel.run("1 + 1") == "2"


def test_without_pyspark_or_dask_the_kernel_runs(launch):
    spark = launch("--spark-context-initialization-mode", "eager")
    dask = launch("--cluster-type", "dask")
    assert "no Spark session: No module named 'pyspark'" in spark.run("spark.range(1)")
    assert "pyspark is not installed; the kernel runs without it" in spark.output
    assert dask.run("1 + 1") == "2"
    assert "no Dask cluster" in dask.output
