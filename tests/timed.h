/* SPDX-License-Identifier: MIT
 * For tests of what sleeps. The clock is virtual, or moved by hand. Included first; where a tick of the wheel is a
 * nanosecond (EXEC_TIMER_TICK_NS 1 before it) each time in a table is exact. */
#ifndef TIMED_H
#define TIMED_H

#define TEST_HEADER "../exec_timer.h"
#include "test.h"
#include "leaves.h"

typedef struct { exec ex; exec_timers timers; } world;

static inline void open_virtual(world *w, int64_t now) {
    exec_config config = quiet_config();
    config.virtual_clock = 1;
    assert_int_equal(exec_init(&w->ex, &config), 0);
    assert_int_equal(exec_clock_advance(&w->ex, now), 0);
    assert_int_equal(exec_timers_attach(&w->timers, &w->ex), 0);
}
static inline void open_by_hand(world *w, int64_t now) {
    exec_config config = quiet_config();
    config.clock = hand_clock;
    hand.now = now;
    assert_int_equal(exec_init(&w->ex, &config), 0);
    assert_int_equal(exec_timers_attach(&w->timers, &w->ex), 0);
}

/* No node is armed, and all is well. */
static inline void close_empty(world *w) {
    assert_int_equal(exec_check(&w->ex), 0);
    assert_true(exec_timers_next(&w->timers) == EXEC_NEVER);
    assert_int_equal(w->timers.levels, 0);
    assert_int_equal(exec_destroy(&w->ex, EXEC_NEVER), 0);
}

/* Moves the virtual clock there, tick by tick of those who wait, and runs what is due. */
static inline void run_to(world *w, int64_t at) {
    while (exec_turn(&w->ex) > 0) continue;
    while (exec_timers_next(&w->timers) <= at) {
        int64_t next = exec_timers_next(&w->timers);
        if (exec_clock_advance(&w->ex, next - exec_now(&w->ex)) < 0) fail();
        while (exec_turn(&w->ex) > 0) continue;
    }
    if (exec_clock_advance(&w->ex, at - exec_now(&w->ex)) < 0) fail();
}

/* The result of a future alone on a virtual clock that begins at `from`; and when it came. */
static inline intptr_t run_alone(exec_future *f, int64_t from, int64_t *at) {
    world w;
    int status;
    open_virtual(&w, from);
    status = exec_run_until(&w.ex, f);
    if (at) *at = exec_now(&w.ex);
    close_empty(&w);
    return status < 0 ? status : f->result;
}

/* Awaits what it is given; notes the result, and when it was over. */
typedef struct { EXEC_FRAME; exec_future *what; int64_t *at; } waiter;
EXEC_ASYNC(waiter) {
    EXEC_BEGIN;
    EXEC_AWAIT(self->what);
    EXEC_RETURN(self->what->result);
    EXEC_FINALLY;
    if (self->at) *self->at = exec_now(cx->exec);
    EXEC_END;
}
static inline void spawn_waiter(world *w, exec_handle *h, exec_future *what, int64_t *at) {
    exec_opts opts = test_opts_handle(h);
    assert_int_equal(EXEC_SPAWN(&w->ex, &opts, waiter, .what = what, .at = at), 0);
}

/* How often a future reads the clock moved by hand in one poll. */
typedef struct { EXEC_FRAME; exec_future *what; unsigned reads; } reader;
EXEC_ASYNC(reader) {
    EXEC_BEGIN;
    self->reads = hand.reads;
    self->what->parent = &self->fut;
    if (!self->what->type->poll(cx, self->what)) EXEC_RETURN((intptr_t)(hand.reads - self->reads));
    self->reads = hand.reads - self->reads;
    EXEC_AWAIT(self->what);
    EXEC_RETURN((intptr_t)self->reads);
    EXEC_END;
}
static inline intptr_t first_poll_reads(world *w, exec_future *what) {
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    assert_int_equal(EXEC_SPAWN(&w->ex, &opts, reader, .what = what), 0);
    while (exec_handle_result(&h) == -EAGAIN) {
        hand.now += EXEC_TIMER_TICK_NS;
        assert_true(exec_turn(&w->ex) >= 0);
    }
    return exec_handle_result(&h);
}

/* Sleeps; its cleanup takes time too. */
typedef struct { EXEC_FRAME; exec_sleep_op nap; int64_t takes, cleanup; intptr_t value; int *cleaned; } worker;
EXEC_ASYNC(worker) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, self->takes));
    EXEC_RETURN(self->value);
    EXEC_FINALLY;
    EXEC_AWAIT(exec_sleep(&self->nap, self->cleanup));
    if (self->cleaned) ++*self->cleaned;
    EXEC_END;
}
static inline worker make_worker(int64_t takes, int64_t cleanup, intptr_t value, int *cleaned) {
    worker one;
    memset(&one, 0, sizeof one);
    one.fut.type = &exec__type_worker;
    one.takes = takes;
    one.cleanup = cleanup;
    one.value = value;
    one.cleaned = cleaned;
    return one;
}
#endif
