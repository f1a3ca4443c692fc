# SPDX-License-Identifier: MIT
# The benchmarks' drivers do what they say, and no count has grown. Sourced by tests/run.

# One row of each kind, from a run without peers: both sides, ratio and samples are there.
bench_rows_are_whole() {
    bench/run --quick --peer - --json "$1" resume/1 hop/parked timer-expire/1000 echo-latency echo/50 &&
        python3 - "$1" <<'END'
import json, sys
about, rows = (json.load(open(sys.argv[1]))[key] for key in ("machine", "rows"))
assert all(about[key] for key in ("cpu", "kernel", "compiler", "flags", "commit")), about
metrics = {row["metric"] for row in rows}
assert metrics == {"ns", "p50", "p99", "echoes/s", "instructions", "heap calls", "wake writes"}, metrics
for row in rows:
    assert {"workload", "better", "ours", "floor", "peers", "ratio", "goal", "holds", "samples"} <= set(row), row
    timed = row["metric"] in ("ns", "p50", "p99", "echoes/s")
    assert set(row["samples"]) == ({"ours", "floor", "again"} if timed else set()), row
    assert all(len(values) == 10 and min(values) > 0 for values in row["samples"].values()), row
END
}

config_bench() {
    needs python3 valgrind strace
    local log=$BUILD/bench.log status
    can_strace || skip 'strace may not trace here'
    ! bench/run --list --peer nobody >"$log" 2>&1 && grep -q "'nobody'.*libuv" "$log" ||
        fail 'bench/run takes a peer that there is not'
    bench_rows_are_whole "$BUILD/bench.json" || fail 'bench/run does not give whole rows'
    CC=gcc bench/run --check >"$log"
    status=$?
    cat "$log"
    note "($(sed -n 's/^[a-zA-Z]* \(echo\/50\|spawn\/heap\|spawn\/pool\): \([0-9.]* instructions\).*/\1 \2/p' "$log" |
        paste -s -d ',' | sed 's/,/, /g'))"
    counted $(($(grep -c '^ok ' "$log") + 2))
    return $status
}
