#!/bin/sh
# The entrypoint: writes Hadoop's settings for this host, starts HDFS, YARN and Spark's history
# server under supervisord, waits until they serve, and then waits for their end or runs a command.
# docs/images/demo-base.md has the details.
set -eu

HADOOP_HOME=${HADOOP_HOME:-/opt/hadoop}
export HADOOP_HOME HADOOP_CONF_DIR="${HADOOP_CONF_DIR:-$HADOOP_HOME/etc/hadoop}"
TEMPLATES=$HADOOP_HOME/etc/templates
DATA=/var/lib/hadoop
LOGS=/var/log/hadoop
CHECK=/usr/local/bin/check-hadoop.sh
SUPERVISOR=$HADOOP_CONF_DIR/supervisord.conf
HOST=$(uname -n)
YARN_HOST=${YARN_HOST:-$HOST}
PATIENCE=${BOOTSTRAP_TIMEOUT:-120} # seconds until all has to serve

say() {
    printf 'bootstrap-yarn-spark: %s\n' "$*" >&2
}

fail() { # message, fix, exit code
    say "error: $1"
    say "fix: $2"
    exit "${3:-64}" # EX_USAGE
}

pages() {
    cat <<END
Web pages, once they are published (-p 8088:8088 and so on):
  YARN, its applications and nodes      http://$YARN_HOST:8088
  this node of YARN, logs of containers http://$HOST:8042
  HDFS and its files                    http://$YARN_HOST:9870
  history of Spark's applications       http://$YARN_HOST:18080
The pages link to each other by host name: on your computer, let /etc/hosts say "127.0.0.1 $YARN_HOST".
END
}

usage() {
    cat <<END
usage: docker run [-e YARN_HOST=HOST] IMAGE [--yarn | --nodemanager | --help | COMMAND [ARGUMENT...]]

  --yarn         HDFS, YARN and Spark's history server, until the container is stopped
  --nodemanager  a further node for the YARN of YARN_HOST, until the container is stopped
  --help         this text
  COMMAND        run it when the services are up, and end them with it; such as bash. With YARN_HOST,
                 which names a container that runs --yarn, no services are started here.

$(pages)
END
}

# --- What is to run here ---------------------------------------------------------------------------

daemons=
case ${1:---help} in
    --help | -h)
        usage
        exit
        ;;
    --yarn)
        [ "$YARN_HOST" = "$HOST" ] || fail "--yarn starts a cluster here, and YARN_HOST=$YARN_HOST \
is another host" "leave YARN_HOST out, or say --nodemanager to join that host's cluster"
        [ $# -eq 1 ] || fail "--yarn takes no further arguments" "docker run IMAGE --yarn"
        daemons="namenode datanode resourcemanager nodemanager history"
        ;;
    --nodemanager)
        [ "$YARN_HOST" != "$HOST" ] || fail "--nodemanager joins the cluster of another host" \
            "docker run -e YARN_HOST=HOST IMAGE --nodemanager"
        [ $# -eq 1 ] || fail "--nodemanager takes no further arguments" \
            "docker run -e YARN_HOST=HOST IMAGE --nodemanager"
        daemons=nodemanager
        ;;
    -*)
        fail "there is no option $1" "docker run IMAGE --help lists those there are"
        ;;
    *)
        [ "$YARN_HOST" != "$HOST" ] ||
            daemons="namenode datanode resourcemanager nodemanager history"
        ;;
esac

runs() { # daemon: whether it runs here
    case " $daemons " in *" $1 "*) ;; *) return 1 ;; esac
}

# A uid without a name: Hadoop would not start.
# shellcheck source=images/spark/name-user.sh
. "${SPARK_HOME:-/opt/spark}/sbin/name-user.sh"

for name in "$HOST" "$YARN_HOST"; do
    getent hosts "$name" >/dev/null || fail "the host $name has no address here" \
        "docker run --hostname $name --add-host $name:127.0.0.1 for one container without a network, \
or put both containers on one network: docker network create NAME" 68 # EX_NOHOST
done
for folder in "$DATA" "$LOGS" "$HADOOP_CONF_DIR"; do
    [ -w "$folder" ] || fail "user $(id -u) may not write $folder" \
        "docker run --user $(id -u):100, or a volume that group 100 may write" 73 # EX_CANTCREAT
done

# --- Settings --------------------------------------------------------------------------------------

# What the container may use, less what the daemons take.
memory_for_yarn() {
    limit=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        bytes=$(cat "$file" 2>/dev/null) || continue
        [ "$bytes" = max ] || [ ${#bytes} -gt 15 ] || [ $((bytes / 1048576)) -ge "$limit" ] ||
            limit=$((bytes / 1048576))
        break
    done
    ! runs namenode || limit=$((limit - 1024))
    limit=$((limit - 512))
    [ "$limit" -le 8192 ] || limit=8192
    [ "$limit" -ge 1024 ] || limit=1024
    echo "$limit"
}

# With sudo, a container runs as whoever asked for it; its logs are the group hadoop's to read.
executor=LinuxContainerExecutor
case " $(id -Gn) " in *" hadoop "*) ;; *) executor=DefaultContainerExecutor ;; esac
"$HADOOP_HOME/libexec/container-executor" --checksetup >/dev/null 2>&1 ||
    executor=DefaultContainerExecutor
memory=${YARN_MEMORY_MB:-$(memory_for_yarn)}
vcores=${YARN_VCORES:-8}
for template in "$TEMPLATES"/*; do
    sed -e "s/@YARN_HOST@/$YARN_HOST/g" -e "s/@HOST@/$HOST/g" \
        -e "s/@MEMORY_MB@/$memory/g" -e "s/@VCORES@/$vcores/g" \
        -e "s/@EXECUTOR@/$executor/g" "$template" >"$HADOOP_CONF_DIR/${template##*/}"
done

write_supervisor() {
    log=/dev/stdout # whoever works in a terminal has it in a file
    [ ! -t 0 ] || log=$LOGS/supervisord.log
    cat <<END
[supervisord]
nodaemon=true
silent=true
logfile=$log
logfile_maxbytes=0
pidfile=$LOGS/supervisord.pid
; In one group: all get the signal to end at once.
[group:hadoop]
programs=$(echo "$daemons" | tr ' ' ,)
END
    for daemon in $daemons; do
        case $daemon in
            namenode | datanode) command="$HADOOP_HOME/bin/hdfs $daemon" ;;
            history) command="$HADOOP_HOME/libexec/start-history-server.sh" ;;
            *) command="$HADOOP_HOME/bin/yarn $daemon" ;;
        esac
        cat <<END
[program:$daemon]
command=$command
autorestart=true
startsecs=2
startretries=1000000
stopwaitsecs=7
killasgroup=true
redirect_stderr=true
stdout_logfile=$LOGS/$daemon.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
END
    done
}

# --- Services --------------------------------------------------------------------------------------

supervisor=
stop() {
    trap '' TERM INT
    [ -z "$supervisor" ] || {
        kill -TERM "$supervisor" 2>/dev/null || true
        wait "$supervisor" || true
    }
}

began=$(date +%s)
serve() { # what for, command...: wait until the command succeeds
    what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$supervisor" 2>/dev/null || fail "supervisord has ended" "see its words above" 70
        [ $(($(date +%s) - began)) -lt "$PATIENCE" ] || {
            stop
            fail "$what not after $PATIENCE s" "docker cp CONTAINER:$LOGS . has the daemons' logs" 70
        }
        sleep 0.3
    done
}

# Named in arguments of `serve`.
# shellcheck disable=SC2329
joined() { # whether YARN has this node
    id=$(curl --silent --fail --max-time 5 "http://$HOST:8042/ws/v1/node/info" |
        grep -o '"id":"[^"]*"') || return
    curl --silent --fail --max-time 5 "http://$YARN_HOST:8088/ws/v1/cluster/nodes?states=RUNNING" |
        grep -qF "$id"
}

put() { # path, owner, group, mode in HDFS; what is there stays as it is
    place="$HOST:9870/webhdfs/v1$1?user.name=$(id -un)"
    ! curl --silent --fail --max-time 60 --output /dev/null "http://$place&op=GETFILESTATUS" || return 0
    for call in "op=MKDIRS&permission=$4" "op=SETPERMISSION&permission=$4" \
        "op=SETOWNER&owner=$2&group=$3"; do
        curl --silent --fail --show-error --max-time 60 --output /dev/null -X PUT \
            "http://$place&$call" || fail "HDFS did not make $1" "see $LOGS/namenode.log" 70
    done
}

make_folders() {
    put /tmp jovyan users 1777
    put /tmp/hive jovyan users 1777
    put /tmp/logs jovyan users 1777
    put /user jovyan users 755
    put /spark jovyan users 755
    put /spark/events jovyan users 1777
    for user in root jovyan elyra bob alice; do
        put "/user/$user" "$user" users 700
    done
}

if [ -n "$daemons" ]; then
    trap 'stop; exit 143' TERM
    trap 'stop; exit 130' INT
    write_supervisor >"$SUPERVISOR"
    [ "$executor" = LinuxContainerExecutor ] || ! runs nodemanager ||
        say "no sudo here: containers of all users of YARN run as user $(id -u)"
    if runs namenode && [ ! -d "$DATA/dfs/name/current" ]; then
        say "formatting HDFS in $DATA"
        "$HADOOP_HOME/bin/hdfs" namenode -format -nonInteractive >"$LOGS/format.log" 2>&1 ||
            fail "HDFS could not be formatted: $(tail -n 5 "$LOGS/format.log")" \
                "an empty volume that user $(id -u) may write" 70
    fi
    supervisord --configuration "$SUPERVISOR" &
    supervisor=$!
    if runs namenode; then
        serve "HDFS serves" "$CHECK" namenode
        make_folders
    fi
    serve "YARN has the node $HOST" joined
    say "$(echo "$daemons" | tr ' ' ,) are up after $(($(date +%s) - began)) s"
    pages >&2
fi

case $1 in
    --*)
        wait "$supervisor" && code=0 || code=$?
        exit "$code"
        ;;
esac
"$@" && code=0 || code=$?
stop
exit "$code"
