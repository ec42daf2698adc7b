#!/bin/sh
# run.sh of the kernelspecs for Spark on YARN: submits the launcher that lies beside it.
# In client mode the kernel runs here; in cluster mode YARN starts it, and gets all files it needs.
# Arguments are the launcher's. docs/kernelspecs.md has the variables.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=kernelspecs/bin/options.sh
. "$here/bin/options.sh"

need_spark
launcher_arguments=$#

spark_opts=${SPARK_OPTS:-${__TOREE_SPARK_OPTS__:-}}
spark_words=$(words "$spark_opts")
cluster=$(printf '%s\n' "$spark_words" | awk '
    last == "--deploy-mode" { mode = $0 }
    /^--deploy-mode=/ { mode = substr($0, 15) }
    { last = $0 }
    END { print mode == "cluster" ? "yes" : "" }')

# --- Who runs it -------------------------------------------------------------------------------------

if [ "${EG_IMPERSONATION_ENABLED:-}" = True ]; then
    user=$(user_name)
    [ -n "$cluster" ] || set -- "$@" sudo "PATH=$PATH" -H -E -u "$user"
fi
set -- "$@" "$SPARK_HOME/bin/spark-submit"
while IFS= read -r word; do
    [ -z "$word" ] || set -- "$@" "$word"
done <<END
$spark_words
END
[ -z "$cluster" ] || [ -z "${user:-}" ] || set -- "$@" --proxy-user "$user"

# --- What is run -------------------------------------------------------------------------------------

launch_opts=${LAUNCH_OPTS:-}
# In release files the names hold a version.
for toree in "$here"/lib/toree-assembly*.jar; do break; done
for launcher in "$here"/lib/toree-launcher*.jar; do break; done
if [ -f "$launcher" ]; then
    launch_opts="${TOREE_OPTS:-${__TOREE_OPTS__:-}} $launch_opts"
    set -- "$@" --jars "$toree" --class launcher.ToreeLauncher "$launcher"
elif [ -f "$here/scripts/launch_IRkernel.R" ]; then
    # YARN unpacks it into a folder of the name behind the #, where the launcher looks for it.
    [ ! -f "$here/scripts/kernel_launcher.zip" ] ||
        set -- "$@" --archives "$here/scripts/kernel_launcher.zip#launcher"
    set -- "$@" "$here/scripts/launch_IRkernel.R"
else
    [ ! -f "$here/scripts/kernel_launcher.zip" ] ||
        set -- "$@" --py-files "$here/scripts/kernel_launcher.zip"
    set -- "$@" "$here/scripts/launch_ipykernel.py"
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
exec "$@"
