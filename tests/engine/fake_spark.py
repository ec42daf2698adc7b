"""A pyspark that does as if: enough of it to try the cases of Spark without a JVM.

What it does wrong is said by FAKE_SPARK_FAULT.
"""

import base64

PYSPARK = """
import os, re, subprocess, sys, time, types

FAULT = os.environ.get("FAKE_SPARK_FAULT", "")


def jvm():
    subprocess.Popen(["/opt/java/bin/java -jar fake", "300"], executable="/bin/sleep")


class Rows(list):
    def sum(self):
        return 54 if FAULT == "cannot add" else sum(self)


class Tracker:
    def getActiveJobsIds(self):
        return SparkContext.jobs


class SparkContext:
    _active_spark_context = None
    jobs = []

    def parallelize(self, numbers):
        if FAULT == "keeps the cores" and self.jobs == [] and SparkContext.cancelled:
            time.sleep(8)
        return Rows(numbers)

    cancelled = False

    def cancelAllJobs(self):
        SparkContext.cancelled = True
        if FAULT != "goes on":
            SparkContext.jobs = []

    def statusTracker(self):
        return Tracker()


class Frame:
    def createOrReplaceTempView(self, name):
        pass

    def first(self):
        return {"total": 42}

    def collect(self):
        SparkContext.jobs = [1]
        time.sleep(3600)


class SparkSession:
    def __init__(self):
        self.sparkContext = SparkContext._active_spark_context = SparkContext()

    def createDataFrame(self, rows, names):
        return Frame()

    def sql(self, query):
        return Frame()

    def stop(self):
        if FAULT == "ends badly":
            os._exit(9)


class Builder:
    def getOrCreate(self):
        if FAULT == "one user only" and os.getuid() != 1000:
            raise OSError("no home")
        jvm()
        return SparkSession()


SparkSession.builder = Builder()
sql = sys.modules["pyspark.sql"] = types.ModuleType("pyspark.sql")
sql.SparkSession = SparkSession
"""


def command(fault: str, bootstrap: str) -> list[str]:
    """What an image of the Python kernel runs to have it, with a fault or (empty) without."""
    text = base64.b64encode(PYSPARK.encode()).decode()
    forced = {"always eager": "eager", "never eager": "lazy"}.get(fault)
    mode = f"export KERNEL_SPARK_CONTEXT_INIT_MODE={forced}; " if forced else ""
    script = [
        "mkdir -p /tmp/fake/pyspark",
        f"echo {text} | base64 -d >/tmp/fake/pyspark/__init__.py",
        f"export PYTHONPATH=/tmp/fake FAKE_SPARK_FAULT='{fault}'",
        f"{mode}exec {bootstrap}",
    ]
    return ["sh", "-c", "; ".join(script)]
