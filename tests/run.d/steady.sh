# SPDX-License-Identifier: MIT
# What costs nothing when nothing happens: counted by an interposer and by strace. Sourced by tests/run.

# The system calls between the two marks.
between() { awk -v from="$2" -v to="$3" '$0 ~ from { on = 1; next } $0 ~ to { on = 0 } on' "$1"; }

# steady_echo BACKEND CONNECTIONS ROUNDS: one run of examples/echo.c under strace and the interposer.
steady_echo() {
    local backend=$1 connections=$2 rounds=$3 dir=$BUILD/steady trace calls echoes bad=0 tracer
    trace=$dir/trace.$backend.$connections
    rm -f "$dir/pid" "$dir/server.log"
    # The shell writes down its number, which is the server's after exec.
    # shellcheck disable=SC2016
    strace -o "$trace" -E LD_PRELOAD="$dir/interpose.so" \
        sh -c 'echo $$ >"$1/pid"; exec "$1/echo-$2" 127.0.0.1:0' sh "$dir" "$backend" >"$dir/server.log" 2>&1 &
    tracer=$!
    listens "$dir/server.log" || { stop $tracer; return 1; }
    timeout 100 "$dir/client" "$PORT" "$connections" "$rounds" "$(cat "$dir/pid")" ||
        { echo 'the client failed'; bad=1; }
    kill "$(cat "$dir/pid")"
    wait $tracer 2>/dev/null
    echoes=$((connections * rounds))
    between "$trace" 'SIGUSR1 ' 'SIGUSR2 ' | grep -v 'rt_sigreturn\|^---\|EINTR\|restart_syscall' >"$trace.steady"
    calls=$(wc -l <"$trace.steady")
    echo "$backend, $connections connections, $echoes echoes: $calls system calls," \
        "$(grep 'heap calls' "$dir/server.log")"
    sed 's/(.*//' "$trace.steady" | sort | uniq -c
    grep -q '^heap calls: 0$' "$dir/server.log" || { echo 'FAIL: the heap is used'; bad=1; }
    grep -n 'epoll_ctl' "$trace.steady" && { echo 'FAIL: epoll_ctl'; bad=1; }
    grep -nE '^(read|recv[a-z]*|write|send[a-z]*)\(.*EAGAIN' "$trace.steady" && { echo 'FAIL: EAGAIN'; bad=1; }
    grep -vnE "^($WAITS|read|recv[a-z]*|write|send[a-z]*)\\(" "$trace.steady" &&
        { echo 'FAIL: other calls'; bad=1; }
    # a read and a write each, and at most one wait (the one that the mark interrupted is begun again)
    [ "$calls" -gt $((2 * echoes - 1)) ] && [ "$calls" -le $((3 * echoes + 2)) ] ||
        { echo "FAIL: $calls calls for $echoes echoes"; bad=1; }
    return $bad
}

WAITS='epoll_p?wait2?|p?poll'

# Between going to sleep and waking: the park, and at most levels - 1 more for a cascade.
idle_makes_no_system_call() { # BACKEND MILLISECONDS
    local dir=$BUILD/steady ms=$2 waits others levels
    levels=$(awk '/define EXEC_TIMER_LEVELS/ { print $3; exit }' exec_timer.h)
    strace -o "$dir/idle.trace" "$dir/idle-$1" "$ms" >"$dir/idle.log" 2>&1 || { cat "$dir/idle.log"; return 1; }
    between "$dir/idle.trace" 'idle begins' 'idle ends' >"$dir/idle.calls"
    waits=$(grep -cE "^($WAITS)\\(" "$dir/idle.calls")
    others=$(grep -vcE "^($WAITS)\\(" "$dir/idle.calls")
    echo "$1, idle for $ms ms: $waits waits, $others other system calls"
    cat "$dir/idle.calls"
    [ "$others" -eq 0 ] && [ "$waits" -ge 1 ] && [ "$waits" -le "$levels" ]
}

config_steady_state() {
    local dir=$BUILD/steady backend option ms bad=0 n=0
    needs strace
    mkdir -p "$dir"
    can_strace || skip 'strace may not trace here'
    hash_sources
    # shellcheck disable=SC2086
    compile "$dir/interpose.so" gcc -O1 -shared -fPIC -Wall tests/steady/interpose_malloc.c &&
        compile "$dir/client" gcc -O1 $WARN_C tests/steady/client.c || exit 1
    for backend in epoll poll posix; do
        case $backend in poll) option=$POLL ;; posix) option=-DEXEC_POSIX_ONLY=1 ;; *) option= ;; esac
        # shellcheck disable=SC2086
        compile "$dir/idle-$backend" gcc $C11 -O2 $WARN_C $option tests/steady/idle.c &&
            compile "$dir/echo-$backend" gcc -O2 $option examples/echo.c || exit 1
        steady_echo $backend 1 200 || bad=1
        steady_echo $backend 50 40 || bad=1
        for ms in 700 1500; do
            idle_makes_no_system_call $backend $ms || { echo "FAIL: $backend, idle for $ms ms"; bad=1; }
        done
        n=$((n + 4))
    done
    counted $n
    [ $bad -eq 0 ]
}
