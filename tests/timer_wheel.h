/* SPDX-License-Identifier: MIT
 * The wheel against a reference that is too simple to be wrong. Included by test_timer.c and
 * test_timer_small.c, which differ in the wheel's options. */
#ifndef TIMER_WHEEL_H
#define TIMER_WHEEL_H

#include "timed.h"

#define TICK ((int64_t)EXEC_TIMER_TICK_NS)
/* How often a timer may wake the executor before its time. */
#define EARLY (EXEC_TIMER_LEVELS - 1)

/* A task that each timer of a test wakes; it does nothing. */
typedef struct { EXEC_FRAME; } watch;
static exec_task *watcher;

EXEC_ASYNC(watch) {
    EXEC_BEGIN;
    watcher = cx->task;
    EXEC_WAIT_UNTIL(0);
    EXEC_END;
}

/* The clock stands at `start`, the watcher waits. */
static void world_open(world *w, int64_t start) {
    open_virtual(w, start);
    assert_int_equal(EXEC_SPAWN(&w->ex, test_opts(), watch), 0);
    assert_int_equal(exec_turn(&w->ex), 1);
}

static void world_close(world *w) { assert_int_equal(exec_destroy(&w->ex, EXEC_NEVER), 0); }

/* One turn at that time. */
static void world_turn(world *w, int64_t at) {
    if (exec_clock_advance(&w->ex, at - exec_now(&w->ex)) < 0) fail();
    if (exec_turn(&w->ex) < 0) fail();
}

static uint64_t expiries(const world *w) { return stats(&w->ex).expiries; }

static int64_t round_up(int64_t deadline) { return (deadline + TICK - 1) / TICK * TICK; }

/* What must hold of one timer when a turn at `now` is over: it was armed for `deadline`. */
static void check_timer(const exec_timer *n, int64_t deadline, int64_t now) {
    int armed = exec_timer_armed(n);
    if (!armed && deadline > now) fail_msg("early: %lld at %lld", (long long)deadline, (long long)now);
    if (armed && deadline <= now - TICK) fail_msg("late: %lld at %lld", (long long)deadline, (long long)now);
}

/* Arms timers for start + delays[i], which ascend, and steps the clock tick by tick: at each step
   exactly those have expired whose time has come. */
static void run_in_steps(int64_t start, const int64_t *delays, exec_timer *nodes, unsigned count) {
    world w;
    unsigned armed = 0, gone;
    world_open(&w, start);
    memset(nodes, 0, count * sizeof *nodes);
    for (unsigned i = 0; i < count; i++) {
        armed += (unsigned)exec_timer_arm(&w.timers, &nodes[i], start + delays[i], watcher);
        if (!exec_timer_armed(&nodes[i]) && delays[i] > 0) fail();
    }
    gone = count - armed;
    for (int64_t now = start / TICK * TICK; gone < count; now += TICK) {
        if (now < start) continue;
        world_turn(&w, now);
        for (; gone < count && round_up(start + delays[gone]) <= now; gone++)
            if (exec_timer_armed(&nodes[gone])) fail_msg("late: %u of %u", gone, count);
        if (gone < count && !exec_timer_armed(&nodes[gone])) fail_msg("early: %u of %u", gone, count);
        if (expiries(&w) != gone - (count - armed)) fail_msg("early: some of %u", count);
        if (exec_timers_next(&w.timers) <= now) fail_msg("it would spin");
    }
    assert_true(exec_timers_next(&w.timers) == EXEC_NEVER);
    world_close(&w);
}

/* Arms timers and follows exec_timers_next alone. Returns how often nothing expired. */
static unsigned run_by_events(int64_t start, const int64_t *deadlines, exec_timer *nodes, unsigned count) {
    world w;
    unsigned early = 0;
    world_open(&w, start);
    memset(nodes, 0, count * sizeof *nodes);
    for (unsigned i = 0; i < count; i++)
        if (!exec_timer_arm(&w.timers, &nodes[i], deadlines[i], watcher) && deadlines[i] > start) fail();
    for (;;) {
        int64_t next = exec_timers_next(&w.timers);
        uint64_t before = expiries(&w);
        if (next == EXEC_NEVER) break;
        if (next <= exec_now(&w.ex)) fail_msg("it would spin");
        world_turn(&w, next);
        for (unsigned i = 0; i < count; i++) check_timer(&nodes[i], deadlines[i], next);
        if (expiries(&w) == before) early++;
        if (exec_check(&w.ex) < 0) fail();
    }
    world_close(&w);
    return early;
}

static void a_slot_shared_by_several_opens_early_at_most_once_a_level(void **state) {
    static exec_timer nodes[64];
    static int64_t deadlines[64];
    (void)state;
    test_seed(21);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned count = 1 + test_below(round % 3 ? 3 : 64), far = 0;
        unsigned magnitude = test_below(62 - 14), early;
        int64_t start = (int64_t)(test_random() >> (16 + test_below(47)));
        for (unsigned i = 0; i < count; i++) {
            uint64_t delay = test_random() >> (14 + magnitude);
            deadlines[i] = start + (int64_t)delay;
            if ((uint64_t)deadlines[i] / EXEC_TIMER_TICK_NS >> EXEC_TIMER_LEVELS * EXEC_TIMER_BITS
                != (uint64_t)start / EXEC_TIMER_TICK_NS >> EXEC_TIMER_LEVELS * EXEC_TIMER_BITS) far++;
        }
        early = run_by_events(start, deadlines, nodes, count);
        if (early > count * EARLY + far) fail_msg("%u timers woke %u times early", count, early);
        if (count == 1 && early) fail_msg("a lone timer woke early");
    }
}

/* Only what lies in the slot itself is read, not its timers: they are garbage while it is asked for.
   Of one timer that is alone in its slot: that one. */
static void trap_12_next_deadline_visits_one_slot(void **state) {
    static exec_timer nodes[10000], saved[10000];
    int64_t next;
    world w;
    (void)state;
    test_seed(22);
    memset(nodes, 0, sizeof nodes);
    world_open(&w, TICK * 5);
    for (unsigned i = 0; i < COUNT(nodes); i++) {
        int64_t deadline = TICK * (i < 2 ? 6 : 7 + (int64_t)(test_random() >> 30));
        assert_int_equal(exec_timer_arm(&w.timers, &nodes[i], deadline, watcher), 1);
    }
    for (unsigned alone = 0; alone < 2; alone++) {
        if (alone) exec_timer_cancel(&w.timers, &nodes[1]);
        memcpy(saved, nodes, sizeof nodes);
        memset(nodes + alone, 0xA5, sizeof nodes - alone * sizeof *nodes);
        next = exec_timers_next(&w.timers);
        memcpy(nodes, saved, sizeof nodes);
        assert_true(next == TICK * 6);
    }
    for (unsigned i = 0; i < COUNT(nodes); i++) exec_timer_cancel(&w.timers, &nodes[i]);
    world_close(&w);
}
#endif
