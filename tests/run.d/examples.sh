# SPDX-License-Identifier: MIT
# The examples, and the programs that the texts show, as a reader meets them. Sourced by tests/run.

# The first comment holds the one command:
#     cc -O2 -o echo examples/echo.c && ./echo
example_command() { sed -n '1,5s/^.*\(cc .*\.c\)\( .*\)\?$/\1/p' "$1" | head -n 1 | sed 's/ *&&.*//'; }

# wait_for FILE REGEX: until a line is there, 5 s at most.
wait_for() {
    local i
    for i in $(seq 100); do
        grep -Eq -- "$2" "$1" 2>/dev/null && return
        sleep 0.05
    done
    echo "$1 does not say: $2"
    cat "$1"
    return 1
}

# Ends what was started here, by its number.
stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; return 0; }

# listens LOG: waits until a server says where; sets PORT.
listens() {
    wait_for "$1" '^listening on 127\.0\.0\.1:[0-9]+' || return 1
    PORT=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$1")
}

# serve PROGRAM: starts it on a free port; sets SERVER and PORT.
serve() {
    "$1" 127.0.0.1:0 >"$DIR/server.log" 2>&1 &
    SERVER=$!
    listens "$DIR/server.log"
}

nc_echoes() {
    have nc || { echo 'no nc'; return 0; }
    # -N: shut down after the end of input, so the server sees the end too
    [ "$(printf 'hello\nworld\n' | timeout 10 nc -N 127.0.0.1 "$PORT")" = "$(printf 'hello\nworld\n')" ] ||
        { echo 'nc did not get back what it sent'; return 1; }
}

# The load: connections at once, bytes each.
load() { echo "+ echo_load $*"; timeout 100 "$DIR/echo_load" "127.0.0.1:$PORT" "$@"; }

smoke_echo() {
    local bad=0 many=10000 limit
    limit=$(ulimit -H -n)
    [ "$limit" != unlimited ] && [ "$limit" -lt $((many + 100)) ] && many=$((limit - 100))
    serve "$DIR/tree/echo" || return 1
    nc_echoes || bad=1
    load 1 1 && load 200 70000 && load 50 1000000 && load $many 64 || bad=1
    nc_echoes || bad=1
    stop "$SERVER"
    note "($many connections at once)"
    says_where_it_listens || bad=1
    return $bad
}

# Without an argument it is port 7777, unless somebody has that already, which it says.
says_where_it_listens() {
    local status
    "$DIR/tree/echo" >"$DIR/default.log" 2>&1 &
    SERVER=$!
    wait_for "$DIR/default.log" '^listening on 127\.0\.0\.1:7777$|127\.0\.0\.1:7777: the address is in use'
    status=$?
    stop "$SERVER"
    return $status
}

smoke_static() {
    local bad=0
    serve "$DIR/tree/static" || return 1
    nc_echoes || bad=1
    load 10 100000 || bad=1
    stop "$SERVER"
    return $bad
}

# The answer comes, also to an empty question; where nobody answers the client says so.
smoke_udp() {
    local bad=0
    serve "$DIR/tree/udp" || return 1
    [ "$(timeout 20 "$DIR/tree/udp" -c "127.0.0.1:$PORT" 'hello there')" = 'hello there' ] || bad=1
    [ "$(timeout 20 "$DIR/tree/udp" -c "127.0.0.1:$PORT" '')" = '' ] || bad=1
    stop "$SERVER"
    timeout 20 "$DIR/tree/udp" -c "127.0.0.1:$PORT" x 2>&1 | grep -q 'nobody listens there' || bad=1
    "$DIR/tree/udp" --help | grep -q '^usage: udp' || bad=1
    [ $bad -eq 0 ] || echo 'udp: no answer, or a wrong one'
    return $bad
}

# A host program that watches its stdin beside the executor: on the backend that has one descriptor for that
# (and is built by its command), and on the one that has many.
smoke_embed() {
    gcc -O2 -DEXEC_BACKEND=EXEC_BACKEND_POLL examples/embed.c -o "$DIR/embed_poll" || return 1
    embed_answers "$DIR/tree/embed" && embed_answers "$DIR/embed_poll"
}

embed_answers() { # PROGRAM
    local input status
    rm -f "$DIR/stdin" "$DIR/server.log"
    mkfifo "$DIR/stdin"
    "$1" <"$DIR/stdin" >"$DIR/server.log" 2>&1 &
    SERVER=$!
    exec {input}>"$DIR/stdin"
    listens "$DIR/server.log" &&
        wait_for "$DIR/server.log" '^tick: 0 bytes' &&
        echo 123456789 >&"$input" &&
        wait_for "$DIR/server.log" '^tick: 10 bytes'
    status=$?
    if have nc && [ "$(timeout 10 nc -d 127.0.0.1 "$PORT")" != '10 bytes' ]; then
        echo "$1: nc was not told of 10 bytes"
        status=1
    fi
    exec {input}>&-
    [ $status -eq 0 ] || { stop "$SERVER"; return 1; }
    wait "$SERVER" || { cat "$DIR/server.log"; echo "$1: did not end well at the end of stdin"; return 1; }
}

# More lines than fit any table; one that is too long is told of and not run, the longest one is.
children_of_stdin() { # PROGRAM
    local longest
    longest=true$(head -c 16379 /dev/zero | tr '\0' ' ')
    seq 5000 | sed 's/^/: /' | timeout -k 5 100 "$1" -j 4 | sort | cmp - <(seq 5000 | sed 's/^/0 : /' | sort) &&
        printf '%s\n\necho last' "$longest" | timeout -k 5 20 "$1" -j 1 |
        cmp - <(printf '0 %s\nlast\n0 echo last\n' "$longest") ||
        return 1
    printf '%s \ntrue' "$longest" | timeout -k 5 20 "$1" >"$DIR/children.log" 2>"$DIR/children.err" && return 1
    [ "$(cat "$DIR/children.log")" = '0 true' ] &&
        grep -q 'not run, as it has more than 16383 bytes' "$DIR/children.err"
}

# Exit codes, the time limit, and SIGTERM, which ends all.
smoke_children() {
    local program=$DIR/tree/children
    printf 'true\nexit 3\n' | timeout -k 5 20 "$program" -j 1 >"$DIR/children.log" &&
        { echo 'it hides a failure'; return 1; }
    [ "$(cat "$DIR/children.log")" = "$(printf '0 true\n3 exit 3')" ] || { cat "$DIR/children.log"; return 1; }
    timeout -k 5 20 "$program" true true >/dev/null || { echo 'true failed'; return 1; }
    timeout -k 5 20 "$program" -t 1 'exec sleep 100' | grep -qx '143 exec sleep 100 (time limit)' ||
        { echo 'the time limit'; return 1; }
    children_of_stdin "$program" || { echo 'the lines of stdin'; return 1; }
    gcc -O2 -DEXEC_POSIX_ONLY=1 examples/children.c -o "$DIR/children_posix" || return 1
    echo true | "$DIR/children_posix" 2>"$DIR/children.log" &&
        { echo 'EXEC_POSIX_ONLY: it hides that it ran nothing'; return 1; }
    grep -q EXEC_POSIX_ONLY "$DIR/children.log" || { cat "$DIR/children.log"; return 1; }
    refuses "$program" -t 0.5 true && refuses "$program" -t 0 true && refuses "$program" -j 1.5 true &&
        refuses "$program" -j 1x true || return 1
    "$program" 'echo begun; exec sleep 100' >"$DIR/children.log" 2>&1 &
    SERVER=$!
    wait_for "$DIR/children.log" begun || { stop $SERVER; return 1; }
    kill -TERM $SERVER
    wait $SERVER
    [ $? -eq 1 ] || { echo 'SIGTERM does not end it'; return 1; }
}

# Lookups that take longer than the limit are given up: of 49, 16 at a time, the first ones are answered when that has
# happened to them, the last ones never.
slow_names() {
    local kind
    for kind in address,undefined thread; do
        # shellcheck disable=SC2086
        gcc $SANITIZE -pthread -fsanitize=$kind -Wl,--wrap=getaddrinfo examples/resolve.c tests/slow_names.c \
            -o "$DIR/slow-${kind%,*}" || return 1
    done
    for kind in address thread; do
        # shellcheck disable=SC2046
        NAMES_BEHIND=32 timeout -k 5 60 "$DIR/slow-$kind" -t 1 $(yes 127.0.0.1:1 | head -n 49) >"$DIR/resolve.log" 2>&1
        [ $? -eq 1 ] && [ "$(grep -c '^127.0.0.1:1 the time limit expired, ' "$DIR/resolve.log")" -eq 49 ] ||
            { cat "$DIR/resolve.log"; echo "lookups that are given up, $kind"; return 1; }
        # shellcheck disable=SC2046
        timeout -k 5 90 "$DIR/slow-$kind" -t 60 $(yes 127.0.0.1:1 | head -n 99) >"$DIR/resolve.log" 2>&1
        [ $? -eq 1 ] && [ "$(grep -c '^127.0.0.1:1 nobody listens there, ' "$DIR/resolve.log")" -eq 99 ] ||
            { cat "$DIR/resolve.log"; echo "lookups that are waited for, $kind"; return 1; }
    done
}

# A server is found by its name (by its number where there is no /etc/hosts); nobody and an unknown name are told.
smoke_resolve() {
    local program=$DIR/tree/resolve name=localhost
    getent ahosts $name >"$DIR/resolve.log" || name=127.0.0.1
    serve "$DIR/tree/echo" || return 1
    timeout -k 5 30 "$program" "$name:$PORT" >"$DIR/resolve.log"
    [ $? -eq 0 ] && grep -qx "$name:$PORT 127.0.0.1:$PORT, [0-9.]* ms" "$DIR/resolve.log" ||
        { cat "$DIR/resolve.log"; stop "$SERVER"; echo 'it does not find a server'; return 1; }
    stop "$SERVER"
    timeout -k 5 30 "$program" "127.0.0.1:$PORT" "$(head -c 255 /dev/zero | tr '\0' x):80" >"$DIR/resolve.log" &&
        { echo 'it hides that nobody answered'; return 1; }
    [ "$(wc -l <"$DIR/resolve.log")" -eq 2 ] && grep -q "^127.0.0.1:$PORT nobody listens there," "$DIR/resolve.log" &&
        grep -q '^x*:80 Name or service not known,' "$DIR/resolve.log" ||
        { cat "$DIR/resolve.log"; return 1; }
    refuses "$program" -t 0 a:1 && refuses "$program" -t 1x a:1 && refuses "$program" a && refuses "$program" a: &&
        refuses "$program" a:65536 && refuses "$program" 'a: 1' &&
        refuses "$program" "$(head -c 256 /dev/zero | tr '\0' x):80" && slow_names
}

# It ends by itself, or goes on for ever: either way it has printed something after a while.
smoke_other() {
    timeout --foreground 5 "$1" >"$DIR/other.log" 2>&1 &
    SERVER=$!
    wait_for "$DIR/other.log" .
    local status=$?
    stop "$SERVER"
    return $status
}

# What it does not understand it says how to use it, and is 2.
refuses() { # PROGRAM ARGUMENT...
    local program=$1
    "$@" >"$DIR/usage.out" 2>"$DIR/usage.err" </dev/null
    [ $? -eq 2 ] && [ ! -s "$DIR/usage.out" ] && grep -q "^usage: ${program##*/} " "$DIR/usage.err" ||
        { echo "not refused with the usage and 2: $*"; return 1; }
}

# The same in all: the first line, --help, what is wrong, and that git ignores the program.
uniform() { # FILE NAME
    [ "$(head -n 1 "$1")" = '/* SPDX-License-Identifier: MIT */' ] || { echo "$1: begins otherwise"; return 1; }
    "$DIR/tree/$2" --help | grep -q "^usage: $2 " || { echo "$2 --help"; return 1; }
    refuses "$DIR/tree/$2" --nonsense || return 1
    grep -qx "/$2" .gitignore || { echo ".gitignore: no /$2"; return 1; }
}

build_example() { # FILE NAME
    local command
    command=$(example_command "$1")
    [ -n "$command" ] || { echo "$1: no command in its first comment"; return 1; }
    echo "+ $command"
    (cd "$DIR/tree" && $command) || return 1
    [ -x "$DIR/tree/$2" ] || { echo "$command: built no $2"; return 1; }
    # and with the flags of a careful user
    # shellcheck disable=SC2086
    gcc $C11 -O2 $WARN_C "$1" -o "$DIR/strict" || return 1
}

# The programs that README.md and the headers show, as a reader copies them: $DIR/shown/*.c
shown_programs() {
    local header
    mkdir -p "$DIR/shown"
    awk -v to="$DIR/shown/README" '
        /^```c$/ { on = 1; n++; next }
        /^```$/ { on = 0 }
        on { print >(to n ".c") }' README.md
    for header in exec*.h; do
        awk '/^ \* WHAT HOLDS/ { exit } on { sub(/^ \* ? ? ? ? ?/, ""); print } /^ \* A COMPLETE PROGRAM/ { on = 1 }' \
            "$header" >"$DIR/shown/${header%.h}.c"
    done
}

# Each compiles; those that end by themselves do so without an error.
shown_programs_work() {
    local source program
    shown_programs
    for source in "$DIR"/shown/*.c; do
        program=${source%.c}
        gcc -O2 -Wall -Wextra -Werror -I. "$source" -o "$program" || return 1
        grep -q exec_net.h "$source" && continue
        timeout --foreground 10 "$program" >"$DIR/shown.log" 2>&1 && [ -s "$DIR/shown.log" ] ||
            { cat "$DIR/shown.log"; echo "$source: failed"; return 1; }
    done
}

# The harness as a user has it: what its comment shows, and a program of one's own, in the builds that differ and in
# C of each compiler; with each of its faults it fails.
harness_programs_work() {
    local dir=$DIR/harness options fault flags n=0
    mkdir -p "$dir"
    awk '/^ \* The program prints/ { exit } on { sub(/^ \* ? ? ? ? ?/, ""); print } /^ \* DO THIS/ { on = 1 }' \
        tests/exec_harness.h >"$dir/shown.c"
    cp tests/exec_harness.h exec*.h "$dir"
    flags="$C11 -g -DHARNESS_HEADER=\"exec_net.h\" -I$dir"
    # shellcheck disable=SC2086
    gcc $flags -Wall -Wextra -Werror "$dir/shown.c" -o "$dir/shown" &&
        harness_passes "$dir/shown" '^exec_read_exact( +[0-9]+){4}( +none){2}$' || return 1     # it never waits
    for options in '' -DEXEC_NO_MALLOC=1 -DEXEC_POSIX_ONLY=1 -DEXEC_DEBUG=1; do
        # shellcheck disable=SC2086
        gcc $flags $WARN_C $options tests/harness/ask.c -o "$dir/ask" &&
            harness_passes "$dir/ask" '^ask( +[0-9]+){3} +([0-9]+|none)( +[0-9]+){2}$' || return 1
    done
    for fault in 1 2 3; do
        # shellcheck disable=SC2086
        gcc $flags -DFORGETS=$fault tests/harness/ask.c -o "$dir/ask" || return 1
        timeout --foreground 60 "$dir/ask" >"$dir/log" 2>&1
        [ $? -eq 1 ] && grep -q '^FAIL ask, ' "$dir/log" ||
            { echo "tests/harness/ask.c: fault $fault is not found"; return 1; }
    done
}

harness_passes() { # PROGRAM REGEX
    timeout --foreground 60 "$1" >"$1.log" 2>&1 && grep -Eq "$2" "$1.log" && return
    head -n 20 "$1.log"
    echo "$1: failed, or has no row $2"
    return 1
}

config_examples() {
    local source name bad=0 n=0
    DIR=$BUILD/examples
    rm -rf "$DIR"
    mkdir -p "$DIR"
    copy_tree "$DIR/tree"
    ls examples/*.c >/dev/null || fail 'there are none'
    gcc -O2 tests/echo_load.c -o "$DIR/echo_load" || fail 'tests/echo_load.c'
    for source in examples/*.c; do
        name=$(basename "$source" .c)
        if ! build_example "$source" "$name"; then bad=1; continue; fi
        uniform "$source" "$name" || bad=1
        if declare -F "smoke_$name" >"$DIR/is_function"; then "smoke_$name"; else smoke_other "$DIR/tree/$name"; fi ||
            { echo "FAIL: $name"; bad=1; }
        n=$((n + 1))
    done
    shown_programs_work || { echo 'FAIL: a program that README.md or a header shows'; bad=1; }
    harness_programs_work || { echo 'FAIL: a program with tests/exec_harness.h'; bad=1; }
    counted $((n + 8 + $(ls "$DIR"/shown/*.c | wc -l)))
    [ $bad -eq 0 ]
}
