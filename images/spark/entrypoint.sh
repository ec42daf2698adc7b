#!/bin/bash
# The entrypoint of all images with Spark. Spark's Kubernetes scheduler starts its pods with the word
# `driver` or `executor` and tells the rest in variables; anything else is a command to become, such as
# a kernel's bootstrap script or a shell.
set -euo pipefail

SPARK_HOME=${SPARK_HOME:-/opt/spark}

# shellcheck source=images/spark/name-user.sh
. "$SPARK_HOME/sbin/name-user.sh"

need() { # names of variables that Spark's scheduler sets
    local name
    for name in "$@"; do
        if [ -z "${!name:-}" ]; then
            echo "entrypoint: error: $name is not set: only Spark can start this role" >&2
            exit 64 # EX_USAGE
        fi
    done
}

work_somewhere() { # files that a job brings along are fetched into the current folder
    [ -w . ] || cd "$(mktemp -d)"
}

driver() { # what Spark passes: --properties-file, --class, the application and its arguments
    need SPARK_DRIVER_BIND_ADDRESS
    work_somewhere
    exec "$SPARK_HOME/bin/spark-submit" \
        --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
        --deploy-mode client \
        "$@"
}

executor() {
    need SPARK_DRIVER_URL SPARK_EXECUTOR_ID SPARK_EXECUTOR_CORES SPARK_EXECUTOR_MEMORY \
        SPARK_APPLICATION_ID SPARK_EXECUTOR_POD_IP SPARK_RESOURCE_PROFILE_ID
    work_somewhere

    # SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1 and so on are one option each, in this order.
    local options=() name
    while read -r name; do
        [[ ! $name =~ ^SPARK_JAVA_OPT_[0-9]+$ ]] || options+=("${!name}")
    done < <(compgen -v SPARK_JAVA_OPT_ | sort -t_ -k4n)

    # The order of Spark's own scripts: settings, what the job adds, Spark, Hadoop's settings.
    local places=() path=
    for name in SPARK_CONF_DIR SPARK_CLASSPATH SPARK_EXTRA_CLASSPATH; do
        [ -z "${!name:-}" ] || places+=("${!name}")
    done
    places+=("$SPARK_HOME/jars/*")
    for name in HADOOP_CONF_DIR SPARK_DIST_CLASSPATH; do
        [ -z "${!name:-}" ] || places+=("${!name}")
    done
    path=$(IFS=: && echo "${places[*]}"):$PWD

    exec "${JAVA_HOME:-/opt/java}/bin/java" ${options[@]+"${options[@]}"} \
        "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$path" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" \
        --executor-id "$SPARK_EXECUTOR_ID" \
        --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" \
        --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
        --podName "${SPARK_EXECUTOR_POD_NAME:-}"
}

case ${1:-} in
    driver | executor)
        role=$1
        shift
        "$role" "$@"
        ;;
    "") exec bash ;;
    *) exec "$@" ;;
esac
