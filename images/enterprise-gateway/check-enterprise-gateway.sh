#!/bin/sh
# Does the gateway of this container answer? Exit code 0 if so; for HEALTHCHECK and probes.
# It follows the same variables as start-enterprise-gateway.sh.
set -eu

port=${KG_PORT:-${EG_PORT:-8888}}
base=${EG_BASE_URL:-${KG_BASE_URL:-/}}
base=${base#/}
base=${base%/}
token=${EG_AUTH_TOKEN:-${KG_AUTH_TOKEN:-}}
ip=${KG_IP:-${EG_IP:-0.0.0.0}}
case $ip in
    0.0.0.0 | '*') ip=127.0.0.1 ;;
    ::) ip='[::1]' ;;
    *:*) ip="[$ip]" ;;
esac
scheme=http
[ -z "${EG_CERTFILE:-${KG_CERTFILE:-}}" ] || scheme=https

# --insecure: the certificate is for the host's name, not for this address; and nothing is between.
# The token goes through a pipe: everybody may read the arguments of a process.
header=
[ -z "$token" ] || header="Authorization: token $token"
printf '%s\n' "$header" |
    curl --silent --show-error --fail --insecure --noproxy '*' --max-time 8 --output /dev/null \
        --header @- "$scheme://$ip:$port${base:+/$base}/api"
