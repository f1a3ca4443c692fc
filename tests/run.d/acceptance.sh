# SPDX-License-Identifier: MIT
# Runs an example against the world's clients: tests/acceptance/NAME, each a program of its own with
# --help, which prints a line 'ok ...' or 'FAIL ...' for each check. Sourced by tests/run.

# acceptance NAME TOOL...: with --long where the budgets are long.
acceptance() {
    local name=$1 log=$BUILD/acceptance-$1.log status
    shift
    needs python3 "$@"
    timeout --foreground -k 5 "$((2 * TEST_SECONDS))" "tests/acceptance/$name" \
        ${EXEC_TEST_LONG:+--long} ${EXEC_TEST_SEED:+--seed "$EXEC_TEST_SEED"} >"$log" 2>&1
    status=$?
    cat "$log"
    counted "$(grep -c '^ok ' "$log")"
    return $status
}

config_acceptance_http() { acceptance http ab wrk curl; }
config_acceptance_proxy() { acceptance proxy curl; }
config_acceptance_chat() { acceptance chat; }
