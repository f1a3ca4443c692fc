/* SPDX-License-Identifier: MIT
 * Sleep, timeout, and the default wheel. The clock is virtual, or a fake kernel's: a park moves it. */
#define _GNU_SOURCE 1       /* a system header comes before the implementation */
#include <stdint.h>
struct timespec;
static int park(const struct timespec *timeout);
#define EXEC_SYS_PPOLL(fds, count, timeout) ((void)(fds), (void)(count), park(timeout))
#define EXEC_TRACE_PARK(ex, timeout_ns) trace_park(timeout_ns)
static void trace_park(int64_t timeout_ns);
#include "timer_wheel.h"

/* ------------------------------------------------------------------------------ the fake kernel */

/* Its clock is the one that is moved by hand. */
static struct {
    int64_t late, early;        /* how far a park misses its timeout */
    unsigned parks, traced;
} kernel;

static int park(const struct timespec *timeout) {
    int64_t ns;
    if (!timeout) fail_msg("a park for ever");
    if (timeout->tv_sec < 0) fail_msg("a park that is no time");
    ns = (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
    kernel.parks++;
    hand.now += ns + kernel.late;
    if (kernel.early < ns) hand.now -= kernel.early;
    return 0;
}

static void trace_park(int64_t timeout_ns) {
    if (timeout_ns <= 0) fail_msg("a park that does not wait");
    kernel.traced++;
}

/* An executor on the fake kernel, with timers. */
static void open_kernel(world *w) {
    memset(&kernel, 0, sizeof kernel);
    open_by_hand(w, 1000000007);
}

/* ------------------------------------------------------------------------------------------- sleep */

static void sizes_are_as_promised(void **state) {
    (void)state;
    assert_true(sizeof(exec_timer) <= (sizeof(void *) == 8 ? 32 : 24));
    assert_true(sizeof(exec_timers) <= 4096);
    assert_true(sizeof(exec_sleep_op) <= 64);
    assert_true(EXEC_TIMER_LEVELS == 6 && EXEC_TIMER_BITS == 6 && EXEC_TIMER_TICK_NS == 65536);
}

static void one_wheel_each_executor(void **state) {
    exec_timers other;
    world w;
    (void)state;
    open_virtual(&w, 0);
    assert_ptr_equal(exec_timers_of(&w.ex), &w.timers);
    assert_int_equal(exec_timers_attach(&other, &w.ex), -EBUSY);
    close_empty(&w);
    assert_null(exec_timers_of(&w.ex));
}

static void without_a_wheel_ops_are_refused(void **state) {
    exec ex;
    exec_sleep_op nap;
    exec_timeout_op limit;
    gate g;
    (void)state;
    memset(&g, 0, sizeof g);
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_run_until(&ex, exec_sleep(&nap, 1)), 0);
    assert_int_equal(EXEC_RESULT(&nap), -ENOSYS);
    assert_int_equal(exec_run_until(&ex, exec_timeout(&limit, gate_wait(&g), 1)), 0);
    assert_int_equal(EXEC_RESULT(&limit), -ENOSYS);
    assert_int_equal(limit.expired, 0);
    assert_int_equal(g.polls, 0);
    assert_int_equal(exec_destroy(&ex, EXEC_NEVER), 0);
}

static void preparing_does_nothing(void **state) {
    exec_sleep_op nap;
    exec_timeout_op limit;
    world w;
    (void)state;
    open_kernel(&w);
    hand.reads = 0;
    (void)!exec_timeout(&limit, exec_sleep(&nap, EXEC_SEC(1)), EXEC_SEC(2));
    (void)!exec_timeout_at(&limit, exec_sleep_until(&nap, EXEC_SEC(1)), EXEC_SEC(2));
    assert_int_equal(hand.reads, 0);
    assert_false(exec_timer_armed(&nap.timer) || exec_timer_armed(&limit.timer));
    close_empty(&w);
}

typedef struct { EXEC_FRAME; exec_sleep_op *nap; } naps_a_second;
EXEC_ASYNC(naps_a_second) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(self->nap, EXEC_SEC(1)));
    EXEC_END;
}

static void a_virtual_hour_takes_no_time(void **state) {
    exec_sleep_op nap;
    world w;
    (void)state;
    kernel.parks = 0;
    open_virtual(&w, 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep(&nap, EXEC_SEC(3600))), 0);
    assert_int_equal(EXEC_RESULT(&nap), 0);
    assert_true(exec_now(&w.ex) >= EXEC_SEC(3600) && exec_now(&w.ex) < EXEC_SEC(3600) + TICK);
    assert_int_equal(kernel.parks, 0);
    assert_int_equal(expiries(&w), 1);
    close_empty(&w);
}

static void a_virtual_clock_does_not_jump_while_others_may_act(void **state) {
    static exec_port port;          /* where there is no heap */
    exec_sleep_op nap;
    exec_remote remote;
    exec_config config = quiet_config();
    world w;
    (void)state;
    config.virtual_clock = 1;
    config.port = &port;
    assert_int_equal(exec_init(&w.ex, &config), 0);
    assert_int_equal(exec_timers_attach(&w.timers, &w.ex), 0);
    assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), naps_a_second, .nap = &nap), 0);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(exec_remote_get(&w.ex, &remote), 0);
    assert_true(exec_prepare(&w.ex) == EXEC_NEVER);
    assert_int_equal(exec_now(&w.ex), 0);
    exec_remote_drop(&remote);
    assert_int_equal(exec_prepare(&w.ex), 0);
    assert_true(exec_now(&w.ex) >= EXEC_SEC(1));
    assert_int_equal(exec_run(&w.ex), 0);
    close_empty(&w);
}

static void clock_arithmetic_saturates(void **state) {
    world w;
    (void)state;
    open_virtual(&w, 0);
    assert_int_equal(exec_clock_advance(&w.ex, EXEC_SEC(5)), 0);
    assert_true(exec_deadline(&w.ex, EXEC_NEVER) == EXEC_NEVER);
    assert_true(exec_deadline(&w.ex, EXEC_NEVER - 1) == EXEC_NEVER);
    assert_true(exec_deadline(&w.ex, -1) == EXEC_SEC(5));
    assert_true(exec_deadline(&w.ex, INT64_MIN) == EXEC_SEC(5));
    assert_true(exec_deadline(&w.ex, EXEC_MS(1)) == EXEC_SEC(5) + EXEC_MS(1));
    close_empty(&w);
}

static void a_sleep_for_ever_is_a_deadlock_and_can_be_cancelled(void **state) {
    static const int64_t times[] = { EXEC_NEVER, EXEC_NEVER - 1 };
    (void)state;
    for (unsigned i = 0; i < COUNT(times); i++) {
        exec_sleep_op nap;
        exec_handle h;
        world w;
        open_virtual(&w, 0);
        spawn_waiter(&w, &h, exec_sleep(&nap, times[i]), NULL);
        assert_int_equal(exec_run(&w.ex), -EDEADLK);
        assert_true(exec_timer_armed(&nap.timer));
        assert_true(exec_timers_next(&w.timers) == EXEC_NEVER);
        assert_true(exec_now(&w.ex) == 0);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(EXEC_RESULT(&nap), -ECANCELED);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        close_empty(&w);
    }
}

static void zero_negative_and_past_are_ready_at_once(void **state) {
    exec_sleep_op nap;
    world w;
    (void)state;
    open_kernel(&w);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep(&nap, 0)), 0);
    assert_int_equal(EXEC_RESULT(&nap), 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep(&nap, -5)), 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep(&nap, INT64_MIN)), 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep_until(&nap, 0)), 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep_until(&nap, -1)), 0);
    assert_int_equal(exec_run_until(&w.ex, exec_sleep_until(&nap, EXEC_MS(999))), 0);
    assert_int_equal(EXEC_RESULT(&nap), 0);
    assert_int_equal(kernel.parks, 0);
    assert_int_equal(expiries(&w), 0);
    close_empty(&w);
}

typedef struct { EXEC_FRAME; exec_sleep_op nap; exec_timeout_op limit; gate never; unsigned *count; int kind; } greedy;

EXEC_ASYNC(greedy) {
    EXEC_BEGIN;
    for (;;) {
        if (self->kind == 0) EXEC_TRY(exec_sleep(&self->nap, 0));
        if (self->kind == 1) EXEC_TRY(exec_sleep_until(&self->nap, 0));
        if (self->kind == 2) EXEC_AWAIT(exec_timeout(&self->limit, gate_wait(&self->never), 0));
        ++*self->count;
    }
    EXEC_END;
}

/* The op budget: a loop of waits that are over at once starves nobody. */
static void endless_ready_sleeps_yield(void **state) {
    unsigned counts[3] = { 0, 0, 0 }, turns = 0;
    world w;
    (void)state;
    open_virtual(&w, 0);
    for (int kind = 0; kind < 3; kind++)
        assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), greedy, .count = &counts[kind], .kind = kind), 0);
    while (turns++ < 10) assert_int_equal(exec_turn(&w.ex), 64);
    for (int kind = 0; kind < 3; kind++) assert_in_range(counts[kind], 200 * 120, 220 * 128);
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);
}

typedef struct { EXEC_FRAME; exec_sleep_op nap; int64_t next, worst; unsigned left; } metronome;

EXEC_ASYNC(metronome) {
    EXEC_BEGIN;
    for (; self->left; self->left--) {
        self->next += EXEC_MS(7);
        EXEC_TRY(exec_sleep_until(&self->nap, self->next));
        if (exec_now(cx->exec) - self->next > self->worst) self->worst = exec_now(cx->exec) - self->next;
        if (exec_now(cx->exec) < self->next) self->worst = EXEC_NEVER;
    }
    EXEC_RETURN(self->worst < TICK);
    EXEC_END;
}

static void steps_to_a_deadline_do_not_drift(void **state) {
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    world w;
    (void)state;
    open_kernel(&w);
    assert_int_equal(EXEC_SPAWN(&w.ex, &opts, metronome, .next = hand.now, .left = 1000), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(exec_handle_result(&h), 1);
    assert_in_range(hand.now - 1000000007, EXEC_SEC(7), EXEC_SEC(7) + TICK);
    assert_int_equal(kernel.parks, 1000);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------ parking */

/* Each span alone: one park for one expiry, rounded up; and no spin where the kernel is early. */
static void trap_13_ms_truncation(void **state) {
    (void)state;
    test_seed(13);
    for (unsigned i = 0; i < 2000; i++) {
        int64_t span = 1 + (int64_t)(test_random() >> (14 + test_below(44))), start;
        exec_sleep_op nap;
        world w;
        open_kernel(&w);
        start = hand.now;
        if (i % 4 == 1) kernel.late = 60000;
        if (i % 4 == 2) kernel.early = 1 + test_below(1000);
        if (exec_run_until(&w.ex, exec_sleep(&nap, span)) < 0) fail();
        if (hand.now - start < span) fail_msg("early by %lld", (long long)(start + span - hand.now));
        if (hand.now - start > span + TICK + kernel.late) fail_msg("late");
        if (kernel.parks != 1 && !kernel.early) fail_msg("%u parks", kernel.parks);
        if (kernel.parks > 12) fail_msg("it spins: %u parks", kernel.parks);
        close_empty(&w);
    }
}

#define SLEEPERS 40
static void trap_17_idle_parks_once_per_deadline(void **state) {
    static exec_sleep_op naps[SLEEPERS];
    exec_counters counters;
    (void)state;
    test_seed(17);
    for (unsigned round = 0; round < 200; round++) {
        unsigned count = 1 + test_below(SLEEPERS);
        world w;
        open_kernel(&w);
        for (unsigned i = 0; i < count; i++) {
            int64_t span = (int64_t)(test_random() >> (20 + test_below(30)));
            spawn_waiter(&w, NULL, exec_sleep(&naps[i], span), NULL);
        }
        if (exec_run(&w.ex) < 0) fail();
        exec_stats(&w.ex, &counters);
        assert_int_equal(counters.parks, kernel.traced);
        assert_int_equal(counters.parks, kernel.parks);
        if (kernel.parks > count + count * EARLY) fail_msg("%u parks for %u", kernel.parks, count);
        if (count == 1 && kernel.parks > 1) fail_msg("a lone timer parked twice");
        close_empty(&w);
    }
}

/* The wheel's time goes on while nothing expires, and while it is empty: a day later two timers are
   placed as on the first day, each in a slot of its own. */
static void trap_17_idle_time_costs_no_parks_and_no_turns(void **state) {
    (void)state;
    for (int armed = 0; armed < 2; armed++) {
        exec_sleep_op naps[2], never;
        exec_handle handles[3];
        exec_counters before, after;
        world w;
        open_kernel(&w);
        if (armed) spawn_waiter(&w, &handles[2], exec_sleep(&never, EXEC_NEVER), NULL);
        assert_int_equal(exec_turn(&w.ex), armed);
        hand.now = TICK << 31;
        exec_turn(&w.ex);
        exec_stats(&w.ex, &before);
        for (int i = 0; i < 2; i++)
            spawn_waiter(&w, &handles[i], exec_sleep(&naps[i], TICK * (40 + 40 * i)), NULL);
        if (armed) assert_int_equal(exec_run(&w.ex), -EDEADLK);
        else assert_int_equal(exec_run(&w.ex), 0);
        assert_true(hand.now == (TICK << 31) + 80 * TICK);
        assert_int_equal(kernel.parks, 2);
        exec_stats(&w.ex, &after);
        assert_int_equal(after.turns - before.turns, 3);
        if (armed) assert_int_equal(exec_handle_abort(&handles[2]), 0);
        close_empty(&w);
    }
}

typedef struct { EXEC_FRAME; unsigned *done; } spinner;

EXEC_ASYNC(spinner) {
    EXEC_BEGIN;
    while (!*self->done) {
        hand.now += 1000;
        EXEC_YIELD;
    }
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_sleep_op nap; unsigned *done; int64_t at; } sets;

EXEC_ASYNC(sets) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    *self->done = 1;
    EXEC_RETURN(exec_now(cx->exec) < self->at + EXEC_MS(1) + TICK + 64 * 1000 ? 0 : -EIO);
    EXEC_END;
}

/* Late by one tick and the turn in progress: 64 polls of 1 us. */
static void trap_17_a_busy_task_does_not_starve_timers(void **state) {
    unsigned done = 0;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    world w;
    (void)state;
    open_kernel(&w);
    assert_int_equal(EXEC_SPAWN(&w.ex, &opts, sets, .done = &done, .at = hand.now), 0);
    assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), spinner, .done = &done), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    assert_int_equal(kernel.parks, 0);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------- clocks */

typedef struct { EXEC_FRAME; exec_sleep_op nap; exec_timeout_op limit; gate never; int64_t from; int limited; } tardy;

EXEC_ASYNC(tardy) {
    EXEC_BEGIN;
    hand.now += EXEC_MS(50);          /* a long poll: the turn's time is old */
    self->from = hand.now;
    if (self->limited) EXEC_AWAIT(exec_timeout(&self->limit, gate_wait(&self->never), EXEC_MS(10)));
    else EXEC_AWAIT(exec_sleep(&self->nap, EXEC_MS(10)));
    EXEC_RETURN((intptr_t)(hand.now - self->from));
    EXEC_END;
}

static void trap_24_stale_clock(void **state) {
    (void)state;
    for (int limited = 0; limited < 2; limited++) {
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        world w;
        open_kernel(&w);
        assert_int_equal(EXEC_SPAWN(&w.ex, &opts, tardy, .limited = limited), 0);
        assert_int_equal(exec_run(&w.ex), 0);
        assert_in_range(exec_handle_result(&h), EXEC_MS(10), EXEC_MS(10) + TICK);
        close_empty(&w);
    }
}

static void deadline_calls_never_read_the_clock(void **state) {
    exec_sleep_op nap;
    exec_timeout_op limit;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    open_kernel(&w);
    assert_int_equal(first_poll_reads(&w, exec_sleep(&nap, EXEC_MS(5))), 1);
    assert_int_equal(first_poll_reads(&w, exec_sleep(&nap, 0)), 0);
    assert_int_equal(first_poll_reads(&w, exec_sleep_until(&nap, hand.now + EXEC_MS(5))), 0);
    assert_int_equal(first_poll_reads(&w, exec_timeout(&limit, gate_wait(&g), EXEC_MS(5))), 1);
    assert_int_equal(first_poll_reads(&w, exec_timeout_at(&limit, gate_wait(&g), hand.now + EXEC_MS(5))), 0);
    gate_open(&g, 0);
    assert_int_equal(first_poll_reads(&w, exec_timeout(&limit, gate_wait(&g), EXEC_MS(5))), 0);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------ timeout */

static void timeout_of_what_is_ready(void **state) {
    exec_timeout_op limit;
    gate g;
    (void)state;
    memset(&g, 0, sizeof g);
    gate_open(&g, 42);
    assert_int_equal(run_alone(exec_timeout(&limit, gate_wait(&g), EXEC_MS(5)), 0, NULL), 42);
    assert_int_equal(limit.expired, 0);
    assert_int_equal(run_alone(exec_timeout(&limit, gate_wait(&g), 0), 0, NULL), 42);
    assert_int_equal(run_alone(exec_timeout(&limit, gate_wait(&g), -1), 0, NULL), 42);
    assert_int_equal(run_alone(exec_timeout_at(&limit, gate_wait(&g), 0), 0, NULL), 42);
    gate_open(&g, -EIO);
    assert_int_equal(run_alone(exec_timeout(&limit, gate_wait(&g), 0), 0, NULL), -EIO);
    assert_int_equal(limit.expired, 0);
}

static void timeout_keeps_what_came_in_time(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_MS(5), 0, 7, &cleaned);
    exec_timeout_op limit;
    int64_t took;
    (void)state;
    assert_int_equal(run_alone(exec_timeout(&limit, &one.fut, EXEC_MS(50)), 0, &took), 7);
    assert_int_equal(limit.expired, 0);
    assert_in_range(took, EXEC_MS(5), EXEC_MS(5) + TICK);
    assert_int_equal(cleaned, 1);
}

static void timeout_expires(void **state) {
    exec_timeout_op limit;
    exec_sleep_op nap;
    int64_t took;
    gate g;
    (void)state;
    memset(&g, 0, sizeof g);
    assert_int_equal(run_alone(exec_timeout(&limit, exec_sleep(&nap, EXEC_SEC(9)), EXEC_MS(5)), 0, &took), -ETIMEDOUT);
    assert_int_equal(limit.expired, 1);
    assert_int_equal(EXEC_RESULT(&nap), -ECANCELED);
    assert_in_range(took, EXEC_MS(5), EXEC_MS(5) + TICK);
    assert_int_equal(run_alone(exec_timeout_at(&limit, gate_wait(&g), EXEC_MS(6)), 0, &took), -ETIMEDOUT);
    assert_in_range(took, EXEC_MS(6), EXEC_MS(6) + TICK);
    assert_int_equal(run_alone(exec_timeout(&limit, gate_wait(&g), 0), 0, &took), -ETIMEDOUT);
    assert_int_equal(run_alone(exec_timeout_at(&limit, gate_wait(&g), -7), 0, &took), -ETIMEDOUT);
    assert_int_equal(took, 0);
    assert_int_equal(limit.expired, 1);
}

static void timeout_waits_for_a_slow_unwind(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_SEC(9), EXEC_MS(30), 7, &cleaned);
    exec_timeout_op limit;
    int64_t took;
    (void)state;
    assert_int_equal(run_alone(exec_timeout(&limit, &one.fut, EXEC_MS(5)), 0, &took), -ETIMEDOUT);
    assert_int_equal(limit.expired, 1);
    assert_int_equal(cleaned, 1);
    assert_in_range(took, EXEC_MS(35), EXEC_MS(35) + 2 * TICK);
}

/* The time ends in the cleanup: it is not cut, and its result stands. */
static void timeout_does_not_cut_a_cleanup(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_MS(5), EXEC_MS(30), 7, &cleaned);
    exec_timeout_op limit;
    int64_t took;
    (void)state;
    assert_int_equal(run_alone(exec_timeout(&limit, &one.fut, EXEC_MS(10)), 0, &took), 7);
    assert_int_equal(limit.expired, 0);
    assert_int_equal(cleaned, 1);
    assert_in_range(took, EXEC_MS(35), EXEC_MS(35) + 2 * TICK);
}

static void timeout_keeps_a_value_that_comes_while_unwinding(void **state) {
    exec_timeout_op limit;
    exec_handle h;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    g.refuse = 1;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(&limit, gate_wait(&g), EXEC_MS(5)), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    world_turn(&w, EXEC_MS(6));
    assert_true(exec_canceled(&g.fut));
    assert_false(exec_is_ready(&limit.fut));
    g.polls = 0;
    exec_wake(g.task);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(g.polls, 1);
    gate_open(&g, 99);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(exec_handle_result(&h), 99);
    assert_int_equal(limit.expired, 0);
    close_empty(&w);
}

/* Both at once: the inner future is looked at first. */
static void timeout_prefers_what_is_ready_at_the_last_moment(void **state) {
    exec_timeout_op limit;
    exec_handle h;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(&limit, gate_wait(&g), EXEC_MS(5)), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    gate_open(&g, 3);
    world_turn(&w, EXEC_SEC(1));
    assert_int_equal(exec_handle_result(&h), 3);
    assert_int_equal(limit.expired, 0);
    assert_false(exec_canceled(&g.fut));
    close_empty(&w);
}

static void nested_timeouts(void **state) {
    exec_timeout_op inner, outer;
    exec_sleep_op nap;
    int64_t took;
    (void)state;
    (void)!exec_timeout(&inner, exec_sleep(&nap, EXEC_SEC(9)), EXEC_MS(5));
    assert_int_equal(run_alone(exec_timeout(&outer, &inner.fut, EXEC_MS(50)), 0, &took), -ETIMEDOUT);
    assert_int_equal(inner.expired, 1);
    assert_int_equal(outer.expired, 0);
    assert_in_range(took, EXEC_MS(5), EXEC_MS(5) + TICK);
    (void)!exec_timeout(&inner, exec_sleep(&nap, EXEC_SEC(9)), EXEC_MS(50));
    assert_int_equal(run_alone(exec_timeout(&outer, &inner.fut, EXEC_MS(5)), 0, &took), -ETIMEDOUT);
    assert_int_equal(inner.expired, 0);
    assert_int_equal(EXEC_RESULT(&inner), -ECANCELED);
    assert_int_equal(outer.expired, 1);
    assert_in_range(took, EXEC_MS(5), EXEC_MS(5) + TICK);
}

static void timeout_of_a_select_and_select_of_timeouts(void **state) {
    exec_timeout_op limit, other;
    exec_sleep_op a, b;
    exec_select_op sel;
    int64_t took;
    (void)state;
    (void)!exec_select(&sel, exec_sleep(&a, EXEC_SEC(2)), exec_sleep(&b, EXEC_SEC(3)));
    assert_int_equal(run_alone(exec_timeout(&limit, &sel.fut, EXEC_SEC(1)), 0, &took), -ETIMEDOUT);
    assert_int_equal(limit.expired, 1);
    assert_int_equal(EXEC_RESULT(&a), -ECANCELED);
    assert_int_equal(EXEC_RESULT(&b), -ECANCELED);
    (void)!exec_timeout(&limit, exec_sleep(&a, EXEC_SEC(9)), EXEC_SEC(2));
    (void)!exec_timeout(&other, exec_sleep(&b, EXEC_SEC(9)), EXEC_SEC(1));
    assert_int_equal(run_alone(exec_select(&sel, &limit.fut, &other.fut), 0, &took), 1);
    assert_int_equal(EXEC_RESULT(&other), -ETIMEDOUT);
    assert_int_equal(EXEC_RESULT(&limit), -ECANCELED);
    assert_int_equal(limit.expired, 0);
    assert_in_range(took, EXEC_SEC(1), EXEC_SEC(1) + TICK);
}

static void select_and_join_of_sleeps(void **state) {
    exec_sleep_op a, b, c;
    exec_select_op sel;
    exec_join_op all;
    int64_t took;
    (void)state;
    assert_int_equal(run_alone(exec_select(&sel, exec_sleep(&a, EXEC_MS(30)), exec_sleep(&b, EXEC_MS(10)),
                                             exec_sleep(&c, EXEC_NEVER)), 0, &took), 1);
    assert_int_equal(EXEC_RESULT(&c), -ECANCELED);
    assert_in_range(took, EXEC_MS(10), EXEC_MS(10) + TICK);
    assert_int_equal(run_alone(exec_join(&all, exec_sleep(&a, EXEC_MS(30)), exec_sleep(&b, EXEC_MS(10))), 0, &took), 0);
    assert_in_range(took, EXEC_MS(30), EXEC_MS(30) + TICK);
}

/* -------------------------------------------------------------------------------- cancel and kill */

/* Aborts or kills after 2 ms a task that waits 5 ms for a worker whose cleanup takes 30 ms. */
static int64_t cancel_in_timeout(unsigned level, worker *one, exec_timeout_op *limit) {
    exec_handle h;
    int64_t at = 0;
    world w;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(limit, &one->fut, EXEC_MS(5)), &at);
    assert_int_equal(exec_turn(&w.ex), 1);
    world_turn(&w, EXEC_MS(2));
    assert_int_equal(level == EXEC_KILL ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_empty(&w);
    return at;
}

static void a_cancel_passes_through_a_timeout(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_SEC(9), EXEC_MS(30), 7, &cleaned);
    exec_timeout_op limit;
    (void)state;
    assert_in_range(cancel_in_timeout(EXEC_CANCEL, &one, &limit), EXEC_MS(32), EXEC_MS(32) + TICK);
    assert_int_equal(EXEC_RESULT(&limit), -ECANCELED);
    assert_int_equal(limit.expired, 0);
    assert_int_equal(cleaned, 1);
}

static void a_kill_passes_through_a_timeout(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_SEC(9), EXEC_MS(30), 7, &cleaned);
    exec_timeout_op limit;
    (void)state;
    assert_int_equal(cancel_in_timeout(EXEC_KILL, &one, &limit), EXEC_MS(2));
    assert_int_equal(limit.expired, 0);
    assert_int_equal(cleaned, 1);
}

/* It expired, the cleanup runs; then the abort comes: it changes nothing but the mark. */
static void a_cancel_after_the_expiry(void **state) {
    int cleaned = 0;
    worker one = make_worker(EXEC_SEC(9), EXEC_MS(30), 7, &cleaned);
    exec_timeout_op limit;
    exec_handle h;
    int64_t at = 0;
    world w;
    (void)state;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(&limit, &one.fut, EXEC_MS(5)), &at);
    assert_int_equal(exec_turn(&w.ex), 1);
    world_turn(&w, EXEC_MS(6));
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(limit.expired, 1);
    assert_in_range(at, EXEC_MS(36), EXEC_MS(36) + TICK);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_empty(&w);
}

static void a_cancel_at_the_moment_of_expiry_outranks_it(void **state) {
    exec_timeout_op limit;
    exec_handle h;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(&limit, gate_wait(&g), EXEC_MS(5)), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(exec_clock_advance(&w.ex, EXEC_MS(10)), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(EXEC_RESULT(&limit), -ECANCELED);
    assert_int_equal(limit.expired, 0);
    close_empty(&w);
}

typedef struct {
    EXEC_FRAME;
    exec_timeout_op limit;
    exec_sleep_op nap;
    int64_t from, *took;
    int *expired;
} tidy;

EXEC_ASYNC(tidy) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_SEC(9)));
    EXEC_FINALLY;
    self->from = exec_now(cx->exec);
    EXEC_AWAIT(exec_timeout(&self->limit, exec_sleep(&self->nap, EXEC_SEC(5)), EXEC_MS(20)));
    *self->took = exec_now(cx->exec) - self->from;
    *self->expired = self->limit.expired;
    EXEC_END;
}

/* A limit around what a cleanup awaits works as anywhere, also in a task that was cancelled. */
static void a_timeout_in_a_cleanup(void **state) {
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    int64_t took = 0;
    int expired = 0;
    world w;
    (void)state;
    open_virtual(&w, 0);
    assert_int_equal(EXEC_SPAWN(&w.ex, &opts, tidy, .took = &took, .expired = &expired), 0);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_in_range(took, EXEC_MS(20), EXEC_MS(20) + TICK);
    assert_int_equal(expired, 1);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_empty(&w);
}

static void an_abort_before_the_first_poll(void **state) {
    exec_timeout_op limit;
    exec_sleep_op nap;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_timeout(&limit, exec_sleep(&nap, EXEC_SEC(1)), EXEC_SEC(2)), NULL);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_true(exec_now(&w.ex) == 0);
    close_empty(&w);
}

/* A timed-out or cancelled wait, and the loser of a select, leave no node. */
static void trap_05_no_node_stays(void **state) {
    exec_timeout_op limit;
    exec_sleep_op a, b;
    exec_select_op sel;
    exec_handle h[3];
    world w;
    (void)state;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h[0], exec_sleep(&a, EXEC_SEC(9)), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_true(exec_timer_armed(&a.timer));
    assert_int_equal(exec_handle_abort(&h[0]), 0);
    assert_int_equal(w.timers.levels, 0);
    (void)!exec_select(&sel, exec_sleep(&a, EXEC_SEC(9)), exec_sleep(&b, EXEC_MS(1)));
    spawn_waiter(&w, &h[1], &sel.fut, NULL);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(w.timers.levels, 0);
    (void)!exec_timeout(&limit, exec_sleep(&a, EXEC_MS(1)), EXEC_SEC(9));
    spawn_waiter(&w, &h[2], &limit.fut, NULL);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_false(exec_timer_armed(&a.timer) || exec_timer_armed(&b.timer) || exec_timer_armed(&limit.timer));
    close_empty(&w);
}

/* ---------------------------------------------------------------------------------- spurious wakes */

#define NAPPERS 24
typedef struct {
    exec_sleep_op nap, inner;
    exec_timeout_op limit;
    int64_t due, at;
    intptr_t expect;
    exec_handle h;
} napper;

static void start_napper(world *w, napper *n) {
    int64_t nap = EXEC_MS(test_below(200)), limit = EXEC_MS(test_below(200));
    exec_future *f = exec_sleep(&n->nap, nap);
    memset(&n->h, 0, sizeof n->h);
    n->at = -1;
    n->due = nap;
    n->expect = 0;
    if (test_below(2)) {
        f = exec_timeout(&n->limit, exec_sleep(&n->inner, nap), limit);
        if (limit < nap) n->due = limit;
        n->expect = limit < nap ? -ETIMEDOUT : 0;
    }
    spawn_waiter(w, &n->h, f, &n->at);
}

static void trap_18_spurious_wakes(void **state) {
    static napper nappers[NAPPERS];
    (void)state;
    test_seed(18);
    for (unsigned round = 0; round < 50; round++) {
        world w;
        open_virtual(&w, 0);
        for (unsigned i = 0; i < NAPPERS; i++) start_napper(&w, &nappers[i]);
        for (unsigned step = 0; step < 210; step++) {
            for (unsigned k = 0; k < 5; k++) {
                napper *n = &nappers[test_below(NAPPERS)];
                if (n->h.task) exec_wake(n->h.task);
            }
            while (exec_turn(&w.ex)) continue;
            if (exec_check(&w.ex) < 0) fail();
            if (exec_clock_advance(&w.ex, EXEC_MS(1)) < 0) fail();
        }
        for (unsigned i = 0; i < NAPPERS; i++) {
            const napper *n = &nappers[i];
            if (n->at < n->due || n->at > n->due + EXEC_MS(1))
                fail_msg("due %lld, over %lld", (long long)n->due, (long long)n->at);
            if (exec_handle_result(&n->h) != n->expect) fail_msg("result %ld", (long)exec_handle_result(&n->h));
        }
        close_empty(&w);
    }
}

/* --------------------------------------------------------------------------------- the wheel itself */

/* Each boundary of a digit as start and as deadline, and beyond the wheel. */
static void trap_11_boundaries_of_every_level(void **state) {
    static int64_t ticks[200];
    static exec_timer node;
    unsigned count = 0;
    (void)state;
    for (unsigned shift = 0; shift <= EXEC_TIMER_BITS * EXEC_TIMER_LEVELS; shift += EXEC_TIMER_BITS)
        for (int64_t digit = 1; digit < EXEC__TIMER_SLOTS; digit += EXEC__TIMER_SLOTS - 2)
            for (int64_t by = -1; by <= 1; by++) ticks[count++] = (digit << shift) + by;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < count; k++) {
            int64_t deadline = ticks[k] * TICK - (int64_t)(k % 2);
            if (run_by_events(ticks[i] * TICK + i % 3, &deadline, &node, 1)) fail_msg("an early wake");
        }
}

static void trap_11_every_delay_of_two_levels_in_steps(void **state) {
    static int64_t delays[EXEC__TIMER_SLOTS * EXEC__TIMER_SLOTS * 3 / 2];
    static exec_timer nodes[COUNT(delays)];
    (void)state;
    for (unsigned i = 0; i < COUNT(delays); i++) delays[i] = (int64_t)i * TICK - (int64_t)(i % 2);
    for (int64_t start = 0; start < EXEC__TIMER_SLOTS + 8; start++)
        run_in_steps(start * (EXEC__TIMER_SLOTS - 1) * TICK + start, delays, nodes, COUNT(delays));
}

static int64_t woken_last;
typedef struct { EXEC_FRAME; exec_sleep_op nap; int64_t deadline; unsigned *woken; } wakes_in_order;
EXEC_ASYNC(wakes_in_order) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep_until(&self->nap, self->deadline));
    assert_true(self->deadline > woken_last);
    woken_last = self->deadline;
    ++*self->woken;
    EXEC_END;
}

/* From three levels, some alone in their slots. */
static void what_expires_in_one_turn_wakes_in_the_order_of_its_ticks(void **state) {
    enum { CUBES = 41 };
    static EXEC_SLOT(wakes_in_order) slots[CUBES];
    exec_pool pool;
    exec_opts opts;
    unsigned woken = 0;
    world w;
    (void)state;
    memset(&opts, 0, sizeof opts);
    opts.pool = &pool;
    woken_last = 0;
    open_virtual(&w, 0);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    for (int64_t i = 0; i < CUBES; i++) {
        int64_t k = i * 17 % CUBES;
        int64_t deadline = TICK * (k * k * k + 1);
        assert_int_equal(EXEC_SPAWN(&w.ex, &opts, wakes_in_order, .deadline = deadline, .woken = &woken), 0);
    }
    assert_int_equal(exec_turn(&w.ex), CUBES);
    assert_int_equal(exec_clock_advance(&w.ex, TICK * CUBES * CUBES * CUBES), 0);
    assert_int_equal(exec_turn(&w.ex), CUBES);
    assert_int_equal(woken, CUBES);
    close_empty(&w);
}

static void a_hand_written_leaf_may_rearm_and_cancel(void **state) {
    exec_timer n;
    world w;
    (void)state;
    world_open(&w, TICK * 100);
    exec_timer_init(&n);
    exec_timer_cancel(&w.timers, &n);
    assert_false(exec_timer_armed(&n));
    assert_int_equal(exec_timer_arm(&w.timers, &n, TICK * 100, watcher), 0);
    assert_int_equal(exec_timer_arm(&w.timers, &n, TICK * 200, watcher), 1);
    assert_int_equal(exec_timer_arm(&w.timers, &n, TICK * 150, watcher), 1);
    assert_true(exec_timer_armed(&n));
    assert_true(exec_timers_next(&w.timers) == TICK * 150);
    assert_int_equal(exec_timer_arm(&w.timers, &n, TICK * 99, watcher), 0);
    assert_false(exec_timer_armed(&n));
    assert_int_equal(exec_timer_arm(&w.timers, &n, TICK * 101, watcher), 1);
    world_turn(&w, TICK * 101);
    assert_false(exec_timer_armed(&n));
    assert_int_equal(expiries(&w), 1);
    world_close(&w);
}

/* In one slot of the second level. */
static void check_finds_damage(void **state) {
    const int64_t tick = EXEC__TIMER_SLOTS + 8;
    exec_timer n[3];
    world w;
    (void)state;
    NEEDS_WORDS();                      /* drivers have no check */
    memset(n, 0, sizeof n);
    world_open(&w, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(exec_timer_arm(&w.timers, &n[i], TICK * (tick + i), watcher), 1);
    assert_int_equal(exec_check(&w.ex), 0);
    for (int kind = 0; kind < 12; kind++) {
        exec_timers timers = w.timers;
        exec_timer kept[3];
        memcpy(kept, n, sizeof n);
        if (kind == 0) w.timers.occupied[1] |= 1;               /* of a slot that is empty */
        if (kind == 1) n[0].task = NULL;
        if (kind == 2) w.timers.now = (uint64_t)tick;
        if (kind == 3) n[0].link.next = NULL;
        if (kind == 4) n[0].deadline = TICK * 4;
        if (kind == 5) w.timers.levels = 0;
        if (kind == 6) n[2].link.prev = exec__timers_mark(&n[1].link);  /* the first does not know the last */
        if (kind == 7) n[1].link.prev = &n[0].link;
        if (kind == 8) n[0].link.next = &n[2].link;             /* the last does not know the slot */
        if (kind == 9) n[0].link.next = (exec_timer_link *)(void *)&w.timers.slots[0];
        if (kind == 10) w.timers.occupied[1] = 0;
        if (kind == 11) n[2].link.prev = &n[0].link;            /* without the mark */
        assert_int_equal(exec_check(&w.ex), -EINVAL);
        w.timers = timers;
        memcpy(n, kept, sizeof n);
    }
    assert_int_equal(exec_timer_arm(&w.timers, &n[0], INT64_MAX / 2, watcher), 1);
    assert_int_equal(exec_check(&w.ex), 0);
    w.timers.far_first++;
    assert_int_equal(exec_check(&w.ex), -EINVAL);
    w.timers.far_first--;
    assert_int_equal(exec_check(&w.ex), 0);
    for (int i = 0; i < 3; i++) exec_timer_cancel(&w.timers, &n[i]);
    world_close(&w);
}

#if !EXEC_DEBUG
/* (A debug build says that this is wrong.) */
static void destroy_unlinks_what_is_still_armed(void **state) {
    exec_timer n[2];
    world w;
    (void)state;
    memset(n, 0, sizeof n);
    world_open(&w, 0);
    assert_int_equal(exec_timer_arm(&w.timers, &n[0], EXEC_SEC(1), watcher), 1);
    assert_int_equal(exec_timer_arm(&w.timers, &n[1], EXEC_NEVER, watcher), 1);
    world_close(&w);
    assert_false(exec_timer_armed(&n[0]) || exec_timer_armed(&n[1]));
}
#endif

static void a_dump_says_until_when(void **state) {
    exec_timeout_op limit;
    exec_sleep_op nap, other;
    world w;
    (void)state;
    open_virtual(&w, 0);
    (void)!exec_timeout(&limit, exec_sleep(&nap, EXEC_SEC(30)), EXEC_MS(12));
    spawn_waiter(&w, NULL, &limit.fut, NULL);
    spawn_waiter(&w, NULL, exec_sleep(&other, EXEC_NEVER), NULL);
    assert_int_equal(exec_turn(&w.ex), 2);
    exec_dump(&w.ex);
    assert_non_null(strstr(log_text, "timeout"));
    expect_words(log_text, "until +12 ms");
    expect_words(log_text, "until +30 s");
    expect_words(log_text, "until cancelled");
    expect_words(log_text, "3 timers, parks until +12 ms");
    log_text[0] = 0;
    assert_int_equal(exec_clock_advance(&w.ex, EXEC_MS(12) + EXEC_US(7)), 0);   /* late, by a little and by more */
    exec_dump(&w.ex);
    expect_words(log_text, "until -7000 ns");
    assert_int_equal(exec_clock_advance(&w.ex, EXEC_MS(20)), 0);
    exec_dump(&w.ex);
    expect_words(log_text, "until -20 ms");
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);
}

/* More seconds than a time_t of 32 bits has. */
static void a_sleep_of_a_century(void **state) {
    world w;
    exec_sleep_op nap;
    int64_t before;
    (void)state;
    open_kernel(&w);
    before = hand.now;
    assert_int_equal(exec_run_until(&w.ex, exec_sleep(&nap, EXEC_SEC(3155760000))), 0);
    assert_int_equal(EXEC_RESULT(&nap), 0);
    assert_true(hand.now - before >= EXEC_SEC(3155760000));
    close_empty(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sizes_are_as_promised),
    cmocka_unit_test(a_sleep_of_a_century),
    cmocka_unit_test(one_wheel_each_executor),
    cmocka_unit_test(without_a_wheel_ops_are_refused),
    cmocka_unit_test(preparing_does_nothing),
    cmocka_unit_test(a_virtual_hour_takes_no_time),
    cmocka_unit_test(a_virtual_clock_does_not_jump_while_others_may_act),
    cmocka_unit_test(clock_arithmetic_saturates),
    cmocka_unit_test(a_sleep_for_ever_is_a_deadlock_and_can_be_cancelled),
    cmocka_unit_test(zero_negative_and_past_are_ready_at_once),
    cmocka_unit_test(endless_ready_sleeps_yield),
    cmocka_unit_test(steps_to_a_deadline_do_not_drift),
    cmocka_unit_test(trap_13_ms_truncation),
    cmocka_unit_test(trap_17_idle_parks_once_per_deadline),
    cmocka_unit_test(trap_17_idle_time_costs_no_parks_and_no_turns),
    cmocka_unit_test(trap_17_a_busy_task_does_not_starve_timers),
    cmocka_unit_test(trap_24_stale_clock),
    cmocka_unit_test(deadline_calls_never_read_the_clock),
    cmocka_unit_test(timeout_of_what_is_ready),
    cmocka_unit_test(timeout_keeps_what_came_in_time),
    cmocka_unit_test(timeout_expires),
    cmocka_unit_test(timeout_waits_for_a_slow_unwind),
    cmocka_unit_test(timeout_does_not_cut_a_cleanup),
    cmocka_unit_test(timeout_keeps_a_value_that_comes_while_unwinding),
    cmocka_unit_test(timeout_prefers_what_is_ready_at_the_last_moment),
    cmocka_unit_test(nested_timeouts),
    cmocka_unit_test(timeout_of_a_select_and_select_of_timeouts),
    cmocka_unit_test(select_and_join_of_sleeps),
    cmocka_unit_test(a_cancel_passes_through_a_timeout),
    cmocka_unit_test(a_kill_passes_through_a_timeout),
    cmocka_unit_test(a_cancel_after_the_expiry),
    cmocka_unit_test(a_cancel_at_the_moment_of_expiry_outranks_it),
    cmocka_unit_test(a_timeout_in_a_cleanup),
    cmocka_unit_test(an_abort_before_the_first_poll),
    cmocka_unit_test(trap_05_no_node_stays),
    cmocka_unit_test(trap_18_spurious_wakes),
    cmocka_unit_test(trap_11_boundaries_of_every_level),
    cmocka_unit_test(trap_11_every_delay_of_two_levels_in_steps),
    cmocka_unit_test(trap_12_next_deadline_visits_one_slot),
    cmocka_unit_test(a_slot_shared_by_several_opens_early_at_most_once_a_level),
    cmocka_unit_test(what_expires_in_one_turn_wakes_in_the_order_of_its_ticks),
    cmocka_unit_test(a_hand_written_leaf_may_rearm_and_cancel),
    cmocka_unit_test(check_finds_damage),
#if !EXEC_DEBUG
    cmocka_unit_test(destroy_unlinks_what_is_still_armed),
#endif
    cmocka_unit_test(a_dump_says_until_when),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
