# SPDX-License-Identifier: MIT
# Configurations of several files in one program. Sourced by tests/run.

config_cpp() {
    needs g++ clang++
    local dir=$BUILD/cpp pair cc cxx options
    mkdir -p "$dir"
    hash_sources
    TESTS=0
    for pair in gcc:g++ clang:clang++ gcc:clang++; do
        cc=${pair%:*} cxx=${pair#*:}
        for options in -DEXEC_LC_SWITCH=0 -DEXEC_LC_SWITCH=1 -DIMPLEMENTATION_IN_CPP; do
            # shellcheck disable=SC2086
            compile "$dir/main.o" $cc $C11 -O2 -g $WARN_C $options -c tests/cpp/main.c &&
                compile "$dir/coroutines.o" $cxx -std=c++17 -O2 -g $WARN $options \
                    -c tests/cpp/coroutines.cpp &&
                compile "$dir/both" $cxx "$dir/main.o" "$dir/coroutines.o" -lcmocka -pthread $options ||
                exit 1
            run_test "$dir/log" "$dir/both" || exit 1
        done
    done
    counted $TESTS
}

# three_files NAME: the program of tests/NAME/main.c, first.c and second.c, by each compiler.
three_files() {
    local dir=$BUILD/$1 from=tests/$1 cc
    mkdir -p "$dir"
    hash_sources
    TESTS=0
    for cc in gcc 'gcc -flto' clang; do
        have ${cc% *} || continue
        # shellcheck disable=SC2086
        compile "$dir/program" $cc $C11 -O2 -g -pthread $WARN_C $from/main.c $from/first.c $from/second.c -lcmocka ||
            exit 1
        run_test "$dir/log" "$dir/program" || exit 1
    done
    counted $TESTS
}

config_static() { three_files static; }
config_host() { three_files host; }

# link_pair NAME "OPTIONS OF ONE" "OPTIONS OF THE OTHER": links a program of two files.
link_pair() {
    local dir=$BUILD/layout name=$1 i=0 options
    mkdir -p "$dir"
    for options in "$2" "$3"; do
        i=$((i + 1))
        # shellcheck disable=SC2086
        gcc $C11 -O1 -pthread $WARN_C $options -c tests/layout/file$i.c -o "$dir/$name.$i.o" || exit 1
    done
    gcc -pthread "$dir/$name.1.o" "$dir/$name.2.o" -o "$dir/$name" >"$dir/$name.log" 2>&1
}

# Options that change a layout, each against its default; and options that do not.
config_layout() {
    local option n=0 header
    for option in EXEC_DEBUG=1 EXEC_NO_THREADS=1 EXEC_NO_MALLOC=1 EXEC_POSIX_ONLY=1 \
        EXEC_BACKEND=EXEC_BACKEND_POLL $(layout_options); do
        link_pair same "-D$option" "-D$option" || { cat "$BUILD/layout/same.log"; fail "same $option"; }
        "$BUILD/layout/same" || fail "the program with $option"
        link_pair differ "-D$option" '' && fail "files with and without $option were linked"
        grep -q 'undefined reference to .exec__' "$BUILD/layout/differ.log" ||
            { cat "$BUILD/layout/differ.log"; fail "$option: refused for another reason"; }
        echo "ok $option: $(grep -o 'exec__\([a-z]*_\)\?layout[a-z0-9_]*' "$BUILD/layout/differ.log" | head -n 1)"
        n=$((n + 1))
    done
    link_pair free '-DEXEC_LC_SWITCH=1' '-DEXEC_LC_SWITCH=0' || fail 'EXEC_LC_SWITCH may differ by file'
    "$BUILD/layout/free" || fail 'the program of both forms'
    counted $((n + 1))
}

# The geometry of the wheel, from the header: each with a value that is not its default.
layout_options() {
    [ -e exec_timer.h ] || return 0
    awk '/^#define EXEC_TIMER_(BITS|LEVELS) / { print $2 "=" $3 - 1 }
         /^#define EXEC_TIMER_TICK_NS / { print $2 "=" $3 * 2 }' exec_timer.h
}
