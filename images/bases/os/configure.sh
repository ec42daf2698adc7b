#!/bin/sh
# Runs inside the new root file system, once: from "unpacked" to "installed", then away with all
# that only this run knows (docs/rootfs.md lists what is left).
set -eu

# The time of this file is the epoch of the root file system (buildlib/outside/debian/dpkgdb.py).
# Tools that write dates take it from the environment.
SOURCE_DATE_EPOCH=$(stat -c %Y /var/lib/dpkg/info/format)
export SOURCE_DATE_EPOCH DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export LC_ALL=C.UTF-8

# dpkg runs these before it unpacks; here the files lie there already. base-passwd's comes first:
# it makes /etc/passwd and /etc/group, which all others need.
for script in /var/lib/dpkg/info/base-passwd.preinst /var/lib/dpkg/info/*.preinst; do
    package=$(basename "$script" .preinst)
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=${package%:*} \
        DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_ARCH=$(dpkg --print-architecture) \
        DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT='' "$script" install
done
dpkg --configure --pending

unconfigured=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | grep -v '^ii ' || true)
audit=$(dpkg --audit)
if [ -n "$unconfigured$audit" ]; then
    printf 'packages are left unconfigured:\n%s\n%s\n' "$unconfigured" "$audit" >&2
    exit 1
fi

# Logs, backups of files just written, and caches that hold inode numbers or dates.
find /var/log -type f -delete
rm -f /var/cache/ldconfig/aux-cache
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
    /var/lib/dpkg/status-old /var/lib/dpkg/diversions-old /var/lib/dpkg/statoverride-old \
    /var/cache/debconf/*-old
rm -f /configure.sh

# Nothing is newer than the epoch. What the engine mounts during the run is not ours to touch.
find / -xdev \( -path /dev -o -path /proc -o -path /sys \
    -o -path /etc/hosts -o -path /etc/resolv.conf \) -prune \
    -o -newermt "@$SOURCE_DATE_EPOCH" \
    -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
