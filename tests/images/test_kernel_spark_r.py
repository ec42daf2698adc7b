"""The R kernel with Spark: on kernel-r's environment, with the Spark layers of all Spark images."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "kernel-spark-r"

SPARK = """
modules <- new.env(parent = asNamespace("IRkernel"))
sys.source("/usr/local/bin/kernel-launchers/R/scripts/kernel_launcher/spark.R", modules)
modules$offer_spark("lazy")
stopifnot(bindingIsActive("spark", globalenv()))
sqlContext <- "mine"
cat(spark$sql("select 6 * 7 as n")$toPandas()$n, sc$version, sqlContext, fill = TRUE)
stopifnot(!bindingIsActive("spark", globalenv()), !bindingIsActive("sc", globalenv()))
"""


@pytest.mark.parametrize("user", [None, "2000:0"])
def test_a_lazy_session_comes_at_the_first_use(run, user):
    start = ("/opt/entrypoint.sh", "Rscript", "-e", SPARK)
    assert run(NAME, *start, user=user).endswith("42 3.5.6 mine\n")


def test_the_session_is_that_of_spark_submit_with_its_master_settings_and_executors(run):
    # A cluster in small: its executors are processes of their own. They write below SPARK_HOME.
    script = (
        SPARK.partition("stopifnot(bind")[0]
        + """
    seen <- sc$getConf()
    cat(sc$master, seen$get("spark.submit.deployMode"), seen$get("spark.mine"))
    cat("", sc$parallelize(1:10)$sum())
    executors <- sc$`_jsc`$sc()$statusTracker()$getExecutorInfos() # and the driver
    programs <- vapply(Sys.glob("/proc/[0-9]*/comm"), readLines, "")
    cat("", length(executors) - 1, "java:", sum(programs == "java"), fill = TRUE)
    spark$stop()
    """
    )
    start = """mkdir /tmp/spark && ln -s /opt/spark/* /tmp/spark && printf %s "$0" >/tmp/x.R
    SPARK_HOME=/tmp/spark exec /tmp/spark/bin/spark-submit --master "local-cluster[1,1,512]" \
        --conf spark.executor.memory=512m --conf spark.mine=yes /tmp/x.R"""
    found = run(NAME, "/opt/entrypoint.sh", "bash", "-c", start, script)
    # One of the two is the executor: no second driver was made.
    assert found == "local-cluster[1,1,512] client yes 55 1 java: 2\n"


@pytest.mark.parametrize("start", ["Rscript", "spark-submit --master local[1]"])
def test_an_interrupt_ends_a_job_whoever_started_spark(run, start):
    script = (
        SPARK.partition("stopifnot(bind")[0]
        + """
    invisible(spark$sql("select 1")$collect())
    Sys.sleep(0.1) # puts R's own handling of signals back
    system(sprintf("(sleep 8; kill -INT %d) &", Sys.getpid()))
    endless <- "select sum(id % 7) from range(0, 1000000000000000, 1, 8)"
    tryCatch(spark$sql(endless)$collect(), interrupt = function(pressed) cat("interrupted "))
    modules$cancel_spark_jobs()
    cat(sc$parallelize(1:10)$sum(), fill = TRUE)
    spark$stop()
    """
    )
    command = f'printf %s "$0" >/tmp/x.R; exec timeout 120 {start} /tmp/x.R'
    found = run(NAME, "/opt/entrypoint.sh", "bash", "-c", command, script)
    assert found.endswith("interrupted 55\n")  # behind what py4j says of it


def test_spark_that_cannot_start_is_told_and_no_more(run):
    script = SPARK.partition("stopifnot(bind")[0]
    script += "cat(conditionMessage(tryCatch(spark, error = identity)), fill = TRUE)"
    found = run(NAME, "env", "JAVA_HOME=/nowhere", "Rscript", "-e", script)
    assert found.splitlines()[-1].startswith("no Spark session: ")


def test_it_stands_on_the_environment_and_shares_sparks_layers(engine, image):
    def layers(name: str) -> list[str]:
        return engine.images.get(image(name)).attrs["RootFS"]["Layers"]

    environment, spark_r = layers("kernel-r-environment"), layers(NAME)
    assert spark_r[: len(environment)] == environment
    assert len(set(spark_r) & set(layers("spark"))) >= 3
