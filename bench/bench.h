/* SPDX-License-Identifier: MIT
 *
 * bench.h - what each driver of bench/ is made of
 *
 * A driver is one side (ours, the floor, a peer): a list of workloads, each make, run, drop.
 *
 *     driver --list
 *     driver WORKLOAD SLICE_MS          makes it, warms it up and prints an empty line; then, for each line that it
 *                                       reads, runs one slice, prints `workload metric value` and an empty line
 *     driver --once WORKLOAD N          N operations and nothing else, for callgrind, strace and heap.c
 *
 * So bench/run lets the sides take turns, slice by slice, while all of them stay warm. Compiles as C11 and C++20.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_workload {
    const char *name;
    unsigned size;              /* handed to make */
    uint64_t operations;        /* of one call of run, or 0: as many as fill an eighth of a slice */
    void *(*make)(unsigned size);
    int64_t (*run)(void *state, uint64_t operations);   /* does them; ns that they took */
    void (*drop)(void *state);
    int spread;                 /* run calls bench_sample for each: the figures are p50, p99 and the middle */
} bench_workload;

/* The workloads that come in sizes. */
#define RESUME_WORKLOADS(name, make) \
    { name "/1", 1, 0, make, resume_run, resume_drop, 0 }, \
    { name "/1000", 1000, 0, make, resume_run, resume_drop, 0 }, \
    { name "/100000", 100000, 0, make, resume_run, resume_drop, 0 }

/* Replaced by clock.h, for who has to believe in another time. */
#ifndef BENCH_CLOCK
#define BENCH_CLOCK clock_gettime
#endif
static inline int64_t bench_now(void) {
    struct timespec now;
    BENCH_CLOCK(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The compiler must not look behind it. */
#define BENCH_BARRIER() __asm__ volatile("" ::: "memory")

/* So that the loop around it weighs little. */
#define BENCH_ONCE(statement) do { statement; BENCH_BARRIER(); } while (0)
#define BENCH_FOUR_TIMES(statement) \
    do { BENCH_ONCE(statement); BENCH_ONCE(statement); BENCH_ONCE(statement); BENCH_ONCE(statement); } while (0)

#define BENCH_LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define BENCH_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#if defined __x86_64__ || defined __i386__
#define BENCH_PAUSE() __builtin_ia32_pause()
#else
#define BENCH_PAUSE() BENCH_BARRIER()
#endif

static inline void *bench_allocate(size_t bytes) {
    size_t whole = (bytes + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, whole);
    if (!memory) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memset(memory, 0, whole);
}

/* Of what can fail: what is below 0, or a negated errno, ends the driver. */
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

/* ---------------------------------------------------------------------------------------- slices */

enum { BENCH_PARTS = 8 };
#define BENCH_KEPT 65536u

static double bench_kept[BENCH_KEPT];
static unsigned bench_count;
static uint64_t bench_ready;            /* operations that had nothing to wait for */

static inline void bench_sample(double value) { bench_kept[bench_count++ % BENCH_KEPT] = value; }

static inline int bench_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double bench_quantile(double part) {
    unsigned count = bench_count < BENCH_KEPT ? bench_count : BENCH_KEPT;
    return bench_kept[(unsigned)(part * (double)(count - 1))];
}

/* The mean without a tenth at either end: it lies between the ticks of a coarse clock, which a quantile cannot. */
static inline double bench_middle(void) {
    unsigned count = bench_count < BENCH_KEPT ? bench_count : BENCH_KEPT, cut = count / 10;
    double sum = 0;
    for (unsigned i = cut; i < count - cut; i++) sum += bench_kept[i];
    return sum / (double)(count - 2 * cut);
}

/* Whole rounds of `size`: a loop that runs all that is ready before it looks up does no more than was asked for. */
static inline uint64_t bench_calibrate(const bench_workload *w, void *state, unsigned slice_ms) {
    uint64_t size = w->size ? w->size : 1, rounds = 1000 / size + 1;
    int64_t took;
    if (w->operations) return w->operations;
    while ((took = w->run(state, rounds * size)) < 1000000) rounds *= 2;
    return (rounds * slice_ms * 1000000 / BENCH_PARTS / (uint64_t)took + 1) * size;
}

/* Runs that fill a slice. Of plain ones the median counts: what interrupted one of them does not. */
static inline void bench_slice(const bench_workload *w, void *state, uint64_t operations, unsigned slice_ms) {
    int64_t end = bench_now() + (int64_t)slice_ms * 1000000;
    bench_count = 0;
    bench_ready = 0;
    do {
        int64_t took = w->run(state, operations);
        if (!w->spread) bench_sample((double)took / (double)operations);
    } while (bench_now() < end);
    if (w->spread && bench_ready) printf("%s ready %.4f\n", w->name, (double)bench_ready / (double)bench_count);
    qsort(bench_kept, bench_count < BENCH_KEPT ? bench_count : BENCH_KEPT, sizeof *bench_kept, bench_by_value);
    printf("%s %s %.4f\n", w->name, w->spread ? "p50" : "ns", bench_quantile(0.5));
    if (w->spread) printf("%s p99 %.4f\n%s middle %.4f\n", w->name, bench_quantile(0.99), w->name, bench_middle());
}

static inline int bench_slices(const bench_workload *w, unsigned slice_ms) {
    void *state = w->make(w->size);
    uint64_t operations = bench_calibrate(w, state, slice_ms);
    w->run(state, operations);
    printf("\n");
    fflush(stdout);
    for (int c; (c = getchar()) != EOF;) {
        if (c != '\n') continue;
        bench_slice(w, state, operations, slice_ms);
        printf("\n");
        fflush(stdout);
    }
    w->drop(state);
    return 0;
}

static inline int bench_once(const bench_workload *w, uint64_t operations) {
    void *state = w->make(w->size);
    uint64_t each = w->operations ? w->operations : operations;
    for (uint64_t done = 0; done < operations; done += each) w->run(state, each);
    w->drop(state);
    return 0;
}

static inline int bench_main(int argc, char **argv, const bench_workload *list, unsigned count) {
    int once = argc == 4 && strcmp(argv[1], "--once") == 0;
    for (const bench_workload *w = list; w < list + count; w++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0) puts(w->name);
        else if (once && strcmp(argv[2], w->name) == 0) return bench_once(w, strtoull(argv[3], NULL, 0));
        else if (argc == 3 && strcmp(argv[1], w->name) == 0) return bench_slices(w, (unsigned)atoi(argv[2]));
    }
    return argc == 2 ? 0 : 2;
}
#define BENCH_MAIN(argc, argv, list) bench_main(argc, argv, list, sizeof(list) / sizeof *(list))

#endif
