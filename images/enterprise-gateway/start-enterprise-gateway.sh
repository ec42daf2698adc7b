#!/bin/sh
# Starts the gateway: gives each variable without a value its default, turns those that the server
# does not read by itself into options, and becomes the server. Further arguments are the server's.
# All variables are listed in docs/images/enterprise-gateway.md. Prints no values: some are secrets.
set -eu

say() {
    printf 'start-enterprise-gateway: %s\n' "$*" >&2
}

# A uid without a name: the server asks for it.
if ! id -un >/dev/null 2>&1; then
    export USER="${USER:-jovyan}"
    export LOGNAME="${LOGNAME:-$USER}"
fi

# --- Where it listens: the old names win, as they always have --------------------------------------

export EG_IP="${KG_IP:-${EG_IP:-0.0.0.0}}"
export EG_PORT="${KG_PORT:-${EG_PORT:-8888}}"
export EG_PORT_RETRIES="${KG_PORT_RETRIES:-${EG_PORT_RETRIES:-0}}"
export EG_RESPONSE_PORT="${EG_RESPONSE_PORT:-8877}"

# --- Kernels -----------------------------------------------------------------------------------------

export EG_DEFAULT_KERNEL_NAME="${EG_DEFAULT_KERNEL_NAME:-${KG_DEFAULT_KERNEL_NAME:-python_docker}}"
export EG_LIST_KERNELS="${EG_LIST_KERNELS:-${KG_LIST_KERNELS:-True}}"
export EG_DOCKER_NETWORK="${EG_DOCKER_NETWORK:-bridge}"
export EG_KERNEL_LAUNCH_TIMEOUT="${EG_KERNEL_LAUNCH_TIMEOUT:-60}"
export EG_SSH_PORT="${EG_SSH_PORT:-2122}"
export EG_ENABLE_TUNNELING="${EG_ENABLE_TUNNELING:-False}"

# What of our own environment the launch script of a kernel gets: the way to the engine, and what it
# has to know of the gateway. The launch scripts keep all of these names from the kernel itself.
export EG_CLIENT_ENVS="${EG_CLIENT_ENVS:-${EG_ENV_WHITELIST:-}}"
inherited=${EG_INHERITED_ENVS:-${EG_ENV_PROCESS_WHITELIST:-}}
for name in PATH DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONFIG EG_INHERITED_ENVS \
    EG_CLIENT_ENVS EG_KERNEL_LAUNCH_TIMEOUT EG_REMOVE_CONTAINER EG_DOCKER_ALLOWED_MOUNTS \
    EG_KUBERNETES_ALLOWED_VOLUMES EG_KUBERNETES_AUTOSCALING EG_KUBERNETES_CLUSTER_UIDS \
    EG_POD_TEMPLATE_DIR EG_NAMESPACE EG_SHARED_NAMESPACE EG_KERNEL_NAMESPACES \
    EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME EG_KERNEL_SERVICE_ACCOUNTS EG_SPARK_SERVICE_ACCOUNTS; do
    inherited=${inherited:+$inherited,}$name
done
export EG_INHERITED_ENVS="$inherited"
[ "$EG_CLIENT_ENVS" != '*' ] ||
    say "warning: with EG_CLIENT_ENVS=* clients also set what launch scripts run with, such as PATH"

# Both forms are in use: 'a','b' (perhaps in brackets) and a,b. Names of kernels are in lower case.
allowed=${EG_ALLOWED_KERNELS:-${EG_KERNEL_WHITELIST:-null}}
allowed=$(printf '%s' "$allowed" | tr -d "[]'\" \t\n" | tr '[:upper:]' '[:lower:]')
case $allowed in
    null | '') ;;
    *[!a-z0-9._,-]*)
        say "error: EG_ALLOWED_KERNELS is not a list such as python_docker,r_docker"
        exit 64
        ;;
    *)
        allowed=$(printf '%s' "$allowed" | sed "s/,,*/','/g; s/^/['/; s/\$/']/")
        set -- "--KernelSpecManager.whitelist=$allowed" "$@"
        ;;
esac

# --- The engine ------------------------------------------------------------------------------------

socket=/var/run/docker.sock
if [ -z "${DOCKER_HOST:-}" ] && [ -S "$socket" ] && [ ! -w "$socket" ]; then
    say "warning: uid $(id -u) may not use $socket, so no kernel will start with Docker;" \
        "fix: docker run --group-add $(stat -c %g "$socket") ..."
fi

exec jupyter enterprisegateway \
    --log-level="${EG_LOG_LEVEL:-INFO}" \
    --RemoteMappingKernelManager.cull_idle_timeout="${EG_CULL_IDLE_TIMEOUT:-43200}" \
    --RemoteMappingKernelManager.cull_interval="${EG_CULL_INTERVAL:-60}" \
    --RemoteMappingKernelManager.cull_connected="${EG_CULL_CONNECTED:-False}" \
    --RemoteMappingKernelManager.kernel_info_timeout="${EG_KERNEL_INFO_TIMEOUT:-60}" \
    "$@"
