"""HDFS, YARN and Spark in one container: a cluster to try things with."""

from buildlib.rules import docker_image, maven_jars, setting, tarball
from images.defs import INSTALLER

HADOOP = setting("hadoop.version")

# What HDFS, YARN and MapReduce's shuffle and history server run of. hadoop-hdfs's tests have the
# web pages of HDFS, without which no daemon of it starts.
maven_jars(
    name="hadoop",
    artifacts=[
        f"org.apache.hadoop:{artifact}:{HADOOP}"
        for artifact in (
            "hadoop-client",
            "hadoop-hdfs",
            "hadoop-mapreduce-client-hs",
            "hadoop-mapreduce-client-shuffle",
            "hadoop-yarn-server-nodemanager",
            "hadoop-yarn-server-resourcemanager",
            "hadoop-yarn-server-timelineservice",
        )
    ]
    + [f"org.apache.hadoop:hadoop-hdfs:{HADOOP}:tests"],
    exclude=[
        "log4j:log4j",  # reload4j has the same classes, mended
        "org.slf4j:slf4j-log4j12",
        "io.netty:netty-resolver-dns-native-macos",
        "io.netty:netty-transport-native-kqueue",
    ],
    folder="opt/hadoop/lib",
    doc="the jars of Hadoop at /opt/hadoop/lib",
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
            "etc/sudoers.d/yarn": "sudoers",
            "opt/hadoop/bin/hadoop": "hadoop.sh",
            "opt/hadoop/etc/container-executor.cfg": "container-executor.cfg",
            "opt/hadoop/libexec/container-executor": "container_executor.py",
            "opt/hadoop/libexec/start-history-server.sh": "start-history-server.sh",
            "opt/spark/conf/spark-defaults.conf": "spark-defaults.conf",
            "usr/local/bin/check-hadoop.sh": "check-hadoop.sh",
            "usr/local/bin/bootstrap-yarn-spark.sh": "bootstrap-yarn-spark.sh",
            **{f"opt/hadoop/etc/templates/{name}": f"templates/{name}" for name in TEMPLATES},
        }
    },
    executables=[
        "opt/hadoop/bin/hadoop",
        "opt/hadoop/libexec/container-executor",
        "opt/hadoop/libexec/start-history-server.sh",
        "usr/local/bin/bootstrap-yarn-spark.sh",
        "usr/local/bin/check-hadoop.sh",
    ],
    doc="Hadoop's commands and settings, and what starts it",
)

docker_image(
    name="demo-base",
    parent="//images/kernel-spark-r:environment",
    bases=INSTALLER,
    srcs=[":hadoop", ":toree", ":setup"],
    apt=["procps", "sudo", "supervisor"],
    python="requirements.in",
    build_args={"SPARK_VER": setting("spark.version")},
    flavours=["debian"],
    tags=[setting("spark.version")],
    description="HDFS, YARN and Spark in one container, with Python, R and Scala kernels",
    licenses="Apache-2.0",
    doc="HDFS, YARN and Spark in one container",
)
