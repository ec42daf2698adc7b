"""Apache Spark and a Java runtime, as files for many images and as an image of their own."""

from buildlib.rules import container_files, docker_image, download, extract, setting, tarball
from images.defs import SPARK

VERSION = setting("spark.version")
SOURCE = setting("spark.source", choices=["pypi", "apache"])
PYPI = f"pyspark-{VERSION}"
APACHE = f"spark-{VERSION}-bin-hadoop3"
MIRRORS = ["https://archive.apache.org/dist/spark", "https://dlcdn.apache.org/spark"]

ADDRESSES = {
    "pypi": [f"pypi:pyspark/{PYPI}.tar.gz"],
    "apache": [f"{mirror}/spark-{VERSION}/{APACHE}.tgz" for mirror in MIRRORS],
}
FILES = {
    # A source distribution of Python, which carries the whole of Spark but for SparkR.
    "pypi": {
        f"{PYPI}/deps/bin/": "opt/spark/bin/",
        f"{PYPI}/deps/sbin/": "opt/spark/sbin/",
        f"{PYPI}/deps/jars/": "opt/spark/jars/",
        f"{PYPI}/deps/licenses/": "opt/spark/licenses/",
        f"{PYPI}/deps/examples/pi.py": "opt/spark/examples/src/main/python/pi.py",
        f"{PYPI}/pyspark/": "opt/spark/python/pyspark/",
        f"{PYPI}/lib/": "opt/spark/python/lib/",
    },
    # What the project releases. It has the folders that it is to have here.
    "apache": {
        f"{APACHE}/bin/": "opt/spark/bin/",
        f"{APACHE}/sbin/": "opt/spark/sbin/",
        f"{APACHE}/jars/": "opt/spark/jars/",
        f"{APACHE}/licenses/": "opt/spark/licenses/",
        f"{APACHE}/LICENSE": "opt/spark/LICENSE",
        f"{APACHE}/NOTICE": "opt/spark/NOTICE",
        f"{APACHE}/RELEASE": "opt/spark/RELEASE",
        f"{APACHE}/examples/src/main/python/pi.py": "opt/spark/examples/src/main/python/pi.py",
        f"{APACHE}/python/pyspark/": "opt/spark/python/pyspark/",
        f"{APACHE}/python/lib/": "opt/spark/python/lib/",
        f"{APACHE}/R/lib/": "opt/spark/R/lib/",
    },
}
# What is of no use in an image; docs/images/spark.md tells why.
LEFT_OUT = {
    "pypi": ["**/bin/sparkR"],
    "apache": ["**/pyspark/**/tests/**"],
}

download(
    name=SOURCE,
    urls=ADDRESSES[SOURCE],
    doc="Spark as it is published, with its jars",
)

extract(
    name="distribution",
    archive=f":{SOURCE}",
    files=FILES[SOURCE],
    exclude=LEFT_OUT[SOURCE]
    + [
        "**/*.cmd",
        "**/bin/docker-image-tool.sh",
        "**/bin/run-example",
        "**/jars/mesos-*.jar",
        "**/jars/spark-mesos_*.jar",
        "**/jars/*-osx-*.jar",
    ],
    out="spark.tar",
    doc="Spark at /opt/spark",
)

docker_image(
    name="jdk",
    repository="jdk",
    internal=True,
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

# Handed to the engine once, and copied there into each image that carries them.
for name, archive in {"spark-files": ":distribution", "java-files": ":java"}.items():
    docker_image(
        name=name,
        internal=True,
        dockerfile=f"{name}.Dockerfile",
        srcs=[archive],
        description="Files for images that carry Spark, and no image of its own",
        licenses="Apache-2.0",
        doc=f"{archive} in the engine, to be copied into images",
    )

docker_image(
    name="spark",
    parent="//images/bases/os",
    bases=SPARK,
    srcs=[":setup"],
    apt=["libnss-wrapper", "tini"],
    tags=[VERSION],
    description="Apache Spark on a small Java runtime, for drivers and executors",
    licenses="Apache-2.0",
    doc="Spark, for drivers and executors on Kubernetes",
)
