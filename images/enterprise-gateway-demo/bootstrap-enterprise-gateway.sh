#!/bin/sh
# The demo's command. With --gateway: HDFS and YARN, then the gateway.
# docs/images/enterprise-gateway-demo.md has all variables.
set -eu

usage() {
    cat <<'END'
usage: docker run … enterprise-gateway-demo COMMAND

  --gateway   starts HDFS and YARN here, and Jupyter Enterprise Gateway (--elyra is its older name)
  --yarn      starts HDFS and YARN here, and no gateway
  --help      shows this
  COMMAND …   runs it, and starts nothing

-e YARN_HOST=NAME          uses the YARN of another container or host, and starts none
-e EG_IMPERSONATION_ENABLED=True
                           a kernel runs as the user it is for: elyra, bob or alice
-e EG_AUTH_TOKEN=SECRET    clients have to send it
-v FOLDER:/tmp/byok/kernels:ro
                           more kernelspecs

  http://localhost:8888/api/kernelspecs   the gateway        (docker run -p 8888:8888)
  http://localhost:8088/cluster           YARN, applications (-p 8088:8088)
  http://localhost:8042/node              YARN, this node    (-p 8042:8042)
END
}

host=$(hostname)
case ${1:---help} in
    --gateway | --elyra) shift ;;
    --yarn)
        shift
        if [ "${YARN_HOST:-$host}" != "$host" ]; then
            echo "bootstrap-enterprise-gateway: error: --yarn starts YARN on this host, $host, and" \
                "YARN_HOST is $YARN_HOST; fix: leave out one of the two" >&2
            exit 64
        fi
        exec bootstrap-yarn-spark.sh --yarn "$@"
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) exec "$@" ;;
esac

# --- The gateway's settings --------------------------------------------------------------------------

export YARN_HOST="${YARN_HOST:-$host}"
# The gateway of today adds the path itself; in older settings it is there.
EG_YARN_ENDPOINT=${EG_YARN_ENDPOINT:-http://$YARN_HOST:8088}
export EG_YARN_ENDPOINT="${EG_YARN_ENDPOINT%/ws/v1/cluster}"
# Drivers in client mode run in this container, where Spark and its settings are.
export EG_REMOTE_HOSTS="${EG_REMOTE_HOSTS:-localhost}"
export EG_DEFAULT_KERNEL_NAME="${EG_DEFAULT_KERNEL_NAME:-${KG_DEFAULT_KERNEL_NAME:-spark_python_yarn_client}}"
export EG_CULL_INTERVAL="${EG_CULL_INTERVAL:-30}"
export EG_CULL_CONNECTED="${EG_CULL_CONNECTED:-True}"
# A kernel's log has what it prints: nobody else's business.
export EG_KERNEL_LOG_DIR="${EG_KERNEL_LOG_DIR:-/var/log/enterprise-gateway}"

# What kernels have to know of this installation.
inherited=${EG_INHERITED_ENVS:-${EG_ENV_PROCESS_WHITELIST:-}}
for name in HOME LANG LC_ALL SHELL JAVA_HOME SPARK_HOME SPARK_CONF_DIR HADOOP_HOME HADOOP_CONF_DIR \
    YARN_CONF_DIR PYSPARK_PYTHON PYTHONPATH RETICULATE_PYTHON R_LIBS_USER; do
    inherited=${inherited:+$inherited,}$name
done
export EG_INHERITED_ENVS="$inherited"

if [ "${EG_IMPERSONATION_ENABLED:-}" = True ]; then
    # Whoever runs as the gateway's own user can be all others.
    export EG_UNAUTHORIZED_USERS="${EG_UNAUTHORIZED_USERS:-root,jovyan}"
    export EG_AUTHORIZED_USERS="${EG_AUTHORIZED_USERS:-elyra,bob,alice}"
fi

exec bootstrap-yarn-spark.sh start-enterprise-gateway.sh "$@"
