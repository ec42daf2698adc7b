#!/bin/sh
# run.sh of the kernelspecs for Spark on YARN: submits the launcher that lies beside it.
# In client mode the kernel runs here; in cluster mode YARN starts it, and gets all files it needs.
# Arguments are the launcher's. docs/kernelspecs.md has the variables.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=kernelspecs/bin/options.sh
. "$here/bin/options.sh"
# shellcheck source=kernelspecs/bin/hosts.sh
. "$here/bin/hosts.sh"

find_spark
PYSPARK_PYTHON=$(find_python "${PYSPARK_PYTHON:-}" PYSPARK_PYTHON)
export PYSPARK_PYTHON
launcher_arguments=$#

spark_opts=${SPARK_OPTS:-${__TOREE_SPARK_OPTS__:-}}
spark_words=$(words "$spark_opts")
cluster=$(printf '%s\n' "$spark_words" | awk '
    last == "--deploy-mode" { mode = $0 }
    /^--deploy-mode=/ { mode = substr($0, 15) }
    { last = $0 }
    END { print mode == "cluster" ? "yes" : "" }')

# --- Who runs it -------------------------------------------------------------------------------------

# In cluster mode the gateway's own user submits, in the name of another one. It must not be told to
# send along a file of its own, to run code at once, or in whose name it submits.
allowed='^spark[.]((driver|executor)[.](cores|memory|memoryOverhead)|executor[.]instances'
allowed="$allowed|default[.]parallelism|yarn[.]queue|(dynamicAllocation|shuffle|sql)[.][A-Za-z.]+)="
if [ -n "$cluster" ] && [ -n "$user" ]; then
    refused=$(words "\${KERNEL_EXTRA_SPARK_OPTS:-}" | allowed=$allowed awk '
        next_is == "conf" { next_is = ""; if ($0 !~ ENVIRON["allowed"]) print; next }
        next_is == "size" { next_is = ""; if ($0 !~ /^[A-Za-z0-9._]+$/) print; next }
        $0 == "--conf" { next_is = "conf"; next }
        /^--(driver|executor)-(cores|memory)$/ || /^--(num-executors|queue)$/ { next_is = "size"; next }
        { print }
        END { if (next_is != "") print "an option without a value" }' | head -n 1)
    [ -z "$refused" ] ||
        fail 77 "KERNEL_EXTRA_SPARK_OPTS may say how much Spark gets, and not: $refused"
fi
hide_gateway

# --- What is run -------------------------------------------------------------------------------------

set -- "$@" "$SPARK_HOME/bin/spark-submit"
launch_opts=${LAUNCH_OPTS:-}
# In release files the names hold a version.
for toree in "$here"/lib/toree-assembly*.jar; do break; done
for launcher in "$here"/lib/toree-launcher*.jar; do break; done
python=$here/scripts/launch_ipykernel.py
r=$here/scripts/launch_IRkernel.R

# What the nodes have to know of this installation, which is theirs too. Options of the kernelspec and
# the request come behind these, and count more.
if [ -f "$python" ] && [ -n "$cluster" ]; then
    # YARN sets a HOME that is nobody's.
    home=$(getent passwd "${user:-$(id -u)}" | cut -d : -f 6) || home=
    [ -z "$home" ] || set -- "$@" --conf "spark.yarn.appMasterEnv.PYTHONUSERBASE=$home/.local"
elif [ -f "$r" ]; then
    # R uses Spark by way of Python, of which spark-submit knows nothing.
    set -- "$@" --conf "spark.executorEnv.SPARK_HOME=$SPARK_HOME"
    [ -z "$cluster" ] || set -- "$@" \
        --conf "spark.yarn.appMasterEnv.SPARK_HOME=$SPARK_HOME" \
        --conf "spark.yarn.appMasterEnv.RETICULATE_PYTHON=${RETICULATE_PYTHON:-$PYSPARK_PYTHON}"
fi
while IFS= read -r word; do
    [ -z "$word" ] || set -- "$@" "$word"
done <<END
$spark_words
END
[ -z "$cluster" ] || [ -z "$user" ] || set -- "$@" --proxy-user "$user"

if [ -f "$launcher" ]; then
    launch_opts="${TOREE_OPTS:-${__TOREE_OPTS__:-}} $launch_opts"
    set -- "$@" --jars "$toree" --class launcher.ToreeLauncher "$launcher"
elif [ -f "$r" ]; then
    # YARN unpacks it into a folder of the name behind the #, where the launcher looks for it.
    [ ! -f "$here/scripts/kernel_launcher.zip" ] ||
        set -- "$@" --archives "$here/scripts/kernel_launcher.zip#launcher"
    if [ -f "$SPARK_HOME/R/lib/sparkr.zip" ]; then
        set -- "$@" "$r"
    else
        # On YARN, spark-submit takes programs in R only where there is SparkR, which not every Spark
        # has (PyPI's has not). Our launcher does without; what runs it is there.
        [ -z "$cluster" ] || set -- "$@" --files "$r"
        set -- "$@" --class org.apache.spark.deploy.RRunner spark-internal
        [ -z "$cluster" ] || r=${r##*/}
        set -- "$@" "$r"
    fi
else
    [ ! -f "$here/scripts/kernel_launcher.zip" ] ||
        set -- "$@" --py-files "$here/scripts/kernel_launcher.zip"
    set -- "$@" "$python"
fi
launch_words=$(words "$launch_opts")
while IFS= read -r word; do
    [ -z "$word" ] || set -- "$@" "$word"
done <<END
$launch_words
END

# The launcher's own arguments came first: they go to the end.
while [ "$launcher_arguments" -gt 0 ]; do
    word=$1
    shift
    set -- "$@" "$word"
    launcher_arguments=$((launcher_arguments - 1))
done
# What only finds words, or submits, runs for seconds: the quick compiler alone is best.
quick="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
export SPARK_LAUNCHER_OPTS="$quick ${SPARK_LAUNCHER_OPTS:-}"
[ -n "$cluster" ] || run_here "$@"
export SPARK_SUBMIT_OPTS="$quick ${SPARK_SUBMIT_OPTS:-}"
exec "$@"
