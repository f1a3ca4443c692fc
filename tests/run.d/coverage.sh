# SPDX-License-Identifier: MIT
# What of the headers ran, by clang's counters, which tools/coverage unites. Sourced by tests/run.

# Counters are in the file, not written at the end: so they stay of a program that aborts, and of what it forked.
COUNTERS='-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation'

# cover VARIANT FLAGS...: the suite with these options, in a place of its own; then what each program ran.
cover() {
    local dir=$BUILD/coverage/$1 profile
    shift
    mkdir -p "$dir/count" "$dir/note"
    rm -f "$dir/$CONFIG"/*.profraw "$dir/$CONFIG"/*.json
    RUNNER=(sh -c 'LLVM_PROFILE_FILE=$0-%c%m.profraw exec "$0"')
    (BUILD=$dir; hash_sources; suite clang $C11 -O0 $COUNTERS "$@") || fail "the suite: $*"
    RUN=$((RUN + $(cat "$dir/count/$CONFIG")))
    for profile in "$dir/$CONFIG"/*.profraw; do
        export_counts "${profile%-*}" || fail "${profile%-*}: no counters"
    done
}

export_counts() { # PROGRAM
    rm -f "$1.profdata"
    "$(clang -print-prog-name=llvm-profdata)" merge "$1"-*.profraw -o "$1.profdata" &&
        "$(clang -print-prog-name=llvm-cov)" export "$1" -instr-profile="$1.profdata" "$ROOT"/exec*.h >"$1.json"
}

# Random tests run the same lines in few rounds as in many.
begin_cover() {
    needs clang python3 llvm-cov
    unset EXEC_TEST_LONG
    export EXEC_TEST_ROUNDS=${EXEC_TEST_ROUNDS:-500} EXEC_TEST_TREES=${EXEC_TEST_TREES:-500} \
        EXEC_TEST_PROGRAMS=${EXEC_TEST_PROGRAMS:-500}
    RUN=0
}

# unite ARGUMENTS...: of all that was covered; and each public function was entered, not only named in a test.
unite() {
    local dir=$BUILD/coverage bad=0 missed
    tools/coverage --entered "$dir/ran" "$@" "$dir"/*/"$CONFIG"/*.json >"$dir/$CONFIG.report" || bad=1
    cat "$dir/$CONFIG.report"
    tools/public-symbols | sed -n 's/^function //p' | sort >"$dir/public"
    missed=$(sort "$dir/ran" | comm -23 "$dir/public" -)
    [ -z "$missed" ] || { printf 'no test enters:\n%s\n' "$missed"; bad=1; }
    counted $RUN
    note "$(awk '$1 ~ /\.h$/ && NF == 7 { printf "%s%s: %s %% of lines, %s %% of branches", s, $1, $4, $7; s = "; " }' \
        "$dir/$CONFIG.report")"
    return $bad
}

config_coverage() {
    begin_cover
    cover default -pthread
    unite
}

config_coverage_all() {
    begin_cover
    cover default -pthread
    cover switch -pthread -DEXEC_LC_SWITCH=1
    cover debug -O1 -pthread -DEXEC_DEBUG=1
    cover nomalloc -pthread -DEXEC_NO_MALLOC=1
    cover nothreads -DEXEC_NO_THREADS=1
    cover poll -pthread $POLL
    cover posix -pthread -DEXEC_POSIX_ONLY=1
    cover small -pthread -DEXEC_SMALL=1
    if can_m32 && have dpkg-source && cmocka_for m32 gcc -m32; then
        CMOCKA=$BUILD/cmocka-m32.o cover m32 -m32 -pthread -isystem "$BUILD/cmocka/include"
    fi
    unite --listed docs/testing.md --lines 97 --branches 90
}
