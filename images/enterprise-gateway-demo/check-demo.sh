#!/bin/sh
# Does what this container was started for work? Exit code 0 if so; for HEALTHCHECK and probes.
set -eu

# What the container was told to do stands behind tini.
command=$(tr '\000' ' ' </proc/1/cmdline)
case $command in
    *--gateway* | *--elyra*) check-enterprise-gateway.sh ;;
esac
