# SPDX-License-Identifier: MIT
# What tools/exec-gdb.py prints, against what exec_dump printed. Sourced by tests/run.

run_gdb() {
    timeout --foreground -k 5 100 gdb -nx -q -batch -iex 'set debuginfod enabled off' -x tools/exec-gdb.py "$@" 2>&1
}

# What stands between two marks; without the heads of several executors.
marked() { awk -v mark="$1" '$0 == mark { on = !on; next } on' "$2" | grep -v '^executor 0x'; }

# same WHAT WANT GOT
same() {
    diff "$2" "$3" >"$DIR/diff" && return
    echo "FAIL: $1: exec_dump (<), gdb (>)"
    cat "$DIR/diff"
    return 1
}

# What gdb does not call is left out, or named: see tests/gdb/dump.c.
without_calls() {
    sed -e 's/ ~.*//' \
        -e 's/^\( *\)hidden$/\1(branches that exec-gdb.py does not know; in a live process: exec-dump \/c)/' "$1"
}

# dump_and_compare PROGRAM MODE: live, live with calls, and from a core file.
dump_and_compare() {
    local program=$1 said=$DIR/said live=$DIR/live.log core=$DIR/core.log bad=0 what="${1##*/} $2"
    rm -f "$said" "$said.second" "$DIR/core"
    run_gdb -ex run -ex 'echo MARK\n' -ex exec-dump -ex 'echo MARK\nCALL\n' -ex 'exec-dump /c' \
        -ex 'echo CALL\n' -ex "generate-core-file $DIR/core" --args "$program" "$said" "$2" >"$live"
    run_gdb -ex 'echo MARK\n' -ex exec-dump -ex 'echo MARK\n' "$program" "$DIR/core" >"$core"
    [ -s "$said" ] || { cat "$live"; echo "FAIL: $what: it did not dump itself"; return 1; }
    [ -e "$said.second" ] && cat "$said.second" >>"$said"
    without_calls "$said" >"$DIR/want"
    marked MARK "$live" >"$DIR/got.live"
    marked MARK "$core" >"$DIR/got.core"
    marked CALL "$live" >"$DIR/got.call"
    same "$what, live" "$DIR/want" "$DIR/got.live" && same "$what, core" "$DIR/want" "$DIR/got.core" &&
        same "$what, live with /c" "$said" "$DIR/got.call" || { tail -n 5 "$live" "$core"; bad=1; }
    COMPARED=$((COMPARED + 3))
    return $bad
}

# A list that never ends is told, and what stands behind it is printed.
broken_list_is_told() {
    run_gdb -ex run -ex exec-dump --args "$1" "$DIR/said" broken >"$DIR/live.log"
    grep -q '^exec-gdb: the list of tasks is broken' "$DIR/live.log" && grep -q '^net: 2 wait' "$DIR/live.log" &&
        return
    tail -n 20 "$DIR/live.log"
    echo "FAIL: ${1##*/}: a broken list"
    return 1
}

# dumps NAME COMMAND...: the program of tests/gdb, built so.
dumps() {
    local program=$DIR/$1 mode bad=0
    shift
    # shellcheck disable=SC2086
    compile "$program" "$@" $WARN_C tests/gdb/dump.c tests/gdb/second.c -pthread ||
        { echo "FAIL: ${program##*/} does not compile"; return 1; }
    for mode in inside outside two; do
        dump_and_compare "$program" $mode || bad=1
    done
    return $bad
}

# The table of the script against the compiler's own layout.
table_is_true() {
    local options=$* says
    printf '#define EXEC_IMPLEMENTATION\n#include "exec_net.h"\n' >"$DIR/layout.c"
    # shellcheck disable=SC2086
    gcc $C11 -O1 -g -I. $options -c "$DIR/layout.c" -o "$DIR/layout.o" || return 1
    says=$(run_gdb -ex exec-layout -ex 'echo done\n' "$DIR/layout.o")
    COMPARED=$((COMPARED + 1))
    [ "$says" = 'done' ] && return
    printf '%s\nFAIL: STRUCTS in tools/exec-gdb.py, with: %s\n' "$says" "$options"
    return 1
}

# What the headers describe, branch and dump: TABLE NAME.
described_by_headers() {
    sed -n 's/.*EXEC__TYPE(exec__[a-z0-9_]*, \([a-zA-Z_]*\), \([a-zA-Z_]*\), "\([a-z0-9_]*\)").*/\1 \2 \3/p' exec*.h |
        awk '$1 != "NULL" { print "WAITS_FOR", $3 } $2 != "NULL" { print "BRANCHES", $3 }'
    sed -n 's/^static void exec__\([a-z0-9_]*\)_dump(exec_driver .*{$/DRIVERS \1/p' exec*.h
}

# Each of them has its line in the script.
ops_are_known() {
    local table name n=0 bad=0
    run_gdb -ex 'python
for table in "WAITS_FOR", "BRANCHES", "DRIVERS":
    for name in globals()[table]: print(table, name)' >"$DIR/known"
    while read -r table name; do
        n=$((n + 1))
        grep -qx "$table $name" "$DIR/known" && continue
        echo "FAIL: tools/exec-gdb.py: $table has no '$name'"
        bad=1
    done < <(described_by_headers)
    COMPARED=$((COMPARED + n))
    [ $n -gt 10 ] && [ $bad -eq 0 ]
}

# Times are another moment's.
without_times() { sed 's/until [+-][0-9]* [a-z]*/until then/' "$1"; }

# Connections to $PORT, as descriptors 5 to 8: two idle, one in the middle of a request, and one that has
# its reply, so that those before it were accepted.
connect_clients() {
    local reply
    exec 5<>"/dev/tcp/127.0.0.1/$PORT" 6<>"/dev/tcp/127.0.0.1/$PORT" 7<>"/dev/tcp/127.0.0.1/$PORT" \
        8<>"/dev/tcp/127.0.0.1/$PORT" || return 1
    printf 'GET / HTTP/1.1\r\nHost: lo' >&7
    printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' >&8
    read -r -t 10 reply <&8 && [ -n "$reply" ]
}
disconnect_clients() { exec 5>&- 6>&- 7>&- 8>&-; }

# serve_and_compare EXAMPLE FLAGS...: a server that runs, and its core.
serve_and_compare() {
    local name=$1 program=$DIR/$1 where bad=0
    shift
    compile "$program" gcc "$@" "examples/$name.c" && serve "$program" || return 1
    connect_clients || { echo "FAIL: $name: no reply"; bad=1; }
    rm -f "$DIR/core"
    run_gdb -ex 'echo MARK\n' -ex exec-dump -ex 'echo MARK\n' -ex "generate-core-file $DIR/core" \
        -ex 'call (void) exec_dump(*(void **) &exec__current)' -p "$SERVER" >"$DIR/live.log"
    disconnect_clients
    stop "$SERVER"
    run_gdb -ex 'echo MARK\n' -ex exec-dump -ex 'echo MARK\n' "$program" "$DIR/core" >"$DIR/core.log"
    sed 1d "$DIR/server.log" >"$DIR/said"
    for where in live core; do
        marked MARK "$DIR/$where.log" >"$DIR/got.$where"
        same "$name $*, $where" <(without_times "$DIR/said") <(without_times "$DIR/got.$where") || bad=1
        awk -v file="examples/$name.c:" '/^task/ { n++; if (!places) bad = 1; places = 0 }
            NR == 2 { bad = 0 } index($0, file) { places++ } END { exit bad || !places || n < 4 }' \
            "$DIR/got.$where" || { cat "$DIR/got.$where"; echo "FAIL: $name, $where: a task without its line"; bad=1; }
        COMPARED=$((COMPARED + 2))
    done
    [ $bad -eq 0 ] || tail -n 5 "$DIR/live.log" "$DIR/core.log"
    return $bad
}

gdb_variants() {
    local bad=0
    dumps gcc-O2 gcc $C11 -O2 -g && broken_list_is_told "$DIR/gcc-O2" || bad=1
    dumps gcc-O0 gcc $C11 -O0 -g || bad=1
    dumps gcc-debug gcc $C11 -O2 -g -DEXEC_DEBUG=1 || bad=1
    dumps gcc-small gcc $C11 -O2 -g -DEXEC_SMALL=1 || bad=1
    dumps gcc-small-no-g gcc $C11 -Os -DEXEC_SMALL=1 || bad=1
    dumps gcc-no-g gcc $C11 -O2 && broken_list_is_told "$DIR/gcc-no-g" || bad=1
    dumps gcc-stripped gcc $C11 -O2 -s || bad=1
    dumps gcc-wheel-no-g gcc $C11 -O2 -DEXEC_TIMER_BITS=5 -DEXEC_TIMER_LEVELS=4 -DEXEC_TIMER_TICK_NS=100000 || bad=1
    if have clang; then
        dumps clang-O2 clang $C11 -O2 -g || bad=1
        dumps clang-no-g clang $C11 -O1 || bad=1
    fi
    if can_m32; then
        dumps m32 gcc $C11 $M32 -O2 -g || bad=1
        dumps m32-no-g gcc $C11 $M32 -O2 || bad=1
    fi
    have musl-gcc && { dumps musl-static musl-gcc $C11 -static -O2 || bad=1; }
    return $bad
}

gdb_tables() {
    local options bad=0
    for options in '' -DEXEC_DEBUG=1 -DEXEC_NO_MALLOC=1 -DEXEC_NO_THREADS=1 -DEXEC_SMALL=1 \
        -DEXEC_TIMER_BITS=5 \
        '-DEXEC_TIMER_BITS=2 -DEXEC_TIMER_LEVELS=3'; do
        table_is_true "$options" || bad=1
        can_m32 && { table_is_true "$options $M32" || bad=1; }
    done
    return $bad
}

gdb_servers() {
    local name bad=0
    for name in echo http; do
        [ -e "examples/$name.c" ] || continue
        serve_and_compare $name -O2 -g || bad=1
        serve_and_compare $name -O2 || bad=1
    done
    return $bad
}

# Whether gdb may attach to what it did not start.
can_attach() {
    local sleeper status
    sleep 30 &
    sleeper=$!
    run_gdb -ex 'info inferiors' -p $sleeper | grep -q "process $sleeper"
    status=$?
    stop $sleeper
    return $status
}

config_gdb() {
    local bad=0
    needs gdb
    DIR=$BUILD/gdb
    COMPARED=0
    mkdir -p "$DIR"
    gdb -nx -batch -ex 'python print("python " + "works")' 2>&1 | grep -q '^python works' ||
        skip 'this gdb was built without python'
    run_gdb -ex run --args "$(command -v true)" | grep -q 'exited normally' || skip 'gdb may not trace here'
    hash_sources
    gdb_tables || bad=1
    ops_are_known || bad=1
    gdb_variants || bad=1
    if can_attach; then
        gdb_servers || bad=1
    else
        note '(without running servers: gdb may not attach, see /proc/sys/kernel/yama/ptrace_scope)'
    fi
    counted $COMPARED
    [ $bad -eq 0 ]
}
