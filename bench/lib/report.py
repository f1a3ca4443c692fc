# SPDX-License-Identifier: MIT
"""What the samples say: ratios, whether a goal holds, tables, plots."""

import math
import os
import shutil
import statistics
import subprocess
import tempfile

# Peers that no package offers, as a ratio to the hand-written floor of the run in which they were measured (2 cores,
# gcc 12 -O2). Cited, not measured here.
CITED = {
    "resume/1": {"STC": 1.31, "LarryRuane protothread": 1.37, "nexus-async-rt": 29},
    "resume/1000": {"STC": 1.40, "LarryRuane protothread": 2.20},
    "resume/100000": {"STC": 2.55, "LarryRuane protothread": 2.18},
    "spawn/heap": {"LarryRuane protothread": 1.00, "STC": 3.5, "nexus-async-rt": 23},
    "spawn/pool": {"LarryRuane protothread": 1.27, "libdill": 15, "nexus-async-rt": 82},
    "timer-insert/1000": {"wahern timeout": 1.45}, "timer-insert/1000000": {"wahern timeout": 1.43},
    "timer-cancel/1000": {"wahern timeout": 2.1}, "timer-cancel/1000000": {"wahern timeout": 3.2},
    "timer-rearm/1000": {"wahern timeout": 1.26}, "timer-rearm/1000000": {"wahern timeout": 1.20},
    "timer-expire/1000": {"wahern timeout": 0.89}, "timer-expire/1000000": {"wahern timeout": 3.2},
    "echo-latency/1": {"nexus-async-rt": 1.05},
}


def interval(values):
    """The median's confidence interval of at least 95 %, from the order of the values."""
    n, ordered = len(values), sorted(values)
    below, k = 0.0, 0
    while k < n // 2:
        below += math.comb(n, k) / 2.0 ** n
        if 2 * below > 0.05:
            break
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]


def ratios(a, b):
    return [x / y for x, y in zip(a, b)]


def timing_row(spec, metric, samples):
    """`samples`: side -> its slices. The floor stands in it twice, as `floor` and `again`; `base` is what ours is
    divided by, when that is another metric of the floor."""
    better = "higher" if metric == "echoes/s" else "lower"
    pairs, noise = ratios(samples["ours"], samples["base"]), ratios(samples["again"], samples["floor"])
    low, high = interval(pairs)
    spread = interval(noise)
    low, high = low * min(1.0, spread[0]), high * max(1.0, spread[1])
    peers = {name: statistics.median(values) for name, values in samples.items()
             if name not in ("ours", "floor", "again", "base")}
    row = {"workload": spec.workload, "metric": metric, "better": better, "ours": statistics.median(samples["ours"]),
           "floor": statistics.median(samples["floor"]), "peers": peers, "cited": CITED.get(spec.workload, {}),
           "ratio": statistics.median(pairs), "interval": [low, high], "noise": list(spread),
           "goal": spec.goals.get(metric), "holds": None,
           "samples": {name: values for name, values in samples.items() if name != "base"}}
    if peers:
        row["best"] = (min if better == "lower" else max)(peers, key=peers.get)
        row["ratio_best"] = statistics.median(ratios(samples["ours"], samples[row["best"]]))
    if row["goal"] is not None:
        row["holds"] = low <= row["goal"] if better == "lower" else high >= row["goal"]
        median_holds = row["ratio"] <= row["goal"] if better == "lower" else row["ratio"] >= row["goal"]
        row["within_noise"] = row["holds"] and not median_holds
    return row


def count_row(spec, metric, values):
    """`values`: side -> its figure, which is exact but for what a run and a half-made one share unequally."""
    digits = 0 if metric.startswith("bytes") else 2
    values = {name: round(value, digits) + 0.0 for name, value in values.items()}
    ours, floor = values["ours"], values.get("floor")
    peers = {name: value for name, value in values.items() if name not in ("ours", "floor")}
    row = {"workload": spec.workload, "metric": metric, "better": "lower", "ours": ours, "floor": floor, "peers": peers,
           "cited": {}, "ratio": ours / floor if floor else None, "goal": spec.goals.get(metric, spec.limit),
           "limit": spec.limit, "holds": None, "samples": {}}
    if peers:
        row["best"] = min(peers, key=peers.get)
        row["ratio_best"] = ours / peers[row["best"]] if peers[row["best"]] else None
    if spec.limit is not None:
        row["holds"] = ours <= spec.limit
    elif row["goal"] is not None and floor:
        row["holds"] = row["ratio"] <= row["goal"]
    if spec.over is not None and floor is not None:
        row["over"] = spec.over
        row["holds"] = row["holds"] is not False and ours - floor <= spec.over
    return row


# ------------------------------------------------------------------------------------------- tables

def number(value):
    if value is None:
        return ""
    if abs(value) >= 1000:
        return "%.0f" % value
    return ("%.3g" if abs(value) < 100 else "%.1f") % value


def goal_of(row):
    if row.get("limit") is not None:
        return "<= %g%s" % (row["limit"], ", <= floor + %g" % row["over"] if "over" in row else "")
    if row["goal"] is None:
        return ""
    return "%s %g x" % ("<=" if row["better"] == "lower" else ">=", row["goal"])


def verdict(row):
    if row["holds"] is None:
        return ""
    if row.get("within_noise"):
        return "within the noise"
    return "holds" if row["holds"] else "MISSES"


def spread_of(row, side):
    values = row["samples"].get(side)
    return " (%s .. %s)" % (number(min(values)), number(max(values))) if values else ""


HEADINGS = ["workload", "metric", "ours", "floor", "ratio", "interval", "A/A", "goal", "", "peers"]


def cells(row):
    peers = ["%s %s%s" % (name, number(row["peers"][name]), spread_of(row, name))
             for name in sorted(row["peers"], key=row["peers"].get, reverse=row["better"] == "higher")]
    if row.get("ratio_best"):
        peers[0] += ": %.2f x" % row["ratio_best"]
    return [row["workload"], row["metric"], number(row["ours"]) + spread_of(row, "ours"),
            number(row["floor"]) + spread_of(row, "floor"), "" if row["ratio"] is None else "%.2f" % row["ratio"],
            "%.2f - %.2f" % tuple(row["interval"]) if "interval" in row else "exact",
            "%.2f - %.2f" % tuple(row["noise"]) if "noise" in row else "", goal_of(row), verdict(row),
            "; ".join(peers)]


def print_table(rows):
    lines = [HEADINGS] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip())


def markdown(rows):
    """Without the spread, which is in the JSON, and with what is cited."""
    lines = ["| workload | metric | ours | floor | ratio | goal | | peers, best first | cited, x floor |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        plain = cells(dict(row, samples={}))
        cited = ", ".join("%s %g" % item for item in row["cited"].items()) if row["metric"] in ("ns", "p50") else ""
        ratio = plain[4] + (" (%s)" % plain[5] if "interval" in row else "")
        bold = "**%s**" % plain[8] if plain[8] == "MISSES" else plain[8]
        lines.append("| " + " | ".join(plain[:4] + [ratio, plain[7], bold, plain[9], cited]) + " |")
    return "\n".join(lines)


BEGIN, END = "<!-- figures: bench/run --docs writes what follows -->\n", "<!-- end of the figures -->\n"


def lines_or(rows, line, otherwise):
    return "\n".join("- " + line(row) for row in rows) or otherwise


def write_docs(path, about, rows, skipped, plots):
    """Puts the figures between the marks of docs/benchmarks.md."""
    with open(path) as f:
        text = f.read()
    head, rest = text.split(BEGIN)
    lost = [row for row in rows if row["holds"] is False]
    behind = [row for row in rows if row.get("ratio_best") and
              (row["ratio_best"] > 1.05 if row["better"] == "lower" else row["ratio_best"] < 0.95)]
    parts = ["%(cpu)s, %(cores)d cores, Linux %(kernel)s, %(compiler)s %(flags)s, %(commit)s, %(time)s." % about,
             markdown(rows), "### Goals that are missed",
             lines_or(lost, lambda r: "%s, %s: %s, goal %s" % (
                 r["workload"], r["metric"], number(r["ours"]) if r.get("limit") is not None
                 else "%.2f x the floor" % r["ratio"], goal_of(r)), "None."),
             "### Peers that are ahead, by more than 5 %",
             lines_or(behind, lambda r: "%s, %s: %s has %s, we have %s" % (
                 r["workload"], r["metric"], r["best"], number(r["peers"][r["best"]]), number(r["ours"])), "None.")]
    if skipped:
        parts.append("Left out in this run: " + "; ".join(skipped) + ".")
    parts += ["![%s, in multiples of the floor](plots/%s.svg)" % (name.replace("-", " "), name) for name in plots]
    with open(path, "w") as f:
        f.write(head + BEGIN + "\n" + "\n\n".join(parts) + "\n\n" + END + rest.split(END)[1])


# -------------------------------------------------------------------------------------------- plots

GNUPLOT = """set terminal %(terminal)s
set output "%(output)s"
set title "%(title)s"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set logscale y
set yrange [*<0.5:2<*]
set ylabel "x the hand-written floor (%(better)s is better)"
set grid y
set key outside right top
set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2 lc rgb "black" front
set label "floor" at graph 0.005, first 1 offset 0, 0.5 front
set datafile missing "?"
plot %(plots)s
"""
TERMINALS = {"svg": "svg size 900,420 background 'white'", "png": "pngcairo size 900,420"}


PLOTTED = ("ns", "p50", "echoes/s", "instructions")


def plot(directory, rows):
    """One picture a family of workloads, in multiples of the floor, which is the line at 1. Their names."""
    if not shutil.which("gnuplot"):
        return []
    os.makedirs(directory, exist_ok=True)
    families, drawn = {}, []
    for row in rows:
        if row["floor"] and row["metric"] in PLOTTED:
            family = (row["workload"].split("/")[0], row["metric"])
            families.setdefault(family, []).append(row)
    for (family, metric), members in families.items():
        names = ["ours"] + sorted({name for row in members for name in row["peers"]})
        with tempfile.TemporaryDirectory() as scratch:
            data = os.path.join(scratch, "data")
            with open(data, "w") as f:
                for row in members:
                    values = dict(row["peers"], ours=row["ours"])
                    f.write(" ".join(['"%s"' % row["workload"]] + [
                        "%g" % (values[n] / row["floor"]) if values.get(n) else "?" for n in names]) + "\n")
            plots = ", ".join('"%s" using %d%s title "%s"' % (data, i + 2, ":xtic(1)" if i == 0 else "", n)
                              for i, n in enumerate(names))
            stem = (family + "-" + metric).replace("/", "-per-").replace(" ", "-")
            for suffix, terminal in TERMINALS.items():
                script = GNUPLOT % {"terminal": terminal, "output": os.path.join(directory, stem + "." + suffix),
                                    "title": "%s, %s" % (family, metric), "better": members[0]["better"],
                                    "plots": plots}
                subprocess.run(["gnuplot"], input=script, text=True, check=True)
            drawn.append(stem)
    return drawn
