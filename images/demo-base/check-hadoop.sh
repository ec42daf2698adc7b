#!/bin/sh
# Asks each daemon that runs here over HTTP, and names those that do not serve: dead ones, and ones
# that hang. Without daemons, all is well. Arguments: which ones, if not all.
set -u

HOST=$(uname -n)
YARN_HOST=${YARN_HOST:-$HOST}
SUPERVISOR=${HADOOP_CONF_DIR:-/opt/hadoop/etc/hadoop}/supervisord.conf

says() { # address and path, pattern: whether the answer has it
    curl --silent --fail --max-time "${CHECK_TIMEOUT:-8}" "http://$1" | tr -d ' \n' | grep -q "$2"
}

serves() { # daemon
    case $1 in
        namenode)
            says "$YARN_HOST:9870/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" \
                '"FSState":"Operational".*"NumLiveDataNodes":[1-9]'
            ;;
        datanode) says "$HOST:9864/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo" . ;;
        resourcemanager) says "$YARN_HOST:8088/ws/v1/cluster/metrics" '"activeNodes":[1-9]' ;;
        nodemanager) says "$HOST:8042/ws/v1/node/info" '"nodeHealthy":true' ;;
        history) says "$HOST:18080/api/v1/version" spark ;;
    esac
}

[ -f "$SUPERVISOR" ] || exit 0
# shellcheck disable=SC2046 # names are words
[ $# -gt 0 ] || set -- $(sed -n 's/^\[program:\(.*\)\]$/\1/p' "$SUPERVISOR")
bad=
for daemon in "$@"; do
    serves "$daemon" || bad="$bad $daemon"
done
[ -z "$bad" ] || {
    echo "not serving:$bad; their logs are in /var/log/hadoop"
    exit 1
}
