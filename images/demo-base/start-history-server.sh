#!/bin/sh
# Spark's history server: pages of applications that have ended, from their events in HDFS.
set -eu

# On an empty volume its folder is made while this is already running.
folder=http://${YARN_HOST:-$(uname -n)}:9870/webhdfs/v1/spark/events
until curl --silent --fail --max-time 5 --output /dev/null "$folder?op=GETFILESTATUS"; do
    sleep 1
done
exec "${JAVA_HOME:-/opt/java}/bin/java" -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    -cp "/opt/spark/conf:/opt/spark/jars/*:$HADOOP_CONF_DIR" \
    -Dspark.history.fs.logDirectory=hdfs:///spark/events \
    org.apache.spark.deploy.history.HistoryServer
