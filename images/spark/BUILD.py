"""Apache Spark and a Java runtime, as files for many images and as an image of their own."""

from buildlib.rules import container_files, docker_image, download, extract, tarball

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

container_files(
    name="java",
    dockerfile="java.Dockerfile",
    bases={"JDK": ":jdk"},
    outputs=["java/"],
    doc="a Java 17 runtime without a JDK at /opt/java",
)

tarball(
    name="setup",
    parts={
        "all": {
            "opt/entrypoint.sh": "entrypoint.sh",
            "opt/spark/conf/log4j2.properties": "conf/log4j2.properties",
            "opt/spark/conf/spark-defaults.conf": "conf/spark-defaults.conf",
            "opt/spark/conf/spark-env.sh": "conf/spark-env.sh",
            "opt/spark/sbin/name-user.sh": "name-user.sh",
        }
    },
    executables=["opt/entrypoint.sh"],
    doc="entrypoint and defaults of all images with Spark",
)

docker_image(
    name="spark",
    parent="//images/bases/os",
    srcs=[":distribution", ":java", ":setup"],
    apt=["libnss-wrapper", "tini"],
    description="Apache Spark on a small Java runtime, for drivers and executors",
    licenses="Apache-2.0",
    doc="Spark, for drivers and executors on Kubernetes",
)
