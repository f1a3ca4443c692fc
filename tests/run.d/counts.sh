# SPDX-License-Identifier: MIT
# Costs that do not depend on the machine: instructions. Sourced by tests/run.

# instructions PROGRAM ARGUMENTS...: executed in all.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$BUILD/counts/callgrind" "$@" \
        2>"$BUILD/counts/valgrind" || { cat "$BUILD/counts/valgrind" >&2; return 1; }
    sed -n 's/.*Collected : *\([0-9]*\).*/\1/p' "$BUILD/counts/valgrind"
}

# per_resume KIND DEPTH TASKS: in hundredths, by the difference of two lengths.
per_resume() {
    local few many tasks=$3
    few=$(instructions "$PROGRAM" "$1" "$2" $((2000 / tasks)) "$tasks") || return 1
    many=$(instructions "$PROGRAM" "$1" "$2" $((12000 / tasks)) "$tasks") || return 1
    echo $(((many - few) / 100))
}

decimal() { printf '%d.%02d' $(($1 / 100)) $(($1 % 100)); }

# At depth 16 within 10 % of depth 1; both within 4/3 of the floor in the same binary.
resume_cost_is_flat() {
    local tasks=$1 floor flat deep bad=0
    floor=$(per_resume floor 1 "$tasks") && flat=$(per_resume exec 1 "$tasks") &&
        deep=$(per_resume exec 16 "$tasks") || return 1
    echo "resume_cost_is_flat: $2, $tasks tasks: floor $(decimal "$floor"), depth 1 $(decimal "$flat")," \
        "depth 16 $(decimal "$deep") instructions per resume"
    FIGURES="$FIGURES${FIGURES:+; }$2 $tasks: $(decimal "$floor") $(decimal "$flat") $(decimal "$deep")"
    [ $((deep * 10)) -le $((flat * 11)) ] && [ $((flat * 10)) -le $((deep * 11)) ] ||
        { bad=1; echo 'FAIL: the depths differ by more than 10 %'; }
    [ $((flat * 3)) -le $((floor * 4)) ] && [ $((deep * 3)) -le $((floor * 4)) ] ||
        { bad=1; echo 'FAIL: more than 4/3 of the floor'; }
    return $bad
}

# The code of one function, and what it calls (once each).
disassembly() {
    objdump -d --no-show-raw-insn "$1" | awk -v name="<$2>:" '
        $2 == name { on = 1; next }
        /^$/ { on = 0 }
        on'
}

# trap_09: neither a wake, nor a resume, nor the loop around them locks the bus. (xchg with memory locks
# without saying so; of two registers it is padding.)
local_wake_has_no_atomic() {
    local name code bad=0 names
    names=$(nm "$1" | awk '$3 ~ /^exec__(poll|body|turn)/ { print $3 }')
    for name in exec_wake exec_strand_poll $names; do
        code=$(disassembly "$1" "$name")
        [ -n "$code" ] || { echo "FAIL: trap_09: $name is not in the program"; bad=1; }
        if echo "$code" | grep -E '[[:space:]](lock|mfence|xchg[a-z]* .*\()'; then
            echo "FAIL: trap_09: $name has an atomic instruction"
            bad=1
        fi
    done
    echo "trap_09: no atomic instruction in: exec_wake exec_strand_poll" $names
    return $bad
}

config_counts() {
    needs valgrind objdump
    local cc tasks bad=0 n=0
    mkdir -p "$BUILD/counts"
    hash_sources
    FIGURES=''
    for cc in gcc clang; do
        have $cc || continue
        PROGRAM=$BUILD/counts/resume-$cc
        # shellcheck disable=SC2086
        compile "$PROGRAM" $cc $C11 -O2 $WARN_C tests/counts/resume.c || exit 1
        for tasks in 1 100; do
            resume_cost_is_flat $tasks $cc || bad=1
            n=$((n + 1))
        done
        if [ "$(uname -m)" = x86_64 ]; then
            local_wake_has_no_atomic "$PROGRAM" || bad=1
            n=$((n + 1))
        fi
    done
    note "(instructions per resume, floor, depth 1, depth 16: $FIGURES)"
    counted $n
    [ $bad -eq 0 ]
}
