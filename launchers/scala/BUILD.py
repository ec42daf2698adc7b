"""The Scala kernel: Apache Toree as PyPI has it, and our launcher for it."""

from buildlib.rules import container_files, download, extract, glob

TOREE = "toree-0.5.0"
# What our classes in Toree's jar are compiled with: Spark's, whose Scala is the kernel's.
SCALA = {
    "scala-compiler": "2.12.18",
    "scala-library": "2.12.18",
    "scala-reflect": "2.12.18",
    "slf4j-api": "2.0.7",
}

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

extract(
    name="scala",
    archive="//images/spark:distribution",
    files={
        f"opt/spark/jars/{name}-{version}.jar": f"scala/{name}.jar"
        for name, version in SCALA.items()
    },
    doc="Scala, to compile what is added to Toree",
)

container_files(
    name="toree",
    dockerfile="Dockerfile.toree",
    bases={"JDK": "//images/spark:jdk"},
    srcs=[":scala", ":toree_published", *glob(["toree/**/*.java", "toree/reference.conf"])],
    outputs=["toree-assembly.jar"],
    doc="Apache Toree with all it needs but Spark: its output in order, its start quick",
)

container_files(
    name="toree_launcher",
    bases={"JDK": "//images/spark:jdk"},
    srcs=glob(["src/**/*.java"]),
    outputs=["toree-launcher.jar"],
    doc="starts Apache Toree for the gateway",
)
