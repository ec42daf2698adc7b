"""What is said to a kernel, by language. A new language is a new row; nothing else changes.

An empty snippet says that the language has no such thing; its cases are then not run, and
docs/verify.md says why.
"""

from __future__ import annotations

from typing import NamedTuple

WHERE = "HOSTNAME"
"""The variable that tells containers apart; a caller may put another in its place."""
SPARK_QUERY = "select sum(id % 7) from range(0, 1000000000000000, 1, 8)"
"""A job of hours in Spark's own code, so that it is the same in each language."""
_RAN_ON = f"reflect('java.lang.System', 'getenv', '{WHERE}')"
_HOSTS = f"select {_RAN_ON} as host from range(0, 64, 1, 8)"  # noqa: S608
SPARK_HOSTS = f"select concat_ws(',', collect_set(host)) from ({_HOSTS})"  # noqa: S608
"""Where eight tasks ran: hosts, containers or pods, as each of them says itself."""


class Language(NamedTuple):
    """Snippets of one language.

    Attributes:
        hello: Prints 42.
        set_state: Sets a variable.
        get_state: Prints 42 from that variable; an error where it is not set.
        change_state: Sets the variable to something else (sent with a wrong key).
        endless: Prints `go`, then runs for a minute; can be interrupted at any time.
        process: Prints /proc/self/status, in which Linux tells the process's user and groups.
        comment: A comment and nothing else.
        windows: Prints 42; its line ends are those of Windows.
        fails: One line that prints 42, then fails, and would print more.
        waits: As `endless`, where code can wait in the kernel's own loop of events; else empty.
        interrupted: Name of the error that an interrupt makes; empty where there is none.
        rich: Shows HTML; where a plot is possible, shows one too and prints `png`.
        ask: Asks for a line and prints it after `got `.
        unfit: Prints why its packages fail under the gateway, or nothing.
        spark_absent: Uses `sc` where there should be none; empty where the language always has it.
        spark_sum: Prints 55, the sum of 1 to 10, computed through `sc`.
        spark_sql: Prints 42, computed through `spark`.
        spark_job: Prints `go`, then runs a Spark job that takes hours.
        spark_jobs: Prints how many Spark jobs are active.
        spark_where: Prints, with blanks between: Spark's master, the deploy mode, where the driver
            runs, and where tasks did (with commas between): the values of `WHERE`, or -.
        spark_write: Writes to the file FILE, and by Spark to the folder FOLDER.
        spark_runs: Prints `true` where a Spark context lives, else `false`, and makes none; empty
            where the container then has a JVM, and else has not.
    """

    hello: str
    set_state: str
    get_state: str
    change_state: str
    endless: str
    process: str
    comment: str
    windows: str
    fails: str
    waits: str = ""
    interrupted: str = ""
    rich: str = ""
    ask: str = ""
    unfit: str = ""
    spark_absent: str = ""
    spark_sum: str = ""
    spark_sql: str = ""
    spark_job: str = ""
    spark_jobs: str = ""
    spark_where: str = ""
    spark_write: str = ""
    spark_runs: str = ""


LANGUAGES = {
    "python": Language(
        hello="print(6 * 7)",
        set_state="verify_state = 41",
        get_state="print(verify_state + 1)",
        change_state="verify_state = 665",
        # Naps: a signal that comes just before a sleep is seen only after it.
        endless="import time\nprint('go', flush=True)\nfor _ in range(3000): time.sleep(0.02)",
        process="print(open('/proc/self/status').read())",
        comment="# nothing",
        windows="number = 6\r\nprint(number * 7)",
        fails="print(42); 1 / 0; print('goes on')",
        waits="import asyncio\nprint('go', flush=True)\nawait asyncio.sleep(60)",
        interrupted="KeyboardInterrupt",
        rich="""
from IPython.display import HTML, display
display(HTML("<b>rich</b>"))
try:
    import matplotlib
except ImportError:
    pass
else:
    get_ipython().run_line_magic("matplotlib", "inline")
    import matplotlib.pyplot
    matplotlib.pyplot.plot([1, 3, 2])
    matplotlib.pyplot.show()
    print("png")
""",
        ask="print('got ' + input('name? '))",
        # Gateways up to 3.3 sign with jupyter_client 6 (enterprise_gateway PR 1443).
        unfit="""
import ipykernel
if ipykernel.version_info[0] > 6:
    print(f"ipykernel {ipykernel.__version__} drops what gateways up to 3.3 send; use ipykernel<7")
""",
        spark_absent="print(sc)",
        spark_sum="print(sc.parallelize(range(1, 11)).sum())",
        spark_sql="""
spark.createDataFrame([(6, "a"), (36, "b")], ["n", "name"]).createOrReplaceTempView("verify")
print(spark.sql("select sum(n) as total from verify").first()["total"])
""",
        spark_job=f"print('go', flush=True)\nspark.sql('{SPARK_QUERY}').collect()",
        spark_jobs="print(len(sc.statusTracker().getActiveJobsIds()))",
        spark_where=f"""
import os
mode = sc.getConf().get("spark.submit.deployMode", "client")
print(sc.master, mode, os.environ.get("{WHERE}", "-"), spark.sql("{SPARK_HOSTS}").first()[0])
""",
        spark_write="""
open("FILE", "w").write("of the driver")
spark.range(8).write.csv("FOLDER")
""",
    ),
    "r": Language(
        hello="cat(6 * 7)",
        set_state="verify_state <- 41",
        get_state="cat(verify_state + 1)",
        change_state="verify_state <- 665",
        endless="cat('go\\n'); flush(stdout())\nfor (i in 1:3000) Sys.sleep(0.02)",
        process="cat(readLines('/proc/self/status'), sep = '\\n')",
        comment="# nothing",
        windows="number <- 6\r\ncat(number * 7)",
        fails="cat(42); stop('no'); cat('goes on')",
        rich="""
IRdisplay::display_html("<b>rich</b>")
plot(c(1, 3, 2))
cat("png")
""",
        ask="cat('got', readline('name? '))",
        spark_absent="print(sc)",
        # The session is pyspark's, through reticulate: `sc` and `spark` are Python objects.
        spark_sum="cat(sc$parallelize(1:10)$sum())",
        spark_sql="""
frame <- spark$createDataFrame(list(list(6L, "a"), list(36L, "b")), list("n", "name"))
frame$createOrReplaceTempView("verify")
cat(spark$sql("select sum(n) as total from verify")$first()[[0]])
""",
        spark_job=f"cat('go\\n'); flush(stdout())\nspark$sql('{SPARK_QUERY}')$collect()",
        spark_jobs="cat(length(sc$statusTracker()$getActiveJobsIds()))",
        spark_where=f"""
mode <- sc$getConf()$get("spark.submit.deployMode", "client")
cat(sc$master, mode, Sys.getenv("{WHERE}", "-"), spark$sql("{SPARK_HOSTS}")$first()[[0]])
""",
        spark_write="""
writeLines("of the driver", "FILE")
invisible(spark$range(8L)$write$csv("FOLDER"))
""",
    ),
    "scala": Language(
        hello="print(6 * 7)",
        set_state="var verifyState = 41",
        get_state="print(verifyState + 1)",
        change_state="verifyState = 665",
        endless='println("go")\nfor (_ <- 1 to 3000) Thread.sleep(20)',
        process='print(scala.io.Source.fromFile("/proc/self/status").mkString)',
        comment="// nothing",
        windows="val number = 6\r\nprint(number * 7)",
        fails='print(42); sys.error("no"); print("goes on")',
        rich='kernel.display.html("<b>rich</b>")',
        # Toree hands on what was typed without the end of the line: a reader of lines would wait.
        ask='print("got " + Seq.fill(6)(kernel.in.read.toChar).mkString)',
        # Toree's `sc` is a method that makes a context when called, also with --nosparkcontext.
        spark_sum="print(sc.parallelize(1 to 10).sum.toInt)",
        spark_sql="""
spark.createDataFrame(Seq((6, "a"), (36, "b"))).toDF("n", "name").createOrReplaceTempView("verify")
print(spark.sql("select sum(n) as total from verify").first.getLong(0))
""",
        spark_job=f'println("go")\nspark.sql("{SPARK_QUERY}").collect()',
        spark_jobs="print(sc.statusTracker.getActiveJobIds.length)",
        spark_where=f"""
val tasksRanOn = spark.sql("{SPARK_HOSTS}").first.getString(0)
val deployMode = sc.getConf.get("spark.submit.deployMode", "client")
print(Seq(sc.master, deployMode, sys.env.getOrElse("{WHERE}", "-"), tasksRanOn).mkString(" "))
""",
        spark_write="""
java.nio.file.Files.writeString(java.nio.file.Paths.get("FILE"), "of the driver")
spark.range(8).write.csv("FOLDER")
""",
        spark_runs="""
import scala.collection.JavaConverters._
print(Thread.getAllStackTraces.keySet.asScala.exists(_.getName.startsWith("dag-scheduler")))
""",
    ),
}
