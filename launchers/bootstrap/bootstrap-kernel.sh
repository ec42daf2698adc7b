#!/bin/sh
# Starts the kernel of this image: reads what the gateway put into the environment, and becomes the
# launcher of the language (exec: its exit code is the container's, and `docker stop` reaches it).
# Variables, defaults and exit codes are listed in docs/launchers.md. Prints no values but the
# language's: the environment holds other people's secrets.
set -eu

MISSING=64     # a variable that the gateway sets is missing (sysexits: EX_USAGE)
UNKNOWN=65     # a language that is not ours (EX_DATAERR)
UNAVAILABLE=69 # the image lacks the launcher, or what runs it (EX_UNAVAILABLE)

fail() { # exit code, message
    printf 'bootstrap-kernel: error: %s\n' "$2" >&2
    exit "$1"
}

# --- A place to write, for a user the image does not know ------------------------------------------

can_write() { # path, which need not exist: can it be written, or made?
    path=$1
    while [ ! -e "$path" ]; do
        path=${path%/*}
        [ -n "$path" ] || path=/
    done
    [ -d "$path" ] && [ -w "$path" ]
}

spare_home() { # a folder of our own; where no place is left, HOME stays as it is
    for place in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm; do
        mktemp -d "$place/home.XXXXXX" 2>/dev/null && return
    done
    printf '%s\n' "${HOME:-/}"
}

if [ ! -d "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    HOME=$(spare_home)
    export HOME
    printf 'bootstrap-kernel: HOME cannot be written by uid %s, using %s\n' "$(id -u)" "$HOME" >&2
fi

# A home may be writable, and a folder in it that the image has made not.
spare=
for entry in IPYTHONDIR:.ipython MPLCONFIGDIR:.config/matplotlib XDG_CACHE_HOME:.cache; do
    name=${entry%%:*}
    eval "folder=\${$name:-\$HOME/${entry#*:}}"
    # shellcheck disable=SC2154 # folder is set by eval
    case $folder in
        /*) can_write "$folder" && continue ;;
    esac
    [ -n "$spare" ] || spare=$(spare_home)
    export "$name=$spare/${entry#*:}"
done

# A uid without a name: programs that ask for the user's (getpass, Spark) look here first.
if ! id -un >/dev/null 2>&1; then
    export USER="${USER:-${KERNEL_USERNAME:-jovyan}}"
    export LOGNAME="${LOGNAME:-$USER}"
fi

# --- What the gateway said ---------------------------------------------------------------------------

[ -n "${KERNEL_LANGUAGE:-}" ] || fail $MISSING "KERNEL_LANGUAGE is not set (python, r or scala)"
[ -n "${KERNEL_ID:-}" ] || fail $MISSING "KERNEL_ID is not set: only the gateway can start this image"
[ -n "${RESPONSE_ADDRESS+set}${EG_RESPONSE_ADDRESS+set}" ] ||
    fail $MISSING "neither RESPONSE_ADDRESS nor EG_RESPONSE_ADDRESS is set"
[ -n "${PUBLIC_KEY+set}${EG_PUBLIC_KEY+set}" ] ||
    fail $MISSING "neither PUBLIC_KEY nor EG_PUBLIC_KEY is set"

launchers=${KERNEL_LAUNCHERS_DIR:-/usr/local/bin/kernel-launchers}

set -- \
    --kernel-id "$KERNEL_ID" \
    --response-address "${RESPONSE_ADDRESS-${EG_RESPONSE_ADDRESS-}}" \
    --public-key "${PUBLIC_KEY-${EG_PUBLIC_KEY-}}" \
    --port-range "${PORT_RANGE:-${EG_PORT_RANGE:-0..0}}" \
    --spark-context-initialization-mode "${KERNEL_SPARK_CONTEXT_INIT_MODE:-none}"

# It names the gateway's own process, which means nothing in this container: ipykernel would take
# process 1 for the sign that its parent has died.
unset JPY_PARENT_PID

# --- The launcher ------------------------------------------------------------------------------------

need_file() {
    [ -f "$1" ] || fail $UNAVAILABLE "this image has no launcher for $language: $1 is missing"
}

need_command() {
    command -v "$1" >/dev/null 2>&1 || fail $UNAVAILABLE "this image cannot run $language: no $1"
}

# Settings that concern Spark once it runs, and not its start, and Java options that are plain words;
# anything else is spark-submit's.
java_options='spark\.driver\.defaultJavaOptions[[:space:]=:]'
needs_spark_submit() {
    grep -Ev "^[[:space:]]*(#|\$|spark\.(sql|hadoop|ui|eventLog)\.|${java_options}[^\"'\\\\]*\$)" \
        "$conf/spark-defaults.conf" >/dev/null 2>&1
}
default_java_options() { # the last line counts
    sed -n "s/^[[:space:]]*${java_options}[[:space:]=:]*//p" "$conf/spark-defaults.conf" 2>/dev/null |
        tail -n 1
}

# Scala: options of spark-submit come from the settings below, in words (without quotes or patterns).
# Where there are none, Java is started without spark-submit, which would start a Java of its own just
# to find out about them; the launcher then reads spark-defaults.conf.
start_scala() { # the launcher's options
    spark=${SPARK_HOME:-/opt/spark}
    conf=${SPARK_CONF_DIR:-$spark/conf}
    name=${KERNEL_USERNAME:-kernel}-$KERNEL_ID
    # Without Spark, what counts is the start: the quick compiler alone halves it.
    quick=
    [ "${KERNEL_SPARK_CONTEXT_INIT_MODE:-none}" != none ] ||
        quick="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    words="${SPARK_OPTS-${__TOREE_SPARK_OPTS__-}} ${KERNEL_EXTRA_SPARK_OPTS-}"
    # Toree knows interrupts by SIGUSR2: the JVM keeps SIGINT for itself.
    set -- --alternate-sigint USR2 "$@"
    set -f # words are words

    if [ -n "${words# }" ] || needs_spark_submit; then
        need_command "$spark/bin/spark-submit"
        # Toree looks for its magics in jars, by reflection.
        opens=--add-opens=java.base/java.util.jar=ALL-UNNAMED
        export SPARK_SUBMIT_OPTS="-XX:+IgnoreUnrecognizedVMOptions $opens $quick ${SPARK_SUBMIT_OPTS-}"
        # shellcheck disable=SC2086 # words
        exec "$spark/bin/spark-submit" --name "$name" --jars "$toree" $words \
            --class launcher.ToreeLauncher "$launcher" "$@"
    fi

    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    need_command "$java"
    [ -d "$spark/jars" ] || fail $UNAVAILABLE "this image cannot run scala: no $spark/jars"
    set -- -cp "$conf:$spark/jars/*:$launcher" \
        -Dlauncher.sparkDefaults="$conf/spark-defaults.conf" \
        -Dspark.master='local[*]' -Dspark.app.name="$name" -Dspark.submit.deployMode=client \
        launcher.ToreeLauncher "$@"
    for package in java.io java.lang java.lang.invoke java.lang.reflect java.net java.nio java.util \
        java.util.concurrent java.util.concurrent.atomic java.util.jar jdk.internal.ref sun.nio.ch \
        sun.nio.cs sun.security.action sun.util.calendar; do
        set -- "--add-opens=java.base/$package=ALL-UNNAMED" "$@"
    done
    # shellcheck disable=SC2046,SC2086 # words
    set -- "$java" $quick "-Xmx${SPARK_DRIVER_MEMORY:-1g}" ${SPARK_SUBMIT_OPTS-} \
        $(default_java_options) "$@"
    # Driver and executor are this process: nobody needs to know the container by name.
    export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
    if [ -f "$conf/spark-env.sh" ]; then # for bash, and what it sets is for Java
        exec bash -c 'set -a && . "$0" && set +a && exec "$@"' "$conf/spark-env.sh" "$@"
    fi
    exec "$@"
}

language=$(printf %s "$KERNEL_LANGUAGE" | tr '[:upper:]' '[:lower:]')
case $language in
    python)
        script=$launchers/python/scripts/launch_ipykernel.py
        need_file "$script"
        python=python
        command -v python >/dev/null 2>&1 || python=python3
        need_command "$python"
        [ -z "${KERNEL_CLASS_NAME:-}" ] || set -- "$@" --kernel-class-name "$KERNEL_CLASS_NAME"
        exec "$python" "$script" "$@"
        ;;
    r)
        script=$launchers/R/scripts/launch_IRkernel.R
        need_file "$script"
        need_command Rscript
        # The launcher itself runs no code of the user's, and loads what it needs: no profile, no
        # packages (it starts in a quarter of the time), and no look for garbage before it has loaded
        # them. The kernel is another process.
        exec Rscript --vanilla --default-packages=NULL --min-nsize=700k "$script" "$@"
        ;;
    scala)
        for toree in "$launchers"/scala/lib/toree-assembly*.jar; do break; done
        need_file "$toree"
        for launcher in "$launchers"/scala/lib/toree-launcher*.jar; do break; done
        need_file "$launcher"
        start_scala "$@"
        ;;
    *)
        shown=$(printf %s "$language" | tr -cd '[:alnum:]_.-' | cut -c1-40)
        fail $UNKNOWN "KERNEL_LANGUAGE is '$shown', not python, r or scala"
        ;;
esac
