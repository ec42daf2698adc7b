# shellcheck shell=sh
# What run.sh scripts share whose kernels run on a host or in a YARN cluster, and not in images of
# ours: sourced behind options.sh, beside them in a kernelspec.

# The user to run as, who is not the gateway's; empty without impersonation.
user=
if [ "${EG_IMPERSONATION_ENABLED:-}" = True ]; then
    user=$(user_name)
fi

# The gateway hands over its own environment, all of it where a request has no variables. A kernel
# runs what its user writes, who is to know neither the gateway's token nor its settings.
hide_gateway() {
    names=$(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^[EK]G_[A-Za-z0-9_]*$/) print name }')
    for name in $names; do
        case $name in
            EG_MIN_PORT_RANGE_SIZE | EG_MAX_PORT_RANGE_RETRIES | EG_KERNEL_LAUNCH_TIMEOUT) ;;
            EG_ALTERNATE_SIGINT) ;;
            *) unset "$name" ;;
        esac
    done
}

# Sets SPARK_HOME: as it is given, else by spark-submit on PATH, else where distributions have it.
find_spark() {
    if [ -z "${SPARK_HOME:-}" ]; then
        submit=$(command -v spark-submit) && submit=$(readlink -f "$submit") || submit=
        for SPARK_HOME in "${submit%/bin/spark-submit}" /opt/spark /usr/lib/spark \
            /usr/hdp/current/spark2-client; do
            [ ! -d "$SPARK_HOME/jars" ] || [ ! -x "$SPARK_HOME/bin/spark-submit" ] || break
        done
    fi
    [ -x "$SPARK_HOME/bin/spark-submit" ] ||
        fail 66 "no spark-submit in SPARK_HOME=$SPARK_HOME, nor on PATH; $(set_in_spec SPARK_HOME)"
    export SPARK_HOME
}

# Prints the Python to run: as VALUE says, else the one on PATH.
find_python() { # VALUE NAME
    [ -z "$1" ] || { printf '%s\n' "$1" && return; }
    command -v python3 || command -v python ||
        fail 66 "no python3 on PATH=$PATH; $(set_in_spec "$2")"
}

set_in_spec() { # NAME
    printf 'fix: set %s in the "env" of %s/kernel.json\n' "$1" "$here"
}

# Runs a program here, as $user where there is one, and ends with it.
#
# The gateway signals what it has started, which is this script. A spark-submit, which becomes Java,
# would leave its children behind; and what sudo has started is somebody else's, and may not be
# signalled. So a signal is handed on from here, to all of the process group.
run_here() { # PROGRAM ARGUMENTS...
    # A program's name, in parentheses, may hold anything; then come state, parent and group.
    group=$(sed 's/.*) //' /proc/self/stat | cut -d ' ' -f 3)
    as_user=
    if [ -n "$user" ]; then
        id -u "$user" >/dev/null 2>&1 || fail 67 "there is no user $user on $(hostname)"
        as_user="sudo -n -u $user"
        set -- sudo -n -H -E -u "$user" "PATH=$PATH" "$@"
    fi
    trap end_group TERM INT HUP
    "$@" &
    child=$!
    while :; do
        code=0
        wait "$child" || code=$?
        [ -d "/proc/$child" ] || exit "$code" # else a signal has ended the waiting
    done
}

end_group() {
    trap '' TERM INT HUP
    # shellcheck disable=SC2086 # words
    $as_user kill -s TERM -- "-$group" 2>/dev/null || :
    (
        sleep 3
        # shellcheck disable=SC2086
        $as_user kill -s KILL -- "-$group" 2>/dev/null || :
    ) &
}
