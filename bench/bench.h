/* SPDX-License-Identifier: MIT
 *
 * bench.h - what each driver of bench/ is made of: two sides of the same work, timed in turns
 *
 * A driver lists its workloads; bench_main runs them and prints one JSON line for each, with the
 * nanoseconds per operation of every slice (the median of the runs that fill it):
 *     {"workload": "resume/1", "metric": "ns", "samples": {"ours": [...], "floor": [...], "again": [...]}}
 * "again" is the floor once more: floor against again is the noise of the run.
 *
 *     driver [--pairs N] [--slice-ms N] [--cpu N] [--list] [WORKLOAD...]
 *     driver --once WORKLOAD ours|floor OPERATIONS       the work alone, for callgrind and strace
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE 1
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One side. `run` does so many operations and returns the nanoseconds that they took. */
typedef struct bench_side {
    void *(*make)(unsigned size);
    int64_t (*run)(void *state, uint64_t operations);
    void (*drop)(void *state);
} bench_side;

typedef struct bench_workload {
    const char *name;
    unsigned size;              /* handed to make */
    uint64_t operations;        /* of one call of run, or 0: as many as fill a slice */
    const bench_side *ours, *floor;
} bench_workload;

static inline int64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The compiler must not look behind it. */
#define BENCH_BARRIER() __asm__ volatile("" ::: "memory")

static inline void *bench_allocate(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (!memory) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memset(memory, 0, (bytes + 63) & ~(size_t)63);
}

static inline void bench_must(int status, const char *what) {
    if (status >= 0) return;
    fprintf(stderr, "bench: %s: %s\n", what, strerror(-status));
    exit(1);
}

static inline void bench_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) fprintf(stderr, "bench: cannot pin to cpu %d\n", cpu);
}

/* xorshift64*: the same sequence on every machine. */
static inline uint64_t bench_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

typedef struct bench_options { unsigned pairs, slice_ms; int cpu; } bench_options;

enum { BENCH_PARTS = 8, BENCH_RUNS = 4096 };

/* As many operations as fill an eighth of a slice. */
static inline uint64_t bench_calibrate(const bench_workload *w, void *state, unsigned slice_ms) {
    uint64_t operations = 1000;
    int64_t took;
    if (w->operations) return w->operations;
    for (;;) {
        took = w->floor->run(state, operations);
        if (took >= 1000000) break;
        operations *= 2;
    }
    return operations * slice_ms * 1000000 / BENCH_PARTS / (uint64_t)took + 1;
}

static inline int bench_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the runs that fill a slice: what interrupted one of them does not count. */
static inline double bench_slice(const bench_side *side, void *state, uint64_t operations, unsigned slice_ms) {
    static double runs[BENCH_RUNS];
    int64_t end = bench_now() + (int64_t)slice_ms * 1000000;
    unsigned count = 0;
    do {
        runs[count++] = (double)side->run(state, operations) / (double)operations;
    } while (count < BENCH_RUNS && (count < BENCH_PARTS / 2 || bench_now() < end)
             && !(count == 1 && bench_now() >= end + (int64_t)slice_ms * 1000000));
    qsort(runs, count, sizeof *runs, bench_by_value);
    return runs[count / 2];
}

static inline void bench_print(const char *side, const double *samples, unsigned count, const char *end) {
    printf("\"%s\": [", side);
    for (unsigned i = 0; i < count; i++) printf("%s%.4f", i ? ", " : "", samples[i]);
    printf("]%s", end);
}

static inline void bench_measure(const bench_workload *w, const bench_options *options) {
    enum { OURS, FLOOR, AGAIN, SIDES };
    const bench_side *sides[SIDES] = { w->ours, w->floor, w->floor };
    unsigned pairs = options->pairs;
    double *samples = (double *)bench_allocate(SIDES * pairs * sizeof *samples);
    void *states[SIDES];
    uint64_t operations;
    for (int side = 0; side < SIDES; side++) states[side] = sides[side]->make(w->size);
    operations = bench_calibrate(w, states[FLOOR], options->slice_ms);
    for (int side = 0; side < SIDES; side++) sides[side]->run(states[side], operations);
    for (unsigned pair = 0; pair < pairs; pair++)
        for (unsigned turn = 0; turn < SIDES; turn++) {
            unsigned side = (pair + turn) % SIDES;
            samples[side * pairs + pair] =
                bench_slice(sides[side], states[side], operations, options->slice_ms);
        }
    for (int side = 0; side < SIDES; side++) sides[side]->drop(states[side]);
    printf("{\"workload\": \"%s\", \"metric\": \"ns\", \"samples\": {", w->name);
    bench_print("ours", samples, pairs, ", ");
    bench_print("floor", samples + pairs, pairs, ", ");
    bench_print("again", samples + 2 * pairs, pairs, "}}\n");
    fflush(stdout);
    free(samples);
}

static inline int bench_once(const bench_workload *w, const char *which, uint64_t operations) {
    const bench_side *side = strcmp(which, "ours") ? w->floor : w->ours;
    void *state = side->make(w->size);
    for (uint64_t done = 0; done < operations; done += w->operations ? w->operations : operations)
        side->run(state, w->operations ? w->operations : operations);
    side->drop(state);
    return 0;
}

/* "resume" wants resume/1 and resume/1000. */
static inline int bench_wanted(const char *name, char **names, int count) {
    if (!count) return 1;
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (!strncmp(name, names[i], length) && (name[length] == 0 || name[length] == '/')) return 1;
    }
    return 0;
}

static inline int bench_main(int argc, char **argv, const bench_workload *list, unsigned count) {
    bench_options options = { 15, 20, -1 };
    int i = 1;
    if (argc == 5 && !strcmp(argv[1], "--once")) {
        for (unsigned w = 0; w < count; w++)
            if (!strcmp(list[w].name, argv[2])) return bench_once(&list[w], argv[3], strtoull(argv[4], NULL, 0));
        return 2;
    }
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--list")) {
            for (unsigned w = 0; w < count; w++) puts(list[w].name);
            return 0;
        }
        if (i + 1 == argc) return 2;
        if (!strcmp(argv[i], "--pairs")) options.pairs = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--slice-ms")) options.slice_ms = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--cpu")) options.cpu = atoi(argv[++i]);
        else return 2;
    }
    if (options.cpu >= 0) bench_pin(options.cpu);
    for (unsigned w = 0; w < count; w++)
        if (bench_wanted(list[w].name, argv + i, argc - i)) bench_measure(&list[w], &options);
    return 0;
}

#endif
