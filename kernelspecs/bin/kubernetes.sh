#!/bin/sh
# run.sh of the kernelspecs for Spark on Kubernetes: makes the pods' template, submits the launcher
# that lies in the kernel's image, and watches the driver. Arguments are the launcher's.
# docs/kernelspecs.md has the variables.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=kernelspecs/bin/options.sh
. "$here/bin/options.sh"

case ${KERNEL_ID:-} in
    '' | *[!A-Za-z0-9-]*) fail 64 'KERNEL_ID is not set to the id of a kernel' ;;
esac
# The driver's pod is watched until it runs. Whatever goes wrong, nothing of the kernel stays.
finish() {
    code=$?
    trap - EXIT
    watched=0
    python "$here/scripts/launch_kubernetes.py" "--kernel-id=$KERNEL_ID" "--submitted=$code" ||
        watched=$?
    [ "$code" != 0 ] || code=$watched
    exit "$code"
}
trap finish EXIT
need_spark
launcher_arguments=$#
folder=${EG_POD_TEMPLATE_DIR:-/tmp}
options=$folder/spark_opts_$KERNEL_ID
# The gateway removes the template with the kernel.
python "$here/scripts/launch_kubernetes.py" "$@" \
    --pod-template="$folder/kpt_$KERNEL_ID" --spark-opts-out="$options"
template_opts=$(cat "$options")
rm -f "$options"

set -- "$@" "$SPARK_HOME/bin/spark-submit"
spark_words=$(words "${SPARK_OPTS:-${__TOREE_SPARK_OPTS__:-}}")
template_words=$(words "$template_opts")
while IFS= read -r word; do
    [ -z "$word" ] || set -- "$@" "$word"
done <<END
$spark_words
$template_words
END

launchers=${KERNEL_LAUNCHERS_DIR:-/usr/local/bin/kernel-launchers}
launch_opts=${LAUNCH_OPTS:-}
case ${KERNEL_LANGUAGE:-} in
    [Pp]ython) set -- "$@" "local://$launchers/python/scripts/launch_ipykernel.py" ;;
    [Rr]) set -- "$@" "local://$launchers/R/scripts/launch_IRkernel.R" ;;
    [Ss]cala)
        launch_opts="${TOREE_OPTS:-${__TOREE_OPTS__:-}} $launch_opts"
        set -- "$@" --jars "local://$launchers/scala/lib/toree-assembly.jar" \
            --class launcher.ToreeLauncher "local://$launchers/scala/lib/toree-launcher.jar"
        ;;
    *) fail 64 'KERNEL_LANGUAGE is not python, r or scala' ;;
esac
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
"$@"
