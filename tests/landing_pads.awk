# SPDX-License-Identifier: MIT
# Reads what gcc -S or clang -S wrote for x86-64 or arm64, and prints how many labels inside coroutines have their
# address taken: the points at which they resume. Each that no landing pad (endbr64, bti j) follows is printed, and
# the status is 1.

/^[A-Za-z_][A-Za-z0-9_.]*:/ { inside = /^exec__body_/ ? $1 : ""; delete waiting }
inside == "" { next }
/^\.L[A-Za-z0-9_]+:/ { split($1, name, ":"); waiting[name[1]] }
/^[ \t]+[a-z]/ {
    for (label in waiting) first[label] = inside $0
    delete waiting
    if ($1 ~ /^(j|call|notrack|b|cb|tb)/) next
    sub(/[ \t](#|\/\/).*/, "")
    while (match($0, /\.L[A-Za-z0-9_]+/)) {
        taken[substr($0, RSTART, RLENGTH)]
        $0 = substr($0, RSTART + RLENGTH)
    }
}
END {
    for (label in taken) {
        if (!(label in first)) continue         # of data
        n++
        if (first[label] ~ /endbr64|bti[ \t]+j|hint[ \t]+#?36/) continue
        print label " in " first[label]
        bare++
    }
    print n + 0
    exit n == 0 || bare > 0
}
