# SPDX-License-Identifier: MIT
# What is public is tested; what EXEC_NO_MALLOC refers to cannot allocate. Sourced by tests/run.

# Each public function and macro is used in the code of a test; each option is set by a test or a
# configuration. What only a comment or a string names does not count.
config_symbols() {
    local dir=$BUILD/symbols missed
    mkdir -p "$dir"
    tools/public-symbols >"$dir/public"
    [ "$(wc -l <"$dir/public")" -gt 100 ] || fail 'tools/public-symbols found next to nothing'
    tools/strip-comments tests/*.[ch] tests/*/*.c tests/*/*.cpp >"$dir/text"
    grep -ho 'EXEC_[A-Z_]*=' tests/run.d/*.sh >>"$dir/text"
    missed=$(awk -f tests/symbols.awk "$dir/public" "$dir/text" | sort)
    counted $(($(wc -l <"$dir/public") - $(printf '%s' "$missed" | grep -c .)))
    [ -z "$missed" ] || printf 'no test uses:\n%s\n' "$missed"
    harness_calls && harness_rows && named_tests_exist && mutants_have_places && [ -z "$missed" ]
}

# Each named mutant stands for code that there is.
mutants_have_places() { ! have python3 || tools/mutate --named --list >"$BUILD/symbols/mutants"; }

# The tests that docs and the guarantees of the headers name; NAME* is each that begins so.
named_tests() {
    sed -n '/^ \* WHAT HOLDS/,/^ \* OPTIONS/p' exec*.h | tr -cs 'a-z0-9_*' '\n'
    grep -oh '`[^`]*`' docs/traps.md docs/testing.md | tr -d '`'
}

# A name of a test is long, or that of a trap; what begins with exec_ is the library's.
named_tests_exist() {
    local dir=$BUILD/symbols name bad=0 n=0
    { grep -ohE 'cmocka_unit_test\w*\(\w+' tests/*.[ch] tests/*/*.c | sed 's/.*(//'
      sed -n 's/^\([a-z_0-9]*\)() {.*/\1/p' tests/run.d/*.sh; } | sort -u >"$dir/tests"
    named_tests | grep -E '^(trap_[0-9]{2}_[a-z0-9_]*\*?|[a-z0-9]+(_[a-z0-9]+){3,}_?\*?)$' | grep -v '^exec_' |
        sort -u >"$dir/named"
    while read -r name; do
        n=$((n + 1))
        case $name in
        *\*) grep -q "^${name%\*}" "$dir/tests" ;;
        *) grep -qx "$name" "$dir/tests" ;;
        esac || { echo "docs/*.md or a header names a test that there is not: $name"; bad=1; }
    done <"$dir/named"
    [ $n -gt 100 ] || { echo "docs and headers name next to no test: $n"; bad=1; }
    return $bad
}

# Each function that gives a future, and each macro that awaits, is named by a row of the harness's tables, and the
# file of the row uses it.
harness_rows() {
    local kind name file bad=0 n=0 dir=$BUILD/symbols
    tools/public-symbols --futures >"$dir/futures"
    while read -r kind name; do
        for file in tests/test_harness*.c; do
            grep -qE "^    \\{ \"([^\"]*[^\"A-Za-z0-9_])?$name([^A-Za-z0-9_][^\"]*)?\", " "$file" || continue
            tools/strip-comments "$file" | grep -qw "$name" && { n=$((n + 1)); continue 2; }
        done
        echo "no row of the harness for: $name"
        bad=1
    done <"$dir/futures"
    [ $n -gt 40 ] || { echo 'tools/public-symbols --futures found next to nothing'; bad=1; }
    return $bad
}

# Each system call with an overridable name is in the table of the harness, or among those named before it.
harness_calls() {
    local name bad=0
    for name in $(sed -n 's/^#define EXEC_SYS_\([A-Z0-9_]*\) .*/\1/p' exec*.h | sort -u); do
        grep -q "^    X($name, " tests/exec_harness.h && continue
        grep -E '^   (cannot fail|EXEC_POSIX_ONLY alone):' tests/exec_harness.h | grep -qw "$name" && continue
        echo "not in tests/exec_harness.h: EXEC_SYS_$name"
        bad=1
    done
    return $bad
}

# The undefined symbols of a program without heap, each of which must be in the list.
undefined_symbols() { nm -u "$1" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u; }

# The whole library, and each example that needs no heap.
config_nomalloc_symbols() {
    needs nm
    local dir=$BUILD/nomalloc header bad=0 n=0 threads
    mkdir -p "$dir"
    for header in exec*.h; do
        for threads in 0 1; do
            printf '#define EXEC_IMPLEMENTATION\n#include "%s"\n' "$ROOT/$header" >"$dir/all.c"
            # shellcheck disable=SC2086
            gcc $C11 -O2 $WARN_C -DEXEC_NO_MALLOC=1 -DEXEC_NO_THREADS=$threads -c "$dir/all.c" \
                -o "$dir/all.o" || exit 1
            only_allowed "$dir/all.o" "$header EXEC_NO_THREADS=$threads" || bad=1
            n=$((n + 1))
        done
        # shellcheck disable=SC2086
        gcc $C11 -O2 $WARN_C -DEXEC_NO_MALLOC=1 $POLL -c "$dir/all.c" -o "$dir/all.o" || exit 1
        only_allowed "$dir/all.o" "$header $POLL" || bad=1
        n=$((n + 1))
    done
    if [ -e examples/static.c ]; then
        gcc $C11 -O2 -DEXEC_NO_MALLOC=1 -c examples/static.c -o "$dir/static.o" || exit 1
        only_allowed "$dir/static.o" examples/static.c tests/allowed-symbols-example.txt || bad=1
        n=$((n + 1))
    fi
    counted $n
    [ $bad -eq 0 ]
}

# What EXEC_POSIX_ONLY refers to is in POSIX.1-2008; and nothing that it does not declare is used, since
# the compiler sees that alone.
config_posix_symbols() {
    needs nm
    local dir=$BUILD/posix options bad=0 n=0
    mkdir -p "$dir"
    printf '#define EXEC_IMPLEMENTATION\n#include "%s"\n' "$ROOT/exec_net.h" >"$dir/all.c"
    for options in '' -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -DEXEC_DEBUG=1 -DEXEC_NO_MALLOC=1 \
        -DEXEC_NO_THREADS=1; do
        # shellcheck disable=SC2086
        gcc $C11 -O2 $WARN_C -DEXEC_POSIX_ONLY=1 $options -c "$dir/all.c" -o "$dir/all.o" || exit 1
        only_allowed "$dir/all.o" "exec_net.h EXEC_POSIX_ONLY=1 $options" '' tests/allowed-symbols-posix.txt || bad=1
        n=$((n + 1))
    done
    counted $n
    [ $bad -eq 0 ]
}

only_allowed() { # OBJECT NAME [MORE ALLOWED] [THE LIST]
    local strange allowed
    allowed=$(sed 's/#.*//; /^[[:space:]]*$/d' "${4:-tests/allowed-symbols.txt}" ${3:+"$3"} | sort -u)
    strange=$(undefined_symbols "$1" | grep -vxF -e "$allowed")
    echo "$2: $(undefined_symbols "$1" | tr '\n' ' ')"
    [ -z "$strange" ] && return
    echo "$2: not allowed: $(echo "$strange" | tr '\n' ' ')"
    return 1
}
