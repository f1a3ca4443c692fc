/* SPDX-License-Identifier: MIT
 * exec_after and exec_after_delay: a result is handed on no earlier than a time. Times are ns. */
#define EXEC_TIMER_TICK_NS 1
#include "timed.h"

static gate open_gate(intptr_t value) {
    gate g;
    memset(&g, 0, sizeof g);
    g.open = 1;
    g.value = value;
    return g;
}

/* ------------------------------------------------------------------------------------- in its time */

static void a_result_is_handed_on_no_earlier_than_the_time(void **state) {
    static const struct { int64_t takes; intptr_t value; int64_t deadline, at; } rows[] = {
        /* inner takes, value, not before, comes at */
        {   0,    7, 100, 100 },
        {  40,    7, 100, 100 },
        {  40,    0, 100, 100 },
        {  40, -EIO, 100, 100 },        /* an error too */
        {  99,    7, 100, 100 },
        { 100,    7, 100, 100 },
        { 101,    7, 100, 101 },
        { 150,    7, 100, 150 },
        {   0,    7,   0,   0 },
        {   0,    7,  -5,   0 },
        {  40,    7, INT64_MIN, 40 } };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++)
        for (int delay = 0; delay < 2; delay++) {
            worker one = make_worker(rows[i].takes, 0, rows[i].value, NULL);
            exec_after_op op;
            int64_t at;
            exec_future *f = delay ? exec_after_delay(&op, &one.fut, rows[i].deadline)
                                   : exec_after(&op, &one.fut, rows[i].deadline);
            assert_int_equal(run_alone(f, 0, &at), rows[i].value);
            assert_int_equal(at, rows[i].at);
            assert_int_equal(op.expired, 0);
        }
}

static void a_delay_counts_from_the_first_poll(void **state) {
    gate g = open_gate(7);
    exec_after_op op;
    int64_t at;
    (void)state;
    (void)!exec_after_delay(&op, gate_wait(&g), 100);
    assert_int_equal(run_alone(&op.fut, 70, &at), 7);
    assert_int_equal(at, 170);
    (void)!exec_after(&op, gate_wait(&g), 100);
    assert_int_equal(run_alone(&op.fut, 70, &at), 7);
    assert_int_equal(at, 100);
    assert_int_equal(run_alone(exec_after(&op, gate_wait(&g), 100), 300, &at), 7);
    assert_int_equal(at, 300);
}

/* Inner is polled in the first poll, and when it is over no more. */
static void inner_is_polled_at_once_and_not_when_it_is_over(void **state) {
    gate g = open_gate(7);
    exec_after_op op;
    exec_handle h;
    int64_t at = -1;
    world w;
    (void)state;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after(&op, gate_wait(&g), 100), &at);
    assert_int_equal(g.polls, 0);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(g.polls, 1);
    assert_true(exec_timer_armed(&op.timer));
    for (int64_t now = 10; now < 100; now += 10) {      /* trap 18 */
        exec_wake(h.task);
        run_to(&w, now);
        assert_false(exec_is_ready(&op.fut));
    }
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(g.polls, 1);
    assert_int_equal(at, 100);
    assert_int_equal(exec_handle_result(&h), 7);
    close_empty(&w);
}

/* The time is over first: then inner's end is the end. */
static void an_inner_that_is_late_is_not_held(void **state) {
    exec_after_op op;
    exec_handle h;
    int64_t at = -1;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after_delay(&op, gate_wait(&g), 100), &at);
    run_to(&w, 200);
    assert_false(exec_timer_armed(&op.timer));
    gate_nudge(&g);
    run_to(&w, 250);
    assert_false(exec_is_ready(&op.fut) || exec_timer_armed(&op.timer));
    gate_open(&g, 7);
    assert_int_equal(exec_run(&w.ex), 0);
    assert_int_equal(at, 250);
    assert_int_equal(exec_handle_result(&h), 7);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------- clocks */

static void preparing_does_nothing_and_deadlines_read_no_clock(void **state) {
    gate g = open_gate(7);
    exec_after_op op;
    world w;
    (void)state;
    open_by_hand(&w, 50);
    hand.reads = 0;
    (void)!exec_after(&op, gate_wait(&g), 100);
    (void)!exec_after_delay(&op, gate_wait(&g), 100);
    assert_int_equal(hand.reads, 0);
    assert_int_equal(g.polls, 0);
    assert_false(exec_timer_armed(&op.timer));
    assert_int_equal(first_poll_reads(&w, exec_after(&op, gate_wait(&g), 100)), 0);
    assert_int_equal(first_poll_reads(&w, exec_after(&op, gate_wait(&g), 10)), 0);
    assert_int_equal(first_poll_reads(&w, exec_after_delay(&op, gate_wait(&g), 100)), 1);
    assert_int_equal(first_poll_reads(&w, exec_after_delay(&op, gate_wait(&g), 0)), 0);
    assert_int_equal(first_poll_reads(&w, exec_after_delay(&op, gate_wait(&g), -1)), 0);
    close_empty(&w);
}

typedef struct { EXEC_FRAME; intptr_t value; } computes;

EXEC_ASYNC(computes) {
    EXEC_BEGIN;
    hand.now += 60;
    EXEC_RETURN(self->value);
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_after_op op; computes work; } replies;

EXEC_ASYNC(replies) {
    EXEC_BEGIN;
    hand.now += 500;                    /* a long poll: the turn's time is old */
    EXEC_AWAIT(exec_after_delay(&self->op, EXEC_CALL(&self->work, computes, .value = 7), 100));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}

/* From the first poll: not from the time of the turn, and what inner computes in its first poll counts. */
static void trap_24_a_delay_reads_the_clock_before_inner_runs(void **state) {
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    world w;
    (void)state;
    open_by_hand(&w, 1000);
    assert_int_equal(EXEC_SPAWN(&w.ex, &opts, replies), 0);
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(hand.now, 1560);
    assert_true(exec_timers_next(&w.timers) == 1600);
    hand.now = 1599;
    assert_int_equal(exec_turn(&w.ex), 0);
    hand.now = 1600;
    assert_int_equal(exec_turn(&w.ex), 1);
    assert_int_equal(exec_handle_result(&h), 7);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------- cancel */

/* A cancel or kill at each time: inner takes 10, its cleanup 20, the result is held until 60. */
static void a_cancel_at_each_point(void **state) {
    (void)state;
    for (int64_t when = 0; when < 70; when++)
        for (int kill = 0; kill < 2; kill++) {
            int cleaned = 0;
            int64_t at = -1, expect = when >= 30 || kill ? when : when < 10 ? when + 20 : 30;
            worker one = make_worker(10, 20, 7, &cleaned);
            exec_after_op op;
            exec_handle h;
            world w;
            open_virtual(&w, 0);
            spawn_waiter(&w, &h, exec_after(&op, &one.fut, 60), &at);
            run_to(&w, when);
            if (when < 60) assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
            assert_int_equal(exec_run(&w.ex), 0);
            assert_int_equal(cleaned, 1);
            assert_int_equal(at, when < 60 ? expect : 60);
            assert_int_equal(exec_handle_result(&h), when < 60 ? -ECANCELED : 7);
            assert_int_equal(EXEC_RESULT(&one), when < 10 ? -ECANCELED : 7);
            assert_int_equal(EXEC_RESULT(&op), EXEC_RESULT(&one));
            close_empty(&w);
        }
}

static void an_abort_before_the_first_poll(void **state) {
    exec_after_op op;
    exec_sleep_op nap;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after(&op, exec_sleep(&nap, 10), 60), NULL);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_int_equal(exec_now(&w.ex), 0);
    close_empty(&w);
}

/* What does not end when it is cancelled: the result comes with it, and the time matters no more. */
static void an_inner_that_refuses_is_waited_for(void **state) {
    exec_after_op op;
    exec_handle h;
    int64_t at = -1;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    g.refuse = 1;
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after(&op, gate_wait(&g), 60), &at);
    run_to(&w, 5);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_true(exec_canceled(&g.fut));
    assert_false(exec_is_ready(&op.fut) || exec_timer_armed(&op.timer));
    gate_open(&g, 9);
    run_to(&w, 6);
    assert_int_equal(at, 5);
    assert_int_equal(EXEC_RESULT(&op), 9);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_empty(&w);
}

static void trap_05_a_held_result_leaves_no_node(void **state) {
    gate g = open_gate(7);
    exec_after_op op, never;
    exec_select_op sel;
    exec_sleep_op nap;
    exec_handle h;
    int64_t at;
    world w;
    (void)state;
    (void)!exec_after(&op, gate_wait(&g), 100);
    assert_int_equal(run_alone(exec_select(&sel, &op.fut, exec_sleep(&nap, 30)), 0, &at), 1);
    assert_int_equal(at, 30);
    assert_int_equal(EXEC_RESULT(&op), 7);          /* the loser's value is not lost */
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after(&never, gate_wait(&g), EXEC_NEVER), NULL);
    assert_int_equal(exec_run(&w.ex), -EDEADLK);
    assert_true(exec_timer_armed(&never.timer));
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);       /* in the middle */
    assert_false(exec_timer_armed(&never.timer));
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
}

static void without_a_wheel_inner_is_not_started(void **state) {
    gate g = open_gate(7);
    exec_after_op op;
    exec ex;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, exec_after(&op, gate_wait(&g), 1)), 0);
    assert_int_equal(EXEC_RESULT(&op), -ENOSYS);
    assert_int_equal(g.polls, 0);
    close_exec(&ex);
}

static void a_dump_shows_inner_and_the_time(void **state) {
    exec_after_op op;
    exec_handle h;
    gate g;
    world w;
    (void)state;
    memset(&g, 0, sizeof g);
    open_virtual(&w, 0);
    spawn_waiter(&w, &h, exec_after(&op, gate_wait(&g), EXEC_MS(12)), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    exec_dump(&w.ex);
    assert_non_null(strstr(log_text, "after"));
    expect_words(log_text, "until +12 ms");
    assert_non_null(strstr(log_text, "polled 1 times"));
    assert_int_equal(exec_handle_abort(&h), 0);
    close_empty(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_handed_on_no_earlier_than_the_time),
        cmocka_unit_test(a_delay_counts_from_the_first_poll),
        cmocka_unit_test(inner_is_polled_at_once_and_not_when_it_is_over),
        cmocka_unit_test(an_inner_that_is_late_is_not_held),
        cmocka_unit_test(preparing_does_nothing_and_deadlines_read_no_clock),
        cmocka_unit_test(trap_24_a_delay_reads_the_clock_before_inner_runs),
        cmocka_unit_test(a_cancel_at_each_point),
        cmocka_unit_test(an_abort_before_the_first_poll),
        cmocka_unit_test(an_inner_that_refuses_is_waited_for),
        cmocka_unit_test(trap_05_a_held_result_leaves_no_node),
        cmocka_unit_test(without_a_wheel_inner_is_not_started),
        cmocka_unit_test(a_dump_shows_inner_and_the_time) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
