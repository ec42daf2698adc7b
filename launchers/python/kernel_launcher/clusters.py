"""What the notebook finds predefined for its cluster: Spark's names, or Dask's.

Trouble with a cluster never keeps the kernel from running, and never holds up its first answer.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
import threading
from typing import Any

from kernel_launcher.messages import log

STOP_SECONDS = 0.8  # of the 1.3 that the supervisor gives the kernel to end by itself


def cluster_names(cluster: str, spark_mode: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Names for the notebook.

    Args:
        cluster: spark, dask or none.
        spark_mode: lazy (a session at the first use) or eager (at once).
        namespace: the notebook's, where stand-ins are replaced by the real objects later.
    """
    if cluster == "spark":
        signal.signal(signal.SIGUSR2, lambda *_: cancel_spark_jobs())
        # A spark-submit that started us is waiting for a context, and fails after a while.
        at_once = spark_mode == "eager" or "PYSPARK_GATEWAY_PORT" in os.environ
        return Spark(namespace).stand_ins(at_once=at_once)
    if cluster == "dask":
        try:
            return {"cluster": importlib.import_module("dask_yarn").YarnCluster.from_current()}
        except Exception as error:  # noqa: BLE001 - whatever dask_yarn raises
            log(f"no Dask cluster, 'cluster' is not defined: {type(error).__name__}: {error}")
    return {}


class Spark:
    """One Spark session, created in a thread; until then, stand-ins take the place of its parts."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._begun = False
        self._over = threading.Event()  # an interrupted Thread.join() would take it for ended
        self._stand_ins: dict[str, Any] = {}
        self._parts: dict[str, Any] = {}
        self._problem: Exception | None = None

    def stand_ins(self, *, at_once: bool) -> dict[str, Any]:
        """Stand-ins for `spark`, `sc`, `sql`, `sqlContext` and `sqlCtx`.

        Args:
            at_once: begin to create the session now, not at the first use.
        """

        def sql(*args: Any, **kwargs: Any) -> Any:
            return self.part("sql")(*args, **kwargs)

        self._stand_ins["sql"] = sql
        for name in ("spark", "sc", "sqlContext", "sqlCtx"):
            self._stand_ins[name] = StandIn(self, name)
        if importlib.util.find_spec("pyspark") is None:
            log("Spark is asked for, but pyspark is not installed; the kernel runs without it")
        elif at_once:
            self._start()
        return dict(self._stand_ins)

    def part(self, name: str) -> Any:
        """Wait for the session (an interrupt ends the waiting) and return the part of that name.

        Raises:
            RuntimeError: when there is no session to be had.
        """
        self._start()
        self._over.wait()
        if self._problem is not None:
            raise RuntimeError(f"{name}: no Spark session: {self._problem}") from self._problem
        return self._parts[name]

    def _start(self) -> None:
        with self._lock:
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._create, name="spark", daemon=True).start()

    def _create(self) -> None:
        try:
            self._parts = create_session()
        except Exception as error:  # noqa: BLE001 - told to whoever uses a name
            log(f"no Spark session: {type(error).__name__}")
            self._problem = error
        finally:
            self._over.set()
        for name, part in self._parts.items():
            if self._namespace.get(name) is self._stand_ins[name]:  # else it is the user's by now
                self._namespace[name] = part


def create_session() -> dict[str, Any]:
    """Create the Spark session as spark-submit or the defaults have it; returns its parts."""
    import atexit
    import warnings

    sql = importlib.import_module("pyspark.sql")
    session = sql.SparkSession.builder.getOrCreate()
    context = session.sparkContext

    def stop() -> None:
        with contextlib.suppress(Exception):  # its JVM may be gone already
            session.stop()

    def stop_in_time() -> None:
        # What takes longer is left to the JVM: it stops the session when it is asked to end.
        stopping = threading.Thread(target=stop, name="stop-spark", daemon=True)
        stopping.start()
        stopping.join(STOP_SECONDS)

    atexit.register(stop_in_time)
    sql_context = session  # has the methods of an SQLContext, which is deprecated and may go
    if hasattr(sql, "SQLContext"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sql_context = sql.SQLContext(context, session)
    return {
        "spark": session,
        "sc": context,
        "sql": session.sql,
        "sqlContext": sql_context,
        "sqlCtx": sql_context,
    }


class StandIn:
    """Stands for a part of the Spark session, and asks for it when used."""

    def __init__(self, spark: Spark, name: str) -> None:
        self._stand_in_for = (spark, name)

    def __getattr__(self, attribute: str) -> Any:
        # Completion and display only try whether these are there: that is no use of Spark.
        if attribute.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(attribute)
        spark, name = self._stand_in_for
        return getattr(spark.part(name), attribute)

    def __repr__(self) -> str:
        spark, name = self._stand_in_for
        return repr(spark.part(name))


def cancel_spark_jobs() -> None:
    """Cancel what Spark runs; in a thread, so that a JVM that hangs holds up no interrupt."""

    def cancel() -> None:
        try:
            context = sys.modules["pyspark"].SparkContext._active_spark_context  # noqa: SLF001
            if context is not None:
                context.cancelAllJobs()
        except Exception as error:  # noqa: BLE001 - the interrupt has been delivered all the same
            log(f"cannot cancel Spark's jobs: {type(error).__name__}")

    if "pyspark" in sys.modules:
        threading.Thread(target=cancel, name="cancel-spark-jobs", daemon=True).start()
