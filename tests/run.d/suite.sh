# SPDX-License-Identifier: MIT
# Compiles each tests/test_*.c as a program and runs it. Sourced by tests/run.

WARN="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-qual
    -Wimplicit-fallthrough -Werror"
WARN_C="$WARN -Wstrict-prototypes"

# A configuration ends with one of these.
skip() { note "$*"; exit 77; }
note() { echo "$*"; echo "$*" >"$BUILD/note/$CONFIG"; }
fail() { echo "FAIL: $*"; exit 1; }
counted() { echo "$1" >"$BUILD/count/$CONFIG"; }

needs() {
    local tool
    for tool in "$@"; do
        have_tool "$tool" || skip "$tool is not installed"
    done
}

# compile OUTPUT COMMAND...: runs COMMAND -o OUTPUT unless neither it nor any source has changed.
# The key is the command and a hash of what it may include, so that a second run builds nothing.
compile() {
    local output=$1 key
    shift
    key=$(printf '%s\n' "$*"; cat "$BUILD/sources.$CONFIG")
    if [ -e "$output" ] && [ "$(cat "$output.key" 2>/dev/null)" = "$key" ]; then return 0; fi
    rm -f "$output"
    echo "+ $* -o ${output#"$ROOT/"}"
    "$@" -o "$output" || return 1
    printf '%s' "$key" >"$output.key"
}
hash_sources() {
    cat exec*.h tests/*.h tests/*.c tests/*/*.[ch]* examples/*.c 2>/dev/null |
        sha256sum >"$BUILD/sources.$CONFIG"
}

# A test file may say `not with: WORD...` in a comment, where WORD is a configuration or an option that
# it is not meant for; it is left out there, and named.
left_out() {
    local words
    words=$(sed -n 's/.*not with: *\([^*]*\).*/\1/p' "$1" | tr ',.' '  ')
    local word
    for word in $words; do
        case " $CONFIG $2 " in *" $word "* | *"-D$word=1 "*) return 0 ;; esac
    done
    return 1
}

# The number of tests that a cmocka program reports to have passed; 0 when it reports none.
passed_in() { sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }'; }

# run_test LOG COMMAND...: passes if it exits with 0 and cmocka says that at least one test passed.
TEST_SECONDS=${EXEC_TEST_LONG:+1800}
TEST_SECONDS=${TEST_SECONDS:-300}     # a hang is a failure
run_test() {
    local log=$1 status passed
    shift
    echo "+ $*"
    timeout --foreground -k 5 "$TEST_SECONDS" "$@" >"$log" 2>&1 </dev/null
    status=$?
    passed=$(passed_in "$log")
    # The lines of single tests that passed only hide what matters.
    grep -v '^\[ *\(RUN\|OK\) ' "$log"
    [ $status -eq 124 ] && echo "it ran longer than $TEST_SECONDS s"
    if [ $status -ne 0 ]; then
        # cmocka names the test that runs, so the last one is where a crash happened.
        grep '^\[ RUN ' "$log" | tail -n 1
        echo "FAIL: $* exited with $status"
        return 1
    fi
    if [ "$passed" -eq 0 ]; then
        echo "FAIL: $* reported no test"
        return 1
    fi
    TESTS=$((TESTS + passed))
    LEFT_OUT="$LEFT_OUT$(sed -n 's/^\[  SKIPPED \] \([a-z].*\)/; \1/p' "$log" | sort -u | tr -d '\n')"
}

# suite COMPILER FLAGS...: every test program. RUNNER (an array) stands before each program;
# CMOCKA is what they link with; SUITE_WARN the warnings.
# Random tests and races run their full number of rounds, and with --full their long one, where most is seen.
suite() {
    local dir=$BUILD/$CONFIG source name bad=0 without=''
    TESTS=0 LEFT_OUT=''
    local rounds=5000
    case $CONFIG in gcc | asan) rounds='' ;; tsan*) rounds=20000 ;; esac
    if [ -n "${EXEC_TEST_LONG:-}" ]; then
        case $CONFIG in
        gcc | asan | tsan) rounds='' ;;
        *) rounds=20000; unset EXEC_TEST_LONG ;;
        esac
    fi
    if [ -n "$rounds" ]; then
        export EXEC_TEST_ROUNDS="${EXEC_TEST_ROUNDS:-$rounds}" EXEC_TEST_TREES="${EXEC_TEST_TREES:-$rounds}" \
            EXEC_TEST_PROGRAMS="${EXEC_TEST_PROGRAMS:-$rounds}"
    fi
    mkdir -p "$dir"
    hash_sources
    for source in tests/test_*.c; do
        name=$(basename "$source" .c)
        if left_out "$source" "$*"; then without="$without $name"; continue; fi
        # shellcheck disable=SC2086
        compile "$dir/$name" "$@" ${SUITE_WARN-$WARN_C} "$source" ${CMOCKA--lcmocka} ||
            { bad=1; echo "FAIL: $name does not compile"; continue; }
        run_test "$dir/$name.log" "${RUNNER[@]}" "$dir/$name" || bad=1
    done
    counted $TESTS
    without="$(echo $without | sed 's/ /; /g')$LEFT_OUT"
    [ -n "$without" ] && note "(without ${without#; })"
    [ "$bad" -eq 0 ] && [ $TESTS -gt 0 ]
}
RUNNER=() LEFT_OUT=''
