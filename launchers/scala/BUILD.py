"""The Scala kernel: Apache Toree as PyPI has it, and our launcher for it."""

from buildlib.rules import container_files, download, extract, glob

TOREE = "toree-0.5.0"

download(
    name="pypi",
    urls=[f"pypi:toree/{TOREE}.tar.gz"],
    doc="Apache Toree as PyPI has it",
)

extract(
    name="toree_published",
    archive=":pypi",
    files={f"{TOREE}/toree/lib/toree-assembly-0.5.0-incubating.jar": "toree-published.jar"},
    doc="Apache Toree with all it needs but Spark, as published",
)

container_files(
    name="toree",
    dockerfile="Dockerfile.toree",
    bases={"JDK": "//images/spark:jdk"},
    srcs=[":toree_published", "toree/SynchronizedFlush.java"],
    outputs=["toree-assembly.jar"],
    doc="Apache Toree with all it needs but Spark, and with its output in order",
)

container_files(
    name="toree_launcher",
    bases={"JDK": "//images/spark:jdk"},
    srcs=glob(["src/**/*.java"]),
    outputs=["toree-launcher.jar"],
    doc="starts Apache Toree for the gateway",
)
