# SPDX-License-Identifier: MIT
# Each header by itself, in each way that a program may include it. Sourced by tests/run.

SYSTEM_HEADERS='assert.h ctype.h errno.h fcntl.h inttypes.h limits.h locale.h math.h netdb.h
    netinet/in.h netinet/tcp.h arpa/inet.h poll.h pthread.h sched.h setjmp.h signal.h stdarg.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/epoll.h sys/eventfd.h
    sys/resource.h sys/select.h sys/socket.h sys/stat.h sys/syscall.h sys/time.h sys/types.h
    sys/uio.h sys/un.h sys/wait.h time.h unistd.h wchar.h'

# header_source HEADER FORM BEFORE: what the file says.
header_source() {
    local include="#include \"$ROOT/$1\"" form=$2 before=$3 system
    local implementation='#define EXEC_IMPLEMENTATION'
    case $form in
    ahead) printf '%s\n' "$implementation" "$include" ;;
    gnu-source) echo '#define _GNU_SOURCE 1' ;;
    esac
    if [ "$before" = after ]; then
        for system in $SYSTEM_HEADERS; do echo "#include <$system>"; done
    fi
    case $form in
    implementation | gnu-source) echo "$implementation" ;;
    static) echo '#define EXEC_STATIC' ;;
    later) printf '%s\n' "$include" "$implementation" ;;
    twice) printf '%s\n' "$implementation" "$include" ;;
    esac
    echo "$include"
    echo 'int main(void) { return EXEC_VERSION < 0; }'
}

# The implementation in a strict C11 file whose first header came without _GNU_SOURCE: this is the
# documented #error. The forms `ahead` and `gnu-source` are the remedies that it names.
too_late() { # FORM BEFORE STANDARD
    case ${3%-musl}:$1:$2 in
    c11:later:* | c11:implementation:after | c11:static:after | c11:twice:after) return 0 ;;
    esac
    return 1
}

# Compiler, standard, command. (C++ compilers define _GNU_SOURCE themselves.) clang finds every warning
# without making code, gcc does not.
HEADER_COMPILERS='gcc c11 gcc -std=c11
gcc gnu11 gcc -std=gnu11
clang c11 clang -fsyntax-only -std=c11
g++ c++17 g++ -std=c++17
clang++ c++17 clang++ -fsyntax-only -std=c++17
musl-gcc c11-musl musl-gcc -std=c11
gcc m32 gcc -std=gnu11'

# One compilation: prints a line if it is not as it should be. Run by xargs, several at once.
check_header() {
    local header=$1 form=$2 before=$3 option=$4 standard=$5 file warn=$WARN_C
    shift 5
    file=$HEADER_DIR/$header.$form.$before.$standard.$1.$option
    case $standard in c++*) file=$file.cpp warn=$WARN ;; *) file=$file.c ;; esac
    header_source "$header" "$form" "$before" >"$file"
    # shellcheck disable=SC2086
    [ "$option" = none ] || set -- "$@" -D${option//,/ -D}
    case $1 in clang*) ;; *) set -- "$@" -o "$file.o" ;; esac
    # shellcheck disable=SC2086
    "$@" $warn -c "$file" >"$file.log" 2>&1
    local status=$?
    if too_late "$form" "$before" "$standard"; then
        grep -Eq 'error.*exec.*EXEC_IMPLEMENTATION.*-D_(GNU|POSIX_C)_SOURCE' "$file.log" ||
            echo "BAD $* $header $form $before: no #error with the remedy ($file.log)"
    elif [ $status -ne 0 ] || [ -s "$file.log" ]; then
        echo "BAD $* $header $form $before: ($file.log)"
        head -n 5 "$file.log" | sed 's/^/    /'
    fi
    rm -f "$file.o"
}

# Options that go together are joined by a comma.
HEADER_OPTIONS='EXEC_LC_SWITCH=1 EXEC_DEBUG=1 EXEC_NO_THREADS=1 EXEC_NO_MALLOC=1 EXEC_SMALL=1'
# Those that decide what waits, and the smallest of each.
NET_OPTIONS='EXEC_BACKEND=EXEC_BACKEND_POLL EXEC_POSIX_ONLY=1
    EXEC_BACKEND=EXEC_BACKEND_POLL,EXEC_NO_MALLOC=1,EXEC_NO_THREADS=1
    EXEC_POSIX_ONLY=1,EXEC_NO_MALLOC=1,EXEC_NO_THREADS=1'

# Every header in every form with every option: with gcc and clang in C11. The other compilers see every
# form, and the options with the header that includes the others; --full: all with all.
options_for() { # HEADER BEFORE STANDARD
    if [ "$1" = exec_net.h ] && [ "$2" = alone ]; then echo "none $HEADER_OPTIONS" $NET_OPTIONS
    elif [ "$3" = c11 ] || [ -n "${EXEC_TEST_LONG:-}" ]; then echo "none $HEADER_OPTIONS"
    else echo none
    fi
}

header_cases() { # FILE FOR WHAT IS MISSING
    local header form before option compiler standard flags
    while read -r compiler standard flags; do
        have "$compiler" || { echo "(without $compiler)" >>"$1"; continue; }
        if [ $standard = m32 ]; then
            can_m32 || { echo '(without -m32)' >>"$1"; continue; }
            flags="$flags $M32"
        fi
        for header in exec*.h; do
            for form in declarations implementation static; do
                for before in alone after; do
                    for option in $(options_for "$header" $before "$standard"); do
                        echo "$header $form $before $option $standard $flags"
                    done
                done
            done
            for form in ahead:after gnu-source:after later:alone later:after twice:alone twice:after; do
                echo "$header ${form%:*} ${form#*:} none $standard $flags"
            done
        done
    done <<<"$HEADER_COMPILERS"
}

# check_headers DIR: the headers of the current directory, which is ROOT; works in DIR, says what is wrong.
check_headers() {
    local dir=$1 bad
    rm -rf "$dir"
    mkdir -p "$dir"
    header_cases "$dir/missing" >"$dir/cases"
    export -f check_header header_source too_late
    export ROOT WARN WARN_C SYSTEM_HEADERS
    # shellcheck disable=SC2016
    HEADER_DIR=$dir xargs -P "$(nproc)" -d '\n' -n 20 bash -c 'for c in "$@"; do check_header $c; done' _ \
        <"$dir/cases" >"$dir/bad" 2>&1
    bad=$(grep -c '^BAD' "$dir/bad")
    head -n 60 "$dir/bad"
    [ -e "$dir/missing" ] && note "$(sort -u "$dir/missing" | tr '\n' ' ')"
    counted "$(wc -l <"$dir/cases")"
    echo "$bad of $(wc -l <"$dir/cases") are not as they should be"
    [ "$bad" -eq 0 ] && [ ! -s "$dir/bad" ] && [ -s "$dir/cases" ]
}

config_headers() { check_headers "$BUILD/headers"; }
