# shellcheck shell=bash
# Sourced by every script of Spark before it starts Java.

# shellcheck source=images/spark/name-user.sh
. "${SPARK_HOME}/sbin/name-user.sh"

# A container without a network does not know its own name, and Spark does not start without one.
if [ -z "${SPARK_LOCAL_IP:-}" ] && ! getent hosts "$(hostname)" >/dev/null 2>&1; then
    export SPARK_LOCAL_IP=127.0.0.1
fi
