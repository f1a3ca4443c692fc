# SPDX-License-Identifier: MIT
# The Spin model of the wake protocol. Sourced by tests/run.

# The body of a function of exec.h.
body_of() { awk -v name="$1(" 'index($0, name) && /^[^ \/#]/ && !/;$/ { on = 1 } on { print } on && /^}/ { exit }' exec.h; }

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
    counted $((n + 2))
}
