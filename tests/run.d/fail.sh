# SPDX-License-Identifier: MIT
# What must be refused: tests/fail/*.c. Sourced by tests/run.
#
# The first comment of such a file says
#     expect: REGEX      the compiler's message, or with `runs` the last words of the program
#     with: COMMAND      a compiler and its flags; several lines are several cases
#     runs               it compiles; the program must abort with the message
#     bare               its wrong form is compiled without our warnings: the header alone refuses it
# Compiled with -DRIGHT the same file is what the user should have written: it compiles without a
# word, and runs.

expected() { sed -n 's/^ \* expect: *//p' "$1" | head -n 1; }
commands() { sed -n 's/^ \* with: *//p' "$1"; }
must_run() { grep -q '^ \* runs' "$1"; }
warnings_of() { case $1 in tcc) ;; *++) echo "$WARN" ;; *) echo "$WARN_C" ;; esac; }
warnings_for() { grep -q '^ \* bare' "$1" || warnings_of "$2"; }

# Refused: a failed compilation, or an abort, with the expected message in the log.
is_refused() { # FILE PROGRAM LOG COMMAND...
    local file=$1 program=$2 log=$3 status
    shift 3
    "$@" "$file" -o "$program" >"$log" 2>&1
    status=$?
    if must_run "$file"; then
        [ $status -eq 0 ] || { cat "$log"; echo "$file: does not compile"; return 1; }
        { (ulimit -c 0; timeout --foreground -k 5 20 "$program") >"$log" 2>&1; } 2>>"$log"
        status=$?
        [ $status -eq 134 ] || { cat "$log"; echo "$file: exited with $status, expected an abort"; return 1; }
    elif [ $status -eq 0 ]; then
        echo "$file: it compiled"
        return 1
    fi
    grep -Eq -- "$(expected "$file")" "$log" ||
        { cat "$log"; echo "$file: the message does not say: $(expected "$file")"; return 1; }
}

is_right() { # FILE PROGRAM LOG COMMAND...
    local file=$1 program=$2 log=$3
    shift 3
    "$@" -DRIGHT "$file" -o "$program" >"$log" 2>&1 ||
        { cat "$log"; echo "$file: its right form does not compile"; return 1; }
    [ -s "$log" ] && { cat "$log"; echo "$file: its right form is warned of"; return 1; }
    timeout --foreground -k 5 20 "$program" >"$log" 2>&1 ||
        { cat "$log"; echo "$file: its right form does not run"; return 1; }
}

config_compile_fail() {
    local dir=$BUILD/fail file line n=0 bad=0 without=''
    mkdir -p "$dir"
    for file in tests/fail/*.c; do
        while read -r line; do
            # shellcheck disable=SC2086
            set -- $line
            have "$1" || { without="$without $1"; continue; }
            case $1 in tcc) ;; *) set -- "$@" -pthread ;; esac
            echo "+ $line $file"
            is_refused "$file" "$dir/wrong" "$dir/log" "$@" $(warnings_for "$file" "$1") || bad=1
            is_right "$file" "$dir/right" "$dir/log" "$@" $(warnings_of "$1") || bad=1
            n=$((n + 2))
        done < <(commands "$file")
    done
    counted $n
    [ -n "$without" ] && note "(without$without)"
    [ $bad -eq 0 ] && [ $n -gt 0 ]
}
