/* SPDX-License-Identifier: MIT
 * Timers with 1000, 100000 and a million pending: insert and cancel of 1000 more, re-arm of random
 * pending ones, expiry of all in steps of about ten, the question for the next deadline.
 * Deadlines are absolute and random within ten seconds; all timers of ours belong to one task.
 * Floor: wheel.h.
 * cc -O2 -o timers timers.c && ./timers */
#include "bench.h"
#define EXEC_IMPLEMENTATION
#include "../exec_timer.h"
#include "wheel.h"

enum { MORE = 1000, REARMS = 100000 };
#define SPAN EXEC_SEC(10)

/* So that the loop around it weighs little. */
#define ONCE(statement) do { statement; BENCH_BARRIER(); } while (0)
#define FOUR_TIMES(statement) do { ONCE(statement); ONCE(statement); ONCE(statement); ONCE(statement); } while (0)

/* What both sides have: where the deadlines come from, and in which order nodes are taken. */
typedef struct plan {
    unsigned pending;
    uint64_t random;
    int64_t now;
    int64_t more[MORE];
    int64_t when[REARMS];
    unsigned which[REARMS];
    int64_t *deadlines;
} plan;

static int64_t later(plan *p) { return p->now + EXEC_MS(1) + (int64_t)(bench_random(&p->random) % (uint64_t)SPAN); }

static void plan_deadlines(plan *p) {
    for (unsigned i = 0; i < MORE; i++) p->more[i] = later(p);
    for (unsigned i = 0; i < REARMS; i++) {
        p->when[i] = later(p);
        p->which[i] = (unsigned)(bench_random(&p->random) >> 20) % p->pending;
    }
    for (unsigned i = 0; i < p->pending; i++) p->deadlines[i] = later(p);
}

static void plan_init(plan *p, unsigned pending) {
    p->pending = pending;
    p->random = 88172645463325252ULL;
    p->now = EXEC_SEC(1000);
    p->deadlines = (int64_t *)bench_allocate(sizeof *p->deadlines * pending);
    plan_deadlines(p);
}

/* ------------------------------------------------------------------------------------------- ours */

typedef struct sleeper { EXEC_FRAME; int stop; } sleeper;

EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    EXEC_WAIT_UNTIL(self->stop);
    EXEC_END;
}

typedef struct ours {
    plan p;
    exec ex;
    exec_timers timers;
    exec_handle handle;
    exec_timer more[MORE];
    exec_timer *nodes;
} ours;

static void ours_arm(ours *o, exec_timer *n, int64_t deadline) {
    if (!exec_timer_arm(&o->timers, n, deadline, o->handle.task)) abort();
}

static void ours_arm_all(ours *o) {
    for (unsigned i = 0; i < o->p.pending; i++) ours_arm(o, &o->nodes[i], o->p.deadlines[i]);
}

static void *ours_make(unsigned pending) {
    ours *o = (ours *)bench_allocate(sizeof *o);
    exec_config config;
    exec_opts opts;
    memset(&config, 0, sizeof config);
    memset(&opts, 0, sizeof opts);
    config.virtual_clock = 1;
    opts.handle = &o->handle;
    plan_init(&o->p, pending);
    o->nodes = (exec_timer *)bench_allocate(sizeof *o->nodes * pending);
    bench_must(exec_init(&o->ex, &config), "exec_init");
    bench_must(exec_clock_advance(&o->ex, o->p.now), "exec_clock_advance");
    bench_must(exec_timers_attach(&o->timers, &o->ex), "exec_timers_attach");
    bench_must(EXEC_SPAWN(&o->ex, &opts, sleeper, .stop = 0), "spawn");
    bench_must(exec_turn(&o->ex), "exec_turn");
    ours_arm_all(o);
    return o;
}

static int64_t ours_insert(void *state, uint64_t operations) {
    ours *o = (ours *)state;
    int64_t start = bench_now(), took;
    (void)operations;
    for (unsigned i = 0; i < MORE; i++) ours_arm(o, &o->more[i], o->p.more[i]);
    took = bench_now() - start;
    for (unsigned i = 0; i < MORE; i++) exec_timer_cancel(&o->timers, &o->more[i]);
    return took;
}

static int64_t ours_cancel(void *state, uint64_t operations) {
    ours *o = (ours *)state;
    int64_t start;
    (void)operations;
    for (unsigned i = 0; i < MORE; i++) ours_arm(o, &o->more[i], o->p.more[i]);
    start = bench_now();
    for (unsigned i = 0; i < MORE; i++) exec_timer_cancel(&o->timers, &o->more[i]);
    return bench_now() - start;
}

static int64_t ours_rearm(void *state, uint64_t operations) {
    ours *o = (ours *)state;
    int64_t start = bench_now();
    (void)operations;
    for (unsigned i = 0; i < REARMS; i++) ours_arm(o, &o->nodes[o->p.which[i]], o->p.when[i]);
    return bench_now() - start;
}

static int64_t ours_expire(void *state, uint64_t operations) {
    ours *o = (ours *)state;
    int64_t step = SPAN / (o->p.pending / 10), end = o->p.now + SPAN + EXEC_MS(100), start = bench_now(), took;
    (void)operations;
    for (; o->p.now < end; o->p.now += step) {
        bench_must(exec_clock_advance(&o->ex, step), "exec_clock_advance");
        bench_must(exec_turn(&o->ex), "exec_turn");
    }
    took = bench_now() - start;
    plan_deadlines(&o->p);
    ours_arm_all(o);
    return took;
}

static int64_t ours_next(void *state, uint64_t operations) {
    ours *o = (ours *)state;
    int64_t start = bench_now(), sum = 0;
    for (uint64_t i = 0; i < operations; i += 4) FOUR_TIMES(sum += exec_timers_next(&o->timers));
    return sum ? bench_now() - start : 0;
}

static void ours_drop(void *state) {
    ours *o = (ours *)state;
    for (unsigned i = 0; i < o->p.pending; i++) exec_timer_cancel(&o->timers, &o->nodes[i]);
    bench_must(exec_destroy(&o->ex, EXEC_SEC(10)), "exec_destroy");
    free(o->p.deadlines);
    free(o->nodes);
    free(o);
}

/* ------------------------------------------------------------------------------------------ floor */

typedef struct bare {
    plan p;
    wheel w;
    uint64_t fired;
    wheel_node more[MORE];
    wheel_node *nodes;
} bare;

static void bare_arm_all(bare *b) {
    for (unsigned i = 0; i < b->p.pending; i++) {
        b->nodes[i].fired = &b->fired;
        wheel_insert(&b->w, &b->nodes[i], b->p.deadlines[i]);
    }
}

static void *bare_make(unsigned pending) {
    bare *b = (bare *)bench_allocate(sizeof *b);
    plan_init(&b->p, pending);
    b->nodes = (wheel_node *)bench_allocate(sizeof *b->nodes * pending);
    wheel_advance(&b->w, b->p.now);
    bare_arm_all(b);
    return b;
}

static int64_t bare_insert(void *state, uint64_t operations) {
    bare *b = (bare *)state;
    int64_t start = bench_now(), took;
    (void)operations;
    for (unsigned i = 0; i < MORE; i++) {
        b->more[i].fired = &b->fired;
        wheel_insert(&b->w, &b->more[i], b->p.more[i]);
    }
    took = bench_now() - start;
    for (unsigned i = 0; i < MORE; i++) wheel_cancel(&b->more[i]);
    return took;
}

static int64_t bare_cancel(void *state, uint64_t operations) {
    bare *b = (bare *)state;
    int64_t start;
    (void)operations;
    for (unsigned i = 0; i < MORE; i++) wheel_insert(&b->w, &b->more[i], b->p.more[i]);
    start = bench_now();
    for (unsigned i = 0; i < MORE; i++) wheel_cancel(&b->more[i]);
    return bench_now() - start;
}

static int64_t bare_rearm(void *state, uint64_t operations) {
    bare *b = (bare *)state;
    int64_t start = bench_now();
    (void)operations;
    for (unsigned i = 0; i < REARMS; i++) {
        wheel_node *n = &b->nodes[b->p.which[i]];
        wheel_cancel(n);
        wheel_insert(&b->w, n, b->p.when[i]);
    }
    return bench_now() - start;
}

static int64_t bare_expire(void *state, uint64_t operations) {
    bare *b = (bare *)state;
    int64_t step = SPAN / (b->p.pending / 10), end = b->p.now + SPAN + EXEC_MS(100), start = bench_now(), took;
    (void)operations;
    for (b->fired = 0; b->p.now < end; b->p.now += step) wheel_advance(&b->w, b->p.now + step);
    took = bench_now() - start;
    if (b->fired != b->p.pending) abort();
    plan_deadlines(&b->p);
    bare_arm_all(b);
    return took;
}

static int64_t bare_next(void *state, uint64_t operations) {
    bare *b = (bare *)state;
    int64_t start = bench_now();
    uint64_t sum = 0;
    unsigned level, slot;
    for (uint64_t i = 0; i < operations; i += 4) FOUR_TIMES(sum += wheel_next(&b->w, &level, &slot));
    return sum ? bench_now() - start : 0;
}

static void bare_drop(void *state) {
    bare *b = (bare *)state;
    free(b->p.deadlines);
    free(b->nodes);
    free(b);
}

#define SIDES(name) \
    static const bench_side ours_##name##_side = { ours_make, ours_##name, ours_drop }; \
    static const bench_side bare_##name##_side = { bare_make, bare_##name, bare_drop };
SIDES(insert)
SIDES(cancel)
SIDES(rearm)
SIDES(expire)
SIDES(next)

#define ROWS(text, name, count_1k, count_100k, count_1m) \
    { text "/1000", 1000, count_1k, &ours_##name##_side, &bare_##name##_side }, \
    { text "/100000", 100000, count_100k, &ours_##name##_side, &bare_##name##_side }, \
    { text "/1000000", 1000000, count_1m, &ours_##name##_side, &bare_##name##_side }

static const bench_workload workloads[] = {
    ROWS("timer-insert", insert, MORE, MORE, MORE),
    ROWS("timer-cancel", cancel, MORE, MORE, MORE),
    ROWS("timer-rearm", rearm, REARMS, REARMS, REARMS),
    ROWS("timer-expire", expire, 1000, 100000, 1000000),
    ROWS("timer-next", next, 0, 0, 0)
};

int main(int argc, char **argv) {
    return bench_main(argc, argv, workloads, sizeof workloads / sizeof *workloads);
}
