# SPDX-License-Identifier: MIT
# usage: awk -f tests/symbols.awk SYMBOLS TESTS
# SYMBOLS is the output of tools/public-symbols, TESTS the text of the test programs without comments
# and strings. Prints each symbol that no test uses: a function or a function-like macro is used when
# it is called or its address is taken, an option when a test or a configuration sets it.
FNR == NR { kind[$2] = $1; next }
{
    text = $0
    while (match(text, /[A-Za-z_][A-Za-z0-9_]*/)) {
        used[substr(text, RSTART, RLENGTH)] = 1
        text = substr(text, RSTART + RLENGTH)
    }
}
END {
    for (name in kind)
        if (!(name in used)) print kind[name], name
}
