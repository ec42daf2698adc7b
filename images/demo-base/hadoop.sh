#!/bin/sh
# Hadoop's commands: `hadoop`, `hdfs` and `yarn` are links to this script. It finds the class of a
# command and becomes Java. docs/images/demo-base.md lists what there is.
set -eu

export HADOOP_HOME="${HADOOP_HOME:-/opt/hadoop}"
export HADOOP_CONF_DIR="${HADOOP_CONF_DIR:-$HADOOP_HOME/etc/hadoop}"
program=${0##*/}

usage() {
    cat <<END
usage: $program COMMAND [ARGUMENT...]

hadoop  classpath | version | CLASS
        fs                  files in HDFS: hadoop fs -ls /
        jar                 run a program in a jar
hdfs    classpath | version | CLASS
        dfs                 files in HDFS: hdfs dfs -put FILE /user/bob
        dfsadmin            state of HDFS: hdfs dfsadmin -report
        fsck | getconf | groups
        namenode | datanode (daemons)
yarn    classpath | version | CLASS
        application         applications: yarn application -list
        applicationattempt | container | logs | node | queue | rmadmin | top | jar
        resourcemanager | nodemanager (daemons)
END
}

say() {
    printf '%s: error: %s\n' "$program" "$1" >&2
}

[ $# -gt 0 ] || {
    usage >&2
    exit 64 # EX_USAGE
}
command=$1
shift

daemon=
case $program:$command in
    *:-h | *:-help | *:--help | *:help)
        usage
        exit
        ;;
    *:classpath)
        echo "$HADOOP_CONF_DIR:$HADOOP_HOME/lib/*"
        exit
        ;;
    *:version) class=org.apache.hadoop.util.VersionInfo ;;

    hadoop:fs | hdfs:dfs) class=org.apache.hadoop.fs.FsShell ;;
    hadoop:jar | yarn:jar) class=org.apache.hadoop.util.RunJar ;;

    hdfs:dfsadmin) class=org.apache.hadoop.hdfs.tools.DFSAdmin ;;
    hdfs:fsck) class=org.apache.hadoop.hdfs.tools.DFSck ;;
    hdfs:getconf) class=org.apache.hadoop.hdfs.tools.GetConf ;;
    hdfs:groups) class=org.apache.hadoop.hdfs.tools.GetGroups ;;
    hdfs:namenode) class=org.apache.hadoop.hdfs.server.namenode.NameNode daemon=NAMENODE ;;
    hdfs:datanode) class=org.apache.hadoop.hdfs.server.datanode.DataNode daemon=DATANODE ;;

    yarn:app | yarn:application | yarn:applicationattempt | yarn:container)
        class=org.apache.hadoop.yarn.client.cli.ApplicationCLI
        [ "$command" != app ] || command=application
        set -- "$command" "$@"
        ;;
    yarn:logs) class=org.apache.hadoop.yarn.client.cli.LogsCLI ;;
    yarn:node) class=org.apache.hadoop.yarn.client.cli.NodeCLI ;;
    yarn:queue) class=org.apache.hadoop.yarn.client.cli.QueueCLI ;;
    yarn:rmadmin) class=org.apache.hadoop.yarn.client.cli.RMAdminCLI ;;
    yarn:top) class=org.apache.hadoop.yarn.client.cli.TopCLI ;;
    yarn:resourcemanager)
        class=org.apache.hadoop.yarn.server.resourcemanager.ResourceManager daemon=RESOURCEMANAGER
        ;;
    yarn:nodemanager)
        class=org.apache.hadoop.yarn.server.nodemanager.NodeManager daemon=NODEMANAGER
        ;;

    *:*.*) class=$command ;;
    *)
        say "there is no command \"$command\"; fix: $program --help lists those there are"
        exit 64
        ;;
esac

# Hadoop 3.3 reaches into java.lang, which Java 17 allows on demand only. A program that runs for
# seconds is not worth the second compiler; a daemon on two cores is not either.
options="--add-opens=java.base/java.lang=ALL-UNNAMED -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
options="$options -Xshare:auto -Djava.net.preferIPv4Stack=true -Dhadoop.home.dir=$HADOOP_HOME"
if [ -n "$daemon" ]; then
    own=
    eval "own=\${HADOOP_${daemon}_OPTS:-}"
    options="$options -Dhadoop.log.level=INFO -Xmx${HADOOP_HEAPSIZE_MAX:-256m} $own"
else
    options="$options -Dhadoop.log.level=WARN ${HADOOP_CLIENT_OPTS:-}"
fi

# shellcheck disable=SC2086 # options are words
exec "${JAVA_HOME:-/opt/java}/bin/java" $options ${HADOOP_OPTS:-} \
    -cp "$HADOOP_CONF_DIR:$HADOOP_HOME/lib/*${HADOOP_CLASSPATH:+:$HADOOP_CLASSPATH}" "$class" "$@"
