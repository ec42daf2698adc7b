#!/bin/sh
# run.sh of the kernelspec for the gateway's hosts: runs the launcher that lies beside it.
# Arguments are the launcher's. docs/kernelspecs.md has the variables.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=kernelspecs/bin/options.sh
. "$here/bin/options.sh"
# shellcheck source=kernelspecs/bin/hosts.sh
. "$here/bin/hosts.sh"

python=$(find_python "${PYTHON:-}" PYTHON)
hide_gateway
run_here "$python" "$here/scripts/launch_ipykernel.py" "$@"
