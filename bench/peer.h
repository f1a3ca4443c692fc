/* SPDX-License-Identifier: MIT
 * What the driver of a peer in C or C++ ends with: its table and main. It has resume_make, _run, _drop, hops_make (1:
 * spinning, 0: parked), _run, _drop, the sides of timers.h, and serve, its echo server. More rows, each with a comma
 * behind it, are the argument. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#define PEER_MAIN(...) \
    static const bench_workload workloads[] = { \
        RESUME_WORKLOADS("resume", resume_make), \
        { "hop/spinning", 1, 1000, hops_make, hops_run, hops_drop, 1 }, \
        { "hop/parked", 0, 100, hops_make, hops_run, hops_drop, 1 }, \
        __VA_ARGS__ \
        TIMER_WORKLOADS \
    }; \
    int main(int argc, char **argv) { \
        if (argc == 3 && strcmp(argv[1], "echo") == 0) return serve(atoi(argv[2])); \
        return BENCH_MAIN(argc, argv, workloads); \
    }

#endif
