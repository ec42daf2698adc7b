"""Hadoop, as files for the demo's images."""

from buildlib.rules import maven_jars, setting

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
