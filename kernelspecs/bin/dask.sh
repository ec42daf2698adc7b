#!/bin/sh
# run.sh of the kernelspec for Dask on YARN: submits the launcher, a zip that Python runs, so that
# the one file dask-yarn ships is all there is to ship. Arguments are the launcher's.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=kernelspecs/bin/options.sh
. "$here/bin/options.sh"
# shellcheck source=kernelspecs/bin/hosts.sh
. "$here/bin/hosts.sh"

launcher_arguments=$#
DASK_YARN_EXE=${DASK_YARN_EXE:-$(command -v dask-yarn || :)}
[ -x "$DASK_YARN_EXE" ] ||
    fail 66 "no dask-yarn on PATH, nor at DASK_YARN_EXE=$DASK_YARN_EXE; $(set_in_spec DASK_YARN_EXE)"
PYTHON=$(find_python "${PYTHON:-}" PYTHON)
export PYTHON
hide_gateway
set -- "$@" "$DASK_YARN_EXE" submit
dask_words=$(words "${DASK_OPTS:-}")
while IFS= read -r word; do
    [ -z "$word" ] || set -- "$@" "$word"
done <<END
$dask_words
END
[ -z "$user" ] || set -- "$@" --user "$user"
set -- "$@" "$here/scripts/kernel_launcher.zip"
launch_words=$(words "${LAUNCH_OPTS:-}")
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
