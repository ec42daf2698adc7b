"""HDFS, YARN and Spark in one container: a cluster to try things with."""

from buildlib.rules import docker_image, filegroup, setting, tarball
from images.defs import INSTALLER

filegroup(
    name="hadoop",
    srcs=["hadoop.tar"],
    doc="Hadoop's jars",
)

tarball(
    name="toree",
    parts={"all": {"opt/toree/lib/toree-assembly.jar": "//launchers/scala:toree"}},
    doc="Apache Toree, the Scala kernel",
)

TEMPLATES = [
    "capacity-scheduler.xml",
    "core-site.xml",
    "hdfs-site.xml",
    "log4j.properties",
    "mapred-site.xml",
    "yarn-site.xml",
]

tarball(
    name="setup",
    parts={
        "all": {
            "opt/hadoop/bin/hadoop": "hadoop.sh",
            "opt/hadoop/etc/container-executor.cfg": "container-executor.cfg",
            "opt/hadoop/libexec/container-executor": "container_executor.py",
            "opt/hadoop/libexec/start-history-server.sh": "start-history-server.sh",
            "opt/spark/conf/spark-defaults.conf": "spark-defaults.conf",
            "usr/local/bin/bootstrap-yarn-spark.sh": "bootstrap-yarn-spark.sh",
            **{f"opt/hadoop/etc/templates/{name}": f"templates/{name}" for name in TEMPLATES},
        }
    },
    executables=[
        "opt/hadoop/bin/hadoop",
        "opt/hadoop/libexec/container-executor",
        "opt/hadoop/libexec/start-history-server.sh",
        "usr/local/bin/bootstrap-yarn-spark.sh",
    ],
    doc="Hadoop's commands and settings, and what starts it",
)

docker_image(
    name="demo-base",
    parent="//images/kernel-spark-r:environment",
    bases=INSTALLER,
    srcs=[":hadoop", ":toree", ":setup", "sudoers"],
    apt=["procps", "sudo", "supervisor"],
    python="requirements.in",
    flavours=["debian"],
    tags=[setting("spark.version")],
    description="HDFS, YARN and Spark in one container, with Python, R and Scala kernels",
    licenses="Apache-2.0",
    doc="HDFS, YARN and Spark in one container",
)
