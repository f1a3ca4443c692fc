# SPDX-License-Identifier: MIT
# The Spin model of the wake protocol. Sourced by tests/run.

# The body of a function of exec.h.
body_of() {
    awk -v name="$1(" 'index($0, name) && /^[^ \/#]/ && !/;$/ { on = 1 } on { print } on && /^}/ { exit }' exec.h
}

# Each step of the model quotes the code that it stands for; it must stand there.
quotes_hold() {
    local function code n=0
    while IFS= read -r line; do
        function=${line%%: *} code=${line#*: }
        body_of "$function" | grep -qF -- "$code" || { echo "tests/model/wake.pml: not in $function: $code"; return 1; }
        n=$((n + 1))
    done < <(sed -n 's/.*@ \([a-z_]*: .*[^ ]\) *\*\/.*/\1/p' tests/model/wake.pml)
    echo "$n steps stand for code of exec.h"
    [ $n -ge 15 ]
}

# model OPTIONS...: every interleaving; prints what Spin says. 0: nothing was found.
model() {
    local dir=$BUILD/model
    mkdir -p "$dir"
    (
        cd "$dir" && rm -f pan pan.c ./*.trail &&
            spin -a "$@" "$ROOT/tests/model/wake.pml" >spin.log 2>&1 &&
            gcc -O2 -w -DSAFETY pan.c -o pan && timeout 250 ./pan -m1000000 >pan.log 2>&1
    ) || { cat "$dir"/*.log; return 2; }
    grep -E 'states, stored|errors:|^pan:1:' "$dir/pan.log"
    grep -q 'errors: 0$' "$dir/pan.log" && ! grep -q 'search not completed\|max search depth' "$dir/pan.log"
}

# FAULT_PARK in the code itself: test_interleave.c must lose a wake by it.
real_code_loses_a_wake() {
    local dir=$BUILD/model/real
    local park='    return exec__replace_head(ex->port, \&empty, EXEC__PARKED) || empty == EXEC__PARKED;'
    local by_store='    if ((empty = EXEC__LOAD(\&ex->port->head)) != NULL) return empty == EXEC__PARKED;\n'
    by_store="$by_store"'    EXEC__STORE(\&ex->port->head, EXEC__PARKED);\n    return 1;'
    rm -rf "$dir"
    mkdir -p "$dir/tests"
    cp tests/test_interleave.c tests/test.h tests/emulated.h "$dir/tests/"
    sed "s/^$park\$/$by_store/" exec.h >"$dir/exec.h"
    cmp -s exec.h "$dir/exec.h" && { echo 'exec__arm does not park as it did'; return 1; }
    gcc -std=c11 -O2 -pthread $WARN_C "$dir/tests/test_interleave.c" -o "$dir/test" -lcmocka || return 1
    timeout --foreground -k 5 100 "$dir/test" >"$dir/log" 2>&1 && { echo 'it passes'; return 1; }
    grep -m 1 'ERROR: one pusher: a wake is lost' "$dir/log" || { grep ERROR "$dir/log"; return 1; }
}

config_spin() {
    needs spin
    local fault n=0
    quotes_hold || fail 'the model is not of this code'
    model || fail 'a wake is lost, or memory is used after it was freed'
    model -DONE_CELL || fail 'the same, of one task'
    for fault in PARK QUEUED SIGNAL DROP OVER; do
        model -DFAULT_$fault && fail "Spin does not see FAULT_$fault"
        [ -e "$BUILD/model/wake.pml.trail" ] || fail "FAULT_$fault: no trail"
        n=$((n + 1))
    done
    real_code_loses_a_wake || fail 'test_interleave.c does not see FAULT_PARK in exec__arm'
    counted $((n + 3))
}
