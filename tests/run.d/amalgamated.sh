# SPDX-License-Identifier: MIT
# The one header that tools/amalgamate writes, in place of the others. Sourced by tests/run.

# Every line of every header but their includes of each other; the same bytes from everywhere.
amalgamate_is_faithful() {
    local one=$1
    tools/amalgamate -o "$one" && (cd / && "$ROOT/tools/amalgamate") | cmp - "$one" || return 1
    sed '1,/^ \*\/$/d' "$one" | sort >"$one.lines"
    cat exec*.h | grep -v '^#include "exec' | sort | cmp - "$one.lines"
}

# refused TREE MESSAGE ARGUMENTS...: it writes nothing, says why, and fails.
refused() {
    local tree=$1 message=$2
    shift 2
    if "$tree/tools/amalgamate" "$@" >"$tree/out" 2>"$tree/err" || [ -s "$tree/out" ] ||
        ! grep -q -- "$message" "$tree/err"; then
        cat "$tree/err"
        echo "tools/amalgamate $*: was not refused with: $message"
        return 1
    fi
}

# The order follows from the includes, whatever the names are.
amalgamate_orders() {
    local tree=$1
    rm -rf "$tree"
    mkdir -p "$tree/tools"
    cp exec*.h LICENSE "$tree" && cp tools/amalgamate "$tree/tools"
    echo '#include "exec_net.h"' >"$tree/exec_a.h"
    "$tree/tools/amalgamate" | grep -q ': exec\.h, exec_timer\.h, exec_net\.h, exec_a\.h' ||
        { echo 'a header does not stand behind what it includes'; return 1; }
    refused "$tree" 'among the headers' -o "$tree/exec_all.h" &&
        refused "$tree" 'no such directory' -o "$tree/no/exec.h" &&
        refused "$tree" '--help' -o && refused "$tree" '--help' exec.h || return 1
    echo '#include "exec_b.h"' >"$tree/exec_a.h"
    refused "$tree" 'exec_b.h cannot be read; exec_a.h includes it' || return 1
    echo '#include "exec_a.h"' >"$tree/exec_b.h"
    refused "$tree" 'exec_b.h and exec_a.h include each other'
}

# The examples beside the one file, each by its one command.
amalgamated_examples() {
    local source
    DIR=$1
    for source in examples/*.c; do
        build_example "$source" "$(basename "$source" .c)" || return 1
        total=$((total + 1))
    done
}

# passes WHAT...: runs it, adds its tests to the total.
passes() {
    ("$@") || fail "with the one header: $*"
    total=$((total + $(cat "$BUILD/count/$CONFIG")))
}

# In a tree of its own: exec_net.h is the one file; then also the tests, and what else they include by
# the other headers' names.
config_amalgamated() {
    local build=$BUILD dir=$BUILD/amalgamated header total=2
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree" "$dir/build/count" "$dir/build/note"
    amalgamate_is_faithful "$dir/tree/exec_net.h" || fail 'tools/amalgamate does not write the headers as they are'
    amalgamate_orders "$dir/order" || fail 'tools/amalgamate'
    cp -R examples tests "$dir/tree"
    for header in exec*.h; do
        [ "$header" = exec_net.h ] || echo '#include "exec_net.h"' >"$dir/$header"
    done
    cd "$dir/tree" || exit 1
    ROOT=$dir/tree BUILD=$dir/build
    amalgamated_examples "$dir" || fail 'an example beside the one header'
    passes check_headers "$dir/headers"
    mv "$dir"/exec*.h .
    passes suite gcc $C11 -O0 -g1 -pthread
    passes config_static
    BUILD=$build
    counted $total
}
