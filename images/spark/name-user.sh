# shellcheck shell=sh
# Sourced: gives a user without an entry in /etc/passwd a name, for this process and its children.
#
# Hadoop asks Java's UnixLoginModule who runs it, and a uid without a name is a
# NullPointerException there, whatever HADOOP_USER_NAME says. /etc/passwd stays as it is: nss_wrapper
# lets the C library read a copy with one line more.

if ! id -un >/dev/null 2>&1; then
    for place in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm; do
        folder=$(mktemp -d "$place/user.XXXXXX" 2>/dev/null) && break
    done
    if [ -n "$folder" ]; then
        # The name is the gateway's word for a person, so it is cut down to what a name may hold.
        name=$(printf %s "${USER:-${KERNEL_USERNAME:-jovyan}}" | tr -cd '[:alnum:]_.@-' | cut -c1-64)
        {
            cat /etc/passwd
            printf '%s:x:%s:%s::%s:/bin/sh\n' \
                "${name:-jovyan}" "$(id -u)" "$(id -g)" "$(printf %s "${HOME:-/}" | tr -d ':\n')"
        } >"$folder/passwd"
        export NSS_WRAPPER_PASSWD="$folder/passwd" NSS_WRAPPER_GROUP=/etc/group
        export LD_PRELOAD="libnss_wrapper.so${LD_PRELOAD:+:$LD_PRELOAD}"
        export USER="${name:-jovyan}"
    else
        echo "no folder to write to: Hadoop will not know the user $(id -u)" >&2
    fi
    unset folder name place
fi
