# SPDX-License-Identifier: MIT
# What of the headers ran, by clang's counters, which tools/coverage unites. Sourced by tests/run.

# Counters are in the file, not written at the end: so they stay of a program that aborts, and of what it forked.
COUNTERS='-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation'

# cover VARIANT FLAGS...: the suite with these options, in a place of its own; then what each program ran.
cover() {
    local dir=$BUILD/coverage/$1 profile
    shift
    rm -rf "$dir/count" "$dir/$CONFIG"/*.profraw "$dir/$CONFIG"/*.json
    mkdir -p "$dir/count" "$dir/note"
    RUNNER=(sh -c 'LLVM_PROFILE_FILE=$0-%c%m.profraw exec "$0"')
    (BUILD=$dir; suite clang $C11 -O0 $COUNTERS "$@") || fail "the suite: $*"
    for profile in "$dir/$CONFIG"/*.profraw; do
        export_counts "${profile%-*}" || fail "${profile%-*}: no counters"
    done
}

export_counts() { # PROGRAM
    rm -f "$1.profdata"
    "$(clang -print-prog-name=llvm-profdata)" merge "$1"-*.profraw -o "$1.profdata" &&
        "$(clang -print-prog-name=llvm-cov)" export "$1" -instr-profile="$1.profdata" "$ROOT"/exec*.h >"$1.json"
}

# start_cover VARIANT FLAGS...: the same beside another one; its output is shown by unite.
start_cover() {
    VARIANTS+=("$1")
    while [ "$(jobs -rp | wc -l)" -ge "$COVER_JOBS" ]; do wait -n; done
    mkdir -p "$BUILD/coverage/$1"
    (cover "$@") >"$BUILD/coverage/$1/log" 2>&1 && : >"$BUILD/coverage/$1/passed" &
}

# Each random test draws the same each time, and few rounds: that is the same lines as in many.
begin_cover() {
    needs clang python3 llvm-cov
    unset EXEC_TEST_LONG
    export EXEC_TEST_ROUNDS=${EXEC_TEST_ROUNDS:-500} EXEC_TEST_TREES=${EXEC_TEST_TREES:-500} \
        EXEC_TEST_PROGRAMS=${EXEC_TEST_PROGRAMS:-500} EXEC_TEST_SEED=${EXEC_TEST_SEED:-1}
    rm -rf "$BUILD"/coverage/*/passed
    VARIANTS=() COVER_JOBS=2 WITHOUT=''
}

# unite ARGUMENTS...: of all that was covered; and each public function was entered, not only named in a test.
unite() {
    local dir=$BUILD/coverage bad=0 missed variant run=0 exports=()
    wait
    for variant in "${VARIANTS[@]}"; do
        cat "$dir/$variant/log"
        [ -e "$dir/$variant/passed" ] || { echo "FAIL: $variant"; bad=1; }
        run=$((run + $(cat "$dir/$variant/count/$CONFIG" || echo 0)))
        exports+=("$dir/$variant/$CONFIG"/*.json)
    done
    [ $bad -eq 0 ] || return 1
    tools/coverage --entered "$dir/ran" "$@" "${exports[@]}" >"$dir/$CONFIG.report" || bad=1
    cat "$dir/$CONFIG.report"
    tools/public-symbols | sed -n 's/^function //p' | sort >"$dir/public"
    missed=$(sort "$dir/ran" | comm -23 "$dir/public" -)
    [ -z "$missed" ] || { printf 'FAIL: no test enters:\n%s\n' "$missed"; bad=1; }
    counted $run
    note "$(awk '$1 ~ /\.h$/ && NF == 7 { printf "%s%s: %s %% of lines, %s %% of branches", s, $1, $4, $7; s = "; " }' \
        "$dir/$CONFIG.report")$WITHOUT"
    return $bad
}

config_coverage() {
    begin_cover
    start_cover default -pthread
    unite
}

config_coverage_all() {
    local listed='--listed docs/testing.md'
    begin_cover
    start_cover default -pthread
    start_cover switch -pthread -DEXEC_LC_SWITCH=1
    start_cover debug -pthread -DEXEC_DEBUG=1
    start_cover nomalloc -pthread -DEXEC_NO_MALLOC=1
    start_cover nothreads -DEXEC_NO_THREADS=1
    start_cover poll -pthread $POLL
    start_cover posix -pthread -DEXEC_POSIX_ONLY=1
    start_cover small -pthread -DEXEC_SMALL=1
    if can_m32 && have dpkg-source && cmocka_for m32 gcc $M32; then
        CMOCKA=$BUILD/cmocka-m32.o start_cover m32 $M32 -pthread -isystem "$BUILD/cmocka/include"
        CMOCKA=$BUILD/cmocka-m32.o start_cover m32-small $M32 -pthread -DEXEC_SMALL=1 -isystem "$BUILD/cmocka/include"
    else
        listed='' WITHOUT='; no 32-bit build, so lines that nothing ran are shown, not refused'
    fi
    # shellcheck disable=SC2086
    unite $listed --lines 97 --branches 90
}
