# SPDX-License-Identifier: MIT
# How large programs and types are: the bounds of tests/size/bounds. Sourced by tests/run.

# Debian's musl for armhf, which is only unpacked: build/musl-armhf/usr.
fetch_musl_armhf() {
    local dir=$BUILD/apt-armhf armhf='-o APT::Architectures::=amd64 -o APT::Architectures::=armhf'
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    private_sources | sed 's/^deb-src/deb/; s/signed-by=/arch=armhf &/; s/^deb http/deb [arch=armhf] http/' \
        >"$dir/sources.list"
    # shellcheck disable=SC2086
    (cd "$dir" && { APT_DIR=$dir private_apt $armhf update || true; } &&
        APT_DIR=$dir private_apt $armhf download musl-dev:armhf &&
        rm -rf "$BUILD/musl-armhf" && dpkg-deb -x musl-dev_*_armhf.deb "$BUILD/musl-armhf")
}

musl_armhf() { [ -e "$BUILD/musl-armhf/usr/lib/arm-linux-musleabihf/libc.a" ] || fetch_musl_armhf; }

# A bound that does not hold, and one of what is not measured, are told.
size_tells() {
    local bounds=$BUILD/sizes.bounds status
    echo 'x86-64/types/future 1' >"$bounds"
    tools/size --check --bounds "$bounds" | grep -q '^FAIL x86-64/types/future: [0-9]* bytes, at most 1$' || return 1
    tools/size --check --bounds "$bounds" >"$bounds.out"
    [ $? -eq 1 ] || return 1
    echo 'x86-64/types/future 1000 1' >"$bounds"
    tools/size --check --bounds "$bounds" | grep -q '^ok x86-64/types/future: .*; the goal of 1 is missed$' || return 1
    for bad in 'x86-64/types/none 1' 'x86-64/echo/none 1' 'vax/echo/text 1' 'x86-64/echo/text'; do
        echo "$bad" >"$bounds"
        tools/size --check --bounds "$bounds" >"$bounds.out" 2>&1
        status=$?
        [ $status -eq 2 ] && grep -q "^tools/size: .*$bounds" "$bounds.out" || { cat "$bounds.out"; return 1; }
    done
}

# echoes PROGRAM: what is sent comes back. Another port where this one is taken.
echoes() {
    local try port pid status=1
    for try in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        "$1" $port &
        pid=$!
        sleep 0.2
        kill -0 $pid 2>/dev/null || { wait $pid; continue; }
        [ "$(echo "to $1" | timeout 20 nc -N 127.0.0.1 $port)" = "to $1" ] && status=0
        kill $pid
        wait $pid 2>/dev/null
        return $status
    done
    return 1
}

# What is measured does what it is measured for.
size_programs_work() {
    local dir=$BUILD/sizes program option ticks
    mkdir -p "$dir"
    hash_sources
    for option in EXEC_NO_THREADS EXEC_NO_MALLOC EXEC_SMALL; do
        for program in echo echo_raw ticker ticker_raw; do
            # shellcheck disable=SC2086
            compile "$dir/$program-$option" musl-gcc $C11 $WARN_C -Os -static -D$option=1 \
                "tests/size/$program.c" || return 1
        done
        for program in echo echo_raw; do echoes "$dir/$program-$option" || return 1; done
        for program in ticker ticker_raw; do
            ticks=$(timeout 60 "$dir/$program-$option" | sort | uniq -c | tr -s ' \n' ' ')
            [ "$ticks" = ' 3 fast 3 slow ' ] || { echo "$program: $ticks"; return 1; }
        done
    done
}

config_sizes() {
    needs python3 musl-gcc nc
    [ "$(uname -m)" = x86_64 ] || skip 'the bounds are those of x86-64 and of cross compilers there'
    local log=$BUILD/sizes.log status skipped over
    ! have arm-linux-gnueabihf-gcc || musl_armhf || echo 'musl-dev:armhf cannot be fetched'
    size_programs_work || fail 'the programs of tests/size do not work'
    size_tells || fail 'tools/size --check does not tell what is wrong'
    tools/size --check >"$log"
    status=$?
    cat "$log"
    skipped=$(sed -n 's|^skip \([^/]*\)/.*: \(.*\)|\1: \2|p' "$log" | sort -u | paste -s -d ';')
    over=$(sed -n 's|^[a-zA-Z]* \(.*\)/echo-smallest/over-raw: \([0-9]*\).*|\1 \2|p' "$log" |
        paste -s -d ',' | sed 's/,/, /')
    note "(the smallest over the echo by hand: $over${skipped:+; not measured: $skipped})"
    counted $(($(grep -c '^ok ' "$log") + 2))
    return $status
}
