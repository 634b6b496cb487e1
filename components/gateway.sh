#!/bin/bash
# Runs HAProxy on delivered files and reloads it, without losing a connection, when they change to something valid.
#   gateway.sh         the container's process
#   gateway.sh status  the state of the configuration (current, draining, pending or refused) and why, then HAProxy's
#                      servers; draining: current, while a process with a former one ends its connections
# While nothing happens it starts no process: files are read by the shell itself, a pipe that only a signal writes to
# is the clock.
set -u
umask 077
files=/etc/gateway state=/tmp/gateway
config=$files/haproxy.cfg

ask() { # a command of HAProxy's; fails when HAProxy does not answer
    exec 4<>/dev/tcp/127.0.0.1/5003 || return
    printf '%s\n' "$1" >&4
    cat <&4
    exec 4>&-
} 2>/dev/null

read_files() { # into $seen
    local file text
    seen=
    for file in "$files"/*; do
        IFS= read -r -d '' text <"$file"
        seen+="$file $text"
    done
} 2>/dev/null

workers() { # how many processes of HAProxy there are beside its master, whose parent is no HAProxy
    local folder name parent count=0 rest
    for folder in /proc/[0-9]*; do
        read -r name <"$folder/comm" && [[ $name == haproxy ]] || continue
        read -r _ _ _ parent rest <"$folder/stat"
        read -r name <"/proc/$parent/comm" && [[ $name == haproxy ]] && ((count += 1))
    done
    echo "$count"
} 2>/dev/null

check() { haproxy -W -c -q -f "$config" 2>&1; }

status() {
    local wanted runs
    wanted=$(sed -n 's/^ *description //p;T;q' "$config")
    runs=$(ask 'show info' | sed -n 's/^[Dd]escription: //p')
    if [[ -n $wanted && $wanted == "$runs" ]]; then
        if (($(workers) > 1)); then echo draining; else echo current; fi
    elif [[ -s $state/refused ]]; then
        echo refused "$(tr '\n' ' ' <"$state/refused")"
    else
        echo pending
    fi
    ask 'show servers state'
}

finish() { # no new connections; open requests are finished, for as long as Docker waits; idle connections are closed
    ask 'disable frontend service' >/dev/null
    while (($(ask 'show sess' | grep -c '^0x') > 1 || $(workers) > 1)); do
        read -r -t 0.2 -u 3
    done
    while kill -TERM "$haproxy" 2>/dev/null; do
        read -r -t 0.2 -u 3
    done
}

run() {
    local taken haproxy answer ending=
    trap 'exit 143' TERM INT # of the first process in a container, a signal that nobody takes is lost
    mkdir -p "$state"
    : >"$state/servers"
    read_files
    taken=$seen
    if ! answer=$(check); then
        printf '%s\n' "$answer" >&2
        exit 1
    fi
    rm -f "$state/clock"
    mkfifo "$state/clock"
    exec 3<>"$state/clock"
    # All else is done outside: of a read that a trap has interrupted, with reads of its own, bash forgets the time.
    trap 'ending=1; echo >&3' TERM INT
    haproxy -W -db -f "$config" &
    haproxy=$!
    while kill -0 "$haproxy" 2>/dev/null; do
        read -r -t 1 -u 3
        if [[ $ending ]]; then
            finish
            break
        fi
        read_files
        [[ $seen == "$taken" ]] && continue
        taken=$seen
        if answer=$(check); then
            : >"$state/refused"
            ask 'show servers state' >"$state/servers.new" && mv "$state/servers.new" "$state/servers"
            kill -USR2 "$haproxy"
            echo 'the configuration has changed and is taken up'
        else
            printf '%s\n' "$answer" >"$state/refused"
            printf 'the configuration has changed and is refused; the former one stays\n%s\n' "$answer" >&2
        fi
    done
    wait "$haproxy"
}

case ${1-} in
    '') run ;;
    status) status ;;
    *) echo "usage: gateway.sh [status]" >&2; exit 2 ;;
esac
