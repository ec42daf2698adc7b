"""Apache Spark and a Java runtime, as files for many images and as an image of their own."""

from buildlib.rules import docker_image, download, extract

SPARK = "3.5.6"
TOP = f"pyspark-{SPARK}"

# What is of no use in an image; docs/images/spark.md tells why.
LEFT_OUT = [
    "**/*.cmd",
    "**/bin/docker-image-tool.sh",
    "**/bin/run-example",
    "**/bin/sparkR",
    "**/jars/mesos-*.jar",
    "**/jars/spark-mesos_*.jar",
    "**/jars/*-osx-*.jar",
]

download(
    name="pypi",
    urls=[f"pypi:pyspark/{TOP}.tar.gz"],
    doc="Spark as PyPI has it, with its jars",
)

extract(
    name="distribution",
    archive=":pypi",
    files={
        f"{TOP}/deps/bin/": "opt/spark/bin/",
        f"{TOP}/deps/sbin/": "opt/spark/sbin/",
        f"{TOP}/deps/jars/": "opt/spark/jars/",
        f"{TOP}/deps/licenses/": "opt/spark/licenses/",
        f"{TOP}/deps/examples/pi.py": "opt/spark/examples/src/main/python/pi.py",
        f"{TOP}/pyspark/": "opt/spark/python/pyspark/",
        f"{TOP}/lib/": "opt/spark/python/lib/",
    },
    exclude=LEFT_OUT,
    out="spark.tar",
    doc="Spark at /opt/spark",
)

docker_image(
    name="jdk",
    repository="jdk",
    dockerfile="jdk.Dockerfile",
    parent="//images/bases/os",
    apt=["ca-certificates", "openjdk-17-jdk-headless"],
    description="OpenJDK 17 for build steps; no image is shipped with it",
    doc="a JDK, for build steps only",
)
