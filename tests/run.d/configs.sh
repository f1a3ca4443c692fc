# SPDX-License-Identifier: MIT
# The named configurations. Sourced by tests/run. The longest come first: they run side by side.

# name | what it is. Of those marked (--full) each run has one, which rotates by commit; those marked (--full only)
# take long.
CONFIGS='
headers             each header alone and after system headers, in each form and with each option
valgrind            memcheck: no error, no leak
tsan                clang, ThreadSanitizer; the wakers and signals also with that of gcc
asan                gcc, AddressSanitizer and UndefinedBehaviorSanitizer
clang-asan          clang, AddressSanitizer and UndefinedBehaviorSanitizer (--full)
amalgamated         the suite, the examples and every form on the one header of tools/amalgamate
asan-poll           gcc, the same with EXEC_BACKEND_POLL (--full)
tsan-posix          clang, ThreadSanitizer with EXEC_POSIX_ONLY=1: a pipe wakes, poll waits (--full)
gcc                 gcc, C11, -O2: labels as values, epoll, threads, heap
clang               clang, C11, -O2: the same
gcc-O0              gcc, C11, not optimised; EXEC_API= (functions visible to other files) (--full)
gcc-O3              gcc -O3 -fipa-cp-clone: no coroutine has a clone (trap 31), and the tests pass (--full)
gcc-Os              gcc -Os (--full)
gcc-lto             gcc -flto (--full)
clang-lto           clang -flto, linked by lld (--full)
gcc-cet             gcc -fcf-protection=full: a landing pad where a coroutine resumes, also with clang (--full)
gcc-switch          gcc, EXEC_LC_SWITCH=1: the ISO form of the resume points (--full)
clang-switch        clang, EXEC_LC_SWITCH=1 (--full)
gcc-debug           gcc, EXEC_DEBUG=1
clang-debug         clang, EXEC_DEBUG=1 (--full)
gcc-nomalloc        gcc, EXEC_NO_MALLOC=1
gcc-small           gcc, EXEC_SMALL=1: programming errors trap, dumps and log have fixed words (--full)
gcc-nothreads       gcc, EXEC_NO_THREADS=1 (--full)
gcc-poll            gcc, EXEC_BACKEND_POLL (--full)
gcc-posix           gcc, EXEC_POSIX_ONLY=1 (--full)
tcc-nothreads       tcc, EXEC_NO_THREADS=1
musl-static         musl-gcc -static, cmocka compiled from its Debian source
gcc-m32             i386: gcc -m32, cmocka compiled from its Debian source
armhf               gcc for 32-bit ARM, run by qemu-user; cmocka compiled from its Debian source (--full)
arm64               the same for 64-bit ARM with -mbranch-protection=standard: landing pads as in gcc-cet (--full)
mipsel              the same for 32-bit MIPS, whose numbers of errors and signals are others (--full)
riscv64             the same for 64-bit RISC-V (--full)
s390x               the same for big endian (--full)
cpp                 coroutines in C++17 linked with coroutines in C11, g++ and clang++
static              EXEC_STATIC in two files and EXEC_IMPLEMENTATION in a third, in one program
host                two EXEC_STATIC copies in a program with SIGCHLD and SIGINT handlers of its own (trap 26)
layout              files compiled with different options do not link
compile-fail        what must not compile does not, and says why; what must abort does, and says why
symbols             every public function and macro is used by a test
coverage            every public function was entered by a test; lines and branches of the default build
coverage-all        lines and branches united over every build; a line that no test runs is listed (--full only)
nomalloc-symbols    EXEC_NO_MALLOC: undefined symbols from tests/allowed-symbols.txt only
posix-symbols       EXEC_POSIX_ONLY: undefined symbols from tests/allowed-symbols-posix.txt only
examples            each example by its one command, and a smoke test; what README.md and the headers show
steady-state        echo on each backend: no heap call, only waits, reads and writes; an idle executor is silent
acceptance-http     http.c against sockets, ab, wrk and curl: byte for byte, under load, stopped, mutated
acceptance-proxy    proxy.c between curl and http.c: both directions at once by checksum; a side killed
acceptance-chat     chat.c: lines to all others; a slow reader is dropped
counts              instructions per resume (callgrind); no atomic instruction in a local wake
bench               bench/run: rows are whole, and no count of ours is above its bound (calls, bytes, instructions)
sizes               an echo server over the same by hand, and the types, within tests/size/bounds; x86-64, armhf, i386
gdb                 tools/exec-gdb.py prints what exec_dump prints: live, from cores, with and without -g
fuzz                each tests/fuzz/*.c with libFuzzer, 10 s (long: 60 s, or EXEC_FUZZ_SECONDS)
mutants             tools/mutate: named faults put into the headers for 150 s, each caught (--full only)
spin                the wake protocol as a Spin model: no lost wake, and each fault put in is found
meson               as a subproject, by packaging/exec.wrap, installed with pkg-config, and built for itself
cmake               by add_subdirectory, by FetchContent, installed with find_package
versions            exec.h, meson.build, CMakeLists.txt, CHANGELOG.md and README.md name the same
'

# Those of each run, or with --full all of them.
config_names() {
    echo "$CONFIGS" | awk -v all="${EXEC_TEST_LONG:-}" 'NF && (all || !/\(--full( only)?\)$/) { print $1 }'
}

# One of those that rotate: by commit, or outside a repository by day.
rotating_config() {
    local names turn
    names=($(echo "$CONFIGS" | awk '/\(--full\)$/ { print $1 }'))
    turn=$(git rev-parse --short=7 HEAD 2>/dev/null) && turn=$((16#$turn)) || turn=$(($(date +%s) / 86400))
    echo "${names[turn % ${#names[@]}]}"
}
config_exists() { echo "$CONFIGS" | grep -q -- "^$1 "; }
list_configs() { echo "$CONFIGS" | sed '/^$/d'; }

C11=-std=c11

config_gcc() { suite gcc $C11 -O2 -g1 -pthread; }
config_clang() { needs clang; suite clang $C11 -O2 -g1 -pthread; }
config_gcc_O0() { suite gcc $C11 -O0 -g1 -pthread -DEXEC_API=; }
# The labels of a clone have other addresses than those that a frame holds.
config_gcc_O3() {
    needs nm
    suite gcc $C11 -O3 -fipa-cp-clone -g1 -pthread &&
        if nm "$BUILD"/gcc-O3/test_* | grep -E 'exec__body_.*\.(constprop|isra|clone|part)'; then
            fail 'trap_31: a coroutine was cloned'
        fi
}
config_gcc_Os() { suite gcc $C11 -Os -g1 -pthread; }
config_gcc_lto() { suite gcc $C11 -O2 -flto=auto -g1 -pthread; }
config_clang_lto() { needs clang ld.lld; suite clang $C11 -O2 -flto -fuse-ld=lld -g1 -pthread; }

# landing_pads COMPILER FLAGS...: wherever one of these coroutines resumes is one. Without FLAGS the check fails.
PADDED='tests/test_coroutines.c tests/test_combine.c examples/*.c'
landing_pads() {
    local source n sum=0
    for source in $PADDED; do
        "$@" $C11 -O2 -S "$source" -o "$BUILD/$CONFIG/pads.s" || return 1
        n=$(awk -f tests/landing_pads.awk "$BUILD/$CONFIG/pads.s") ||
            { echo "$n"; echo "FAIL: $source: resume points without a landing pad: $*"; return 1; }
        sum=$((sum + n))
    done
    echo "$sum resume points are landing pads: $*"
}
# finds_bare_labels COMPILER FLAGS...: what has none is refused.
finds_bare_labels() {
    local log=$BUILD/$CONFIG/bare.log
    ! landing_pads "$@" >"$log" && grep -q '^\.L.* in exec__body_' "$log"
}

config_gcc_cet() {
    local cet=-fcf-protection=full
    suite gcc $C11 -O2 -g1 -pthread $cet && landing_pads gcc $cet && { ! have clang || landing_pads clang $cet; } &&
        finds_bare_labels gcc -fcf-protection=none
}
config_gcc_switch() { suite gcc $C11 -O1 -g1 -pthread -DEXEC_LC_SWITCH=1; }
config_clang_switch() { needs clang; suite clang $C11 -O2 -g1 -pthread -DEXEC_LC_SWITCH=1; }
config_gcc_debug() { suite gcc $C11 -O1 -g1 -pthread -DEXEC_DEBUG=1; }
config_clang_debug() { needs clang; suite clang $C11 -O2 -g1 -pthread -DEXEC_DEBUG=1; }
config_gcc_nomalloc() { suite gcc $C11 -O1 -g1 -pthread -DEXEC_NO_MALLOC=1; }
config_gcc_small() { suite gcc $C11 -O1 -g1 -pthread -DEXEC_SMALL=1; }
config_gcc_nothreads() { suite gcc $C11 -O2 -g1 -DEXEC_NO_THREADS=1; }
POLL=-DEXEC_BACKEND=EXEC_BACKEND_POLL
config_gcc_poll() { suite gcc $C11 -O2 -g1 -pthread $POLL; }
config_gcc_posix() { suite gcc $C11 -O1 -g1 -pthread -DEXEC_POSIX_ONLY=1; }

# tcc knows few warnings; those it has are errors.
config_tcc_nothreads() {
    needs tcc
    SUITE_WARN='-Wall -Werror' suite tcc -g -DEXEC_NO_THREADS=1
}

SANITIZE='-O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all'
asan_options() {
    export ASAN_OPTIONS=detect_leaks=1
    export UBSAN_OPTIONS=print_stacktrace=1
}
config_asan() {
    asan_options
    suite gcc $C11 $SANITIZE -pthread -fsanitize=address,undefined
}
config_asan_poll() {
    asan_options
    suite gcc $C11 $SANITIZE -pthread -fsanitize=address,undefined $POLL
}
config_clang_asan() {
    needs clang
    can_clang_sanitize || skip 'no runtime for the sanitizers of clang'
    asan_options
    suite clang $C11 $SANITIZE -pthread -fsanitize=address,undefined
}
# Some kernels place a program where the runtime of an older TSan does not expect it: without
# randomising its addresses it works on each.
tsan_suite() {
    needs clang
    can_clang_sanitize || skip 'no runtime for the sanitizers of clang'
    export TSAN_OPTIONS=halt_on_error=0:exitcode=66:second_deadlock_stack=1
    have setarch && setarch -R true 2>/dev/null && RUNNER=(setarch -R)
    suite clang $C11 -O1 -g1 -pthread -fsanitize=thread "$@"
}
# Which signals are kept back, and until when, is a matter of its runtime.
wakers_under_gccs_tsan() {
    local program=$BUILD/tsan/gcc_wakers
    compile "$program" gcc $C11 -O1 -g1 -pthread -fsanitize=thread $WARN_C tests/test_wakers.c -lcmocka || return 1
    run_test "$program.log" "${RUNNER[@]}" env -u EXEC_TEST_LONG "$program" || return 1
    counted $TESTS
}
config_tsan() { tsan_suite && wakers_under_gccs_tsan; }
config_tsan_posix() { tsan_suite -DEXEC_POSIX_ONLY=1; }
config_valgrind() {
    needs valgrind
    TEST_SECONDS=$((3 * TEST_SECONDS))
    export EXEC_TEST_TREES=${EXEC_TEST_TREES:-2000} EXEC_TEST_ROUNDS=${EXEC_TEST_ROUNDS:-2000}   # 30 times as slow
    # A child that is meant to abort holds what it holds: it says nothing, its status still counts.
    RUNNER=(valgrind -q --child-silent-after-fork=yes --error-exitcode=99 --leak-check=full
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --track-fds=no --num-callers=20)
    suite gcc $C11 -O1 -g1 -pthread
}
# own_cmocka_suite "COMPILER AND TARGET" FLAGS...: where Debian has no cmocka to link with.
own_cmocka_suite() {
    local compiler=$1
    shift
    needs dpkg-source
    # shellcheck disable=SC2086
    cmocka_for "$CONFIG" $compiler || skip 'cmocka cannot be built'
    CMOCKA=$BUILD/cmocka-$CONFIG.o
    # shellcheck disable=SC2086
    suite $compiler $C11 "$@" -isystem "$BUILD/cmocka/include"
}
config_musl_static() {
    needs musl-gcc
    own_cmocka_suite 'musl-gcc -static' -O1 -g1
}
config_gcc_m32() {
    can_m32 || skip 'gcc -m32 cannot link here'
    own_cmocka_suite "gcc $M32" -O1 -g1 -pthread
}
