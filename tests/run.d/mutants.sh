# SPDX-License-Identifier: MIT
# Some of the named mutants of tools/mutate, others at each commit; all: tools/mutate --named. Sourced by tests/run.
# EXEC_MUTANTS_SECONDS: begin none after so long, in place of 150.
config_mutants() {
    needs python3 git
    local log=$BUILD/mutants.log seed status
    seed=$(git rev-list --count HEAD 2>/dev/null || echo 1)
    tools/mutate --named --budget "${EXEC_MUTANTS_SECONDS:-150}" --seed "$seed" >"$log" 2>&1
    status=$?
    cat "$log"
    counted "$(grep -c '^caught ' "$log")"
    note "$(tail -n 1 "$log")"
    return $status
}
