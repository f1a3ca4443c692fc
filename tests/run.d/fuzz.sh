# SPDX-License-Identifier: MIT
# Each tests/fuzz/*.c with libFuzzer. Sourced by tests/run. EXEC_FUZZ_SECONDS: how long each, in place of 10
# (60 in the long suite). What is worth keeping of what it tries goes to build/fuzz/NAME.corpus, for the
# next run; it begins with tests/fuzz/corpus/NAME. An input that fails is kept as build/fuzz/NAME-*; to see it again:
# build/fuzz/NAME FILE

can_fuzz() {
    local dir
    dir=$(clang -print-file-name=lib 2>/dev/null) || return 1
    ls "$dir"/linux/libclang_rt.fuzzer-* >/dev/null 2>&1
}

# fuzz NAME SECONDS: fails on a finding. Sets EXECUTIONS.
fuzz() {
    local name=$1 seconds=$2 dir=$BUILD/fuzz seeds=() status
    mkdir -p "$dir/$name.corpus"
    [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
    timeout --foreground -k 5 $((seconds + 60)) "$dir/$name" -max_total_time="$seconds" -timeout=10 \
        -print_final_stats=1 -seed="${EXEC_TEST_SEED:-0}" -artifact_prefix="$dir/$name-" \
        "$dir/$name.corpus" "${seeds[@]}" >"$dir/$name.log" 2>&1 </dev/null
    status=$?
    grep '^INFO: Seed' "$dir/$name.log"
    EXECUTIONS=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/$name.log")
    [ $status -eq 0 ] && [ "${EXECUTIONS:-0}" -gt 0 ] && return
    tail -n 40 "$dir/$name.log"
    return 1
}

config_fuzz() {
    local source name seconds=${EXEC_FUZZ_SECONDS:-${EXEC_TEST_LONG:+60}} n=0 bad=0 said=''
    needs clang
    can_fuzz || skip 'no libFuzzer for clang'
    asan_options
    mkdir -p "$BUILD/fuzz"
    hash_sources
    for source in tests/fuzz/*.c; do
        name=$(basename "$source" .c)
        # shellcheck disable=SC2086
        compile "$BUILD/fuzz/$name" clang $C11 $SANITIZE -fsanitize=fuzzer,address,undefined $WARN_C "$source" ||
            { bad=1; continue; }
        fuzz "$name" "${seconds:-10}" || { echo "FAIL: $name: the input is in build/fuzz"; bad=1; }
        said="$said${said:+, }$name: ${EXECUTIONS:-0} executions in ${seconds:-10} s"
        n=$((n + 1))
    done
    note "$said"
    counted $n
    [ $bad -eq 0 ]
}
