/* SPDX-License-Identifier: MIT
 * Random arms, re-arms, cancels and jumps of the clock on ORACLE_NODES timers, beside wheel_oracle.h. */
#ifndef WHEEL_WALK_H
#define WHEEL_WALK_H

#include <time.h>
#define ORACLE_BAD(text) fail_msg("%s", text)
#include "wheel_oracle.h"

/* A walk ends at so many operations or seconds of this process's time, whichever comes first. */
typedef struct {
    oracle o;
    unsigned nodes;
    uint64_t goal, done, early, checks;
    clock_t end;
} wheel_walk;

static int walk_over(const wheel_walk *w) {
    return w->done + oracle_operations(&w->o) >= w->goal || clock() >= w->end;
}

/* A number of ticks: each magnitude up to two turns of the wheel is as likely. */
static int64_t walk_ticks(unsigned bits) { return (int64_t)(test_random() >> (63 - test_below(bits + 2))); }

static int64_t walk_after(int64_t now, int64_t ns) { return ns > EXEC_NEVER - now ? EXEC_NEVER : now + ns; }

/* One of the next ticks at which a digit changes. */
static int64_t walk_boundary(int64_t now, unsigned levels) {
    unsigned shift = EXEC_TIMER_BITS * test_below(levels);
    uint64_t most = (uint64_t)(EXEC_NEVER / ORACLE_TICK - 4);
    uint64_t tick = (((uint64_t)(now / ORACLE_TICK) >> shift) + 1 + test_below(3)) << shift;
    return (int64_t)(tick < most ? tick : most) * ORACLE_TICK;
}

static int64_t walk_deadline(int64_t now) {
    int64_t delay = walk_ticks(EXEC_TIMER_LEVELS * EXEC_TIMER_BITS) * ORACLE_TICK;
    switch (test_below(32)) {
    case 0: return test_below(2) ? 0 : -delay;
    case 1: return test_below(64) ? now : INT64_MIN;
    case 2: return now - delay;
    case 3: return EXEC_NEVER - test_below(4) * ORACLE_TICK - test_below(2);
    case 4: return walk_after(now, (int64_t)(test_random() >> (1 + test_below(62))));
    case 5: case 6: return walk_boundary(now, EXEC_TIMER_LEVELS) + (int64_t)test_below(3) - 1;
    case 7: return walk_boundary(now, EXEC_TIMER_LEVELS) + ORACLE_TICK * ((int64_t)test_below(3) - 1);
    case 8: return walk_after(now / ORACLE_TICK * ORACLE_TICK, delay);
    default: return walk_after(now, delay + (int64_t)test_below((unsigned)ORACLE_TICK));
    }
}

static void walk_fill(wheel_walk *w) {
    int64_t now = exec_now(&w->o.ex);
    for (unsigned i = 0; i < w->nodes; i++)
        while (!w->o.place[i]) oracle_arm(&w->o, i, walk_deadline(now));
}

/* Mostly small jumps, so that the wheel stays full; a huge one, and it is filled again. */
static void walk_turn(wheel_walk *w) {
    int64_t now = exec_now(&w->o.ex);
    if (test_below(w->nodes) == 0) {
        oracle_turn(&w->o, walk_ticks(EXEC_TIMER_LEVELS * EXEC_TIMER_BITS) * ORACLE_TICK);
        walk_fill(w);
        return;
    }
    switch (test_below(8)) {
    case 0: oracle_turn(&w->o, 0); break;
    case 1: oracle_turn(&w->o, test_below((unsigned)ORACLE_TICK)); break;
    case 2: oracle_turn(&w->o, ORACLE_TICK * (1 + test_below(3))); break;
    case 3: oracle_turn_at(&w->o, walk_boundary(now, EXEC_TIMER_LEVELS / 2 + 1) - test_below(2)); break;
    case 4: oracle_turn(&w->o, walk_ticks(EXEC_TIMER_LEVELS * EXEC_TIMER_BITS / 3) * ORACLE_TICK); break;
    default: (void)oracle_follow(&w->o);
    }
}

static void walk_step(wheel_walk *w) {
    unsigned node = test_below(w->nodes), kind = test_below(16);
    if (kind == 0) walk_turn(w);
    else if (kind < 4) oracle_cancel(&w->o, node);
    else oracle_arm(&w->o, node, walk_deadline(exec_now(&w->o.ex)));
}

/* Fills the wheel, walks, then follows the next deadline alone until nothing is left that expires. */
static void walk_round(wheel_walk *w, unsigned steps) {
    unsigned every = w->nodes / 4 + 1;
    oracle_open(&w->o, (int64_t)(test_random() >> (8 + test_below(56))), test_opts());
    walk_fill(w);
    for (unsigned step = 0; step < steps && !walk_over(w); step++) {
        walk_step(w);
        if (step % every) continue;
        oracle_check(&w->o);
        w->checks++;
    }
    while (!walk_over(w) && oracle_follow(&w->o)) {}
    if (w->o.early > w->o.armed * (EXEC_TIMER_LEVELS - 1)) fail_msg("it woke too often");
    oracle_close(&w->o);
    w->done += oracle_operations(&w->o);
    w->early += w->o.early;
    w->o.armed = w->o.cancelled = w->o.turns = w->o.expired = 0;
}

/* In the long suite until `goal`, else for a share of the time. */
static void walk_until(wheel_walk *w, uint64_t goal, unsigned nodes, unsigned seconds) {
    clock_t begin = clock();
    w->nodes = nodes;
    w->done = w->early = w->checks = 0;
    w->o.most = 0;
    w->goal = goal;
    w->end = begin + (clock_t)(getenv("EXEC_TEST_LONG") ? 30 * seconds : seconds) * CLOCKS_PER_SEC;
    do walk_round(w, 4 * nodes); while (!walk_over(w));
    printf("%llu operations on up to %u timers, %llu early wakes, %llu checks of the whole wheel, %u s\n",
           (unsigned long long)w->done, w->o.most, (unsigned long long)w->early, (unsigned long long)w->checks,
           (unsigned)((clock() - begin) / CLOCKS_PER_SEC));
}
#endif
