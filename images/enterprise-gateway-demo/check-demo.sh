#!/bin/sh
# Does all that this container was started for serve? Exit code 0 if so; for HEALTHCHECK and probes.
set -eu

check-hadoop.sh
# What the container was told to do stands in the command of its first process.
case $(tr '\000' ' ' <"${CHECK_COMMAND:-/proc/1/cmdline}") in
    *" --gateway"* | *" --elyra"*) check-enterprise-gateway.sh ;;
esac
