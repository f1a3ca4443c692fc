/* SPDX-License-Identifier: MIT
 * The timer workloads, the same for each side: insert and cancel of 1000 more, re-arm of random pending ones,
 * expiry of all in steps of about ten. Deadlines are absolute and random within ten seconds; time is what
 * the driver says. A driver defines before it includes this:
 *
 *     timer_side                                        its loop and `nodes` timers, numbered
 *     void side_open(timer_side *s, unsigned nodes, int64_t now)
 *     void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now)     one that is not armed
 *     void side_rearm(timer_side *s, unsigned index, int64_t deadline, int64_t now)   one that is
 *     void side_cancel(timer_side *s, unsigned index)   one that is
 *     void side_settle(timer_side *s)                   does what cancel and re-arm left for later, or nothing
 *     void side_turn(timer_side *s, int64_t now)        expires what is due
 *     uint64_t side_fired(timer_side *s)                how many have, since side_open
 *     void side_close(timer_side *s)                    cancels what is armed
 *
 * and gets TIMER_WORKLOADS, rows of its table. */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "bench.h"

enum { MORE = 1000, REARMS = 1 << 17 };
#define TIMER_SPAN 10000000000
#define TIMER_MS 1000000

/* The timers in [pending, pending + MORE) are those that are inserted and cancelled. */
typedef struct timers_bench {
    timer_side side;
    unsigned pending;
    uint64_t random;
    unsigned shift;             /* so that a timer gets another deadline each time */
    int64_t now;
    int64_t more[MORE];
    int64_t when[REARMS];
    unsigned which[REARMS];
    int64_t *deadlines;
} timers_bench;

static int64_t timers_later(timers_bench *b) {
    return b->now + TIMER_MS + (int64_t)(bench_random(&b->random) % (uint64_t)TIMER_SPAN);
}

static void timers_arm_all(timers_bench *b) {
    for (unsigned i = 0; i < b->pending; i++) b->deadlines[i] = timers_later(b);
    for (unsigned i = 0; i < b->pending; i++) side_arm(&b->side, i, b->deadlines[i], b->now);
}

static void *timers_make(unsigned pending) {
    timers_bench *b = (timers_bench *)bench_allocate(sizeof *b);
    b->pending = pending;
    b->random = 88172645463325252ULL;
    b->now = 1000 * (int64_t)1000000000;
    b->deadlines = (int64_t *)bench_allocate(sizeof *b->deadlines * pending);
    for (unsigned i = 0; i < MORE; i++) b->more[i] = timers_later(b);
    for (unsigned i = 0; i < REARMS; i++) {
        b->when[i] = timers_later(b);
        b->which[i] = (unsigned)(bench_random(&b->random) >> 20) % pending;
    }
    side_open(&b->side, pending + MORE, b->now);
    timers_arm_all(b);
    return b;
}

static void timers_insert_more(timers_bench *b) {
    for (unsigned i = 0; i < MORE; i++) side_arm(&b->side, b->pending + i, b->more[i], b->now);
}

static void timers_cancel_more(timers_bench *b) {
    for (unsigned i = 0; i < MORE; i++) side_cancel(&b->side, b->pending + i);
    side_settle(&b->side);
}

static int64_t timers_insert(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t start = bench_now(), took;
    (void)operations;
    timers_insert_more(b);
    took = bench_now() - start;
    timers_cancel_more(b);
    return took;
}

static int64_t timers_cancel(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t start;
    (void)operations;
    timers_insert_more(b);
    start = bench_now();
    timers_cancel_more(b);
    return bench_now() - start;
}

static int64_t timers_rearm(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t start = bench_now();
    (void)operations;
    b->shift += 7919;
    for (unsigned i = 0; i < REARMS; i++)
        side_rearm(&b->side, b->which[i], b->when[(i + b->shift) % REARMS], b->now);
    side_settle(&b->side);
    return bench_now() - start;
}

static int64_t timers_expire(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t step = TIMER_SPAN / (b->pending / 10), end = b->now + TIMER_SPAN + 100 * TIMER_MS;
    int64_t start = bench_now(), took;
    uint64_t before = side_fired(&b->side);
    (void)operations;
    while (b->now < end) side_turn(&b->side, b->now += step);
    took = bench_now() - start;
    if (side_fired(&b->side) - before != b->pending) {
        fprintf(stderr, "bench: %llu of %u timers expired\n",
                (unsigned long long)(side_fired(&b->side) - before), b->pending);
        exit(1);
    }
    timers_arm_all(b);
    return took;
}

static void timers_drop(void *state) {
    timers_bench *b = (timers_bench *)state;
    side_close(&b->side);
    free(b->deadlines);
    free(b);
}

#define TIMER_SIZE(count) \
    { "timer-insert/" #count, count, MORE, timers_make, timers_insert, timers_drop, 0 }, \
    { "timer-cancel/" #count, count, MORE, timers_make, timers_cancel, timers_drop, 0 }, \
    { "timer-rearm/" #count, count, REARMS, timers_make, timers_rearm, timers_drop, 0 }, \
    { "timer-expire/" #count, count, count, timers_make, timers_expire, timers_drop, 0 }
#define TIMER_WORKLOADS \
    TIMER_SIZE(1000), TIMER_SIZE(100000), TIMER_SIZE(1000000), TIMER_SIZE(10000000)

#endif
