/* SPDX-License-Identifier: MIT
 * Intervals against tables computed by hand. Times are ns. */
#define EXEC_TIMER_TICK_NS 1
#include "timed.h"

/* What one tick is to be, and how long the work behind it takes. */
typedef struct { int64_t at, tick; intptr_t left_out; int64_t work; } row;

typedef struct { EXEC_FRAME; exec_interval *iv; const row *rows; unsigned count, i; } player;

EXEC_ASYNC(player) {
    EXEC_BEGIN;
    for (; self->i < self->count; self->i++) {
        EXEC_TRY(exec_interval_tick(self->iv));
        const row *r = &self->rows[self->i];
        if (exec_now(cx->exec) != r->at || self->iv->tick_ns != r->tick || EXEC_RESULT(self->iv) != r->left_out)
            fail_msg("row %u: at %lld, tick %lld, %ld left out", self->i, (long long)exec_now(cx->exec),
                     (long long)self->iv->tick_ns, (long)EXEC_RESULT(self->iv));
        if (exec_clock_advance(cx->exec, r->work) < 0) fail();
    }
    EXEC_END;
}

static void play_from(int64_t now, exec_interval *iv, const row *rows, unsigned count) {
    player p;
    int64_t at;
    assert_int_equal(run_alone(EXEC_CALL(&p, player, .iv = iv, .rows = rows, .count = count), now, &at), 0);
    assert_false(exec_timer_armed(&iv->timer));
}
#define PLAY(now, iv, rows) play_from((now), (iv), (rows), COUNT(rows))

/* ----------------------------------------------------------------------------------- missed ticks */

static void burst_catches_up(void **state) {
    static const row rows[] = {
        /* at  tick  out  work */
        {   0,    0,  0,    3 },
        {  10,   10,  0,   25 },    /* until 35: those of 20 and 30 are due */
        {  35,   20,  0,    0 },
        {  35,   30,  0,    1 },
        {  40,   40,  0,    0 },
        {  50,   50,  0,   10 },    /* until the moment of the next */
        {  60,   60,  0,   11 },
        {  71,   70,  0,    0 },
        {  80,   80,  0,    0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 0, 10);
    assert_int_equal(iv.missed, EXEC_MISSED_BURST);
    PLAY(0, &iv, rows);
}

static void delay_counts_from_now(void **state) {
    static const row rows[] = {
        {   0,    0,  0,   35 },
        {  35,   10,  2,    0 },    /* 20 and 30 are left out */
        {  45,   45,  0,    5 },
        {  55,   55,  0,   19 },    /* until 74: late, none is missed */
        {  74,   65,  0,    0 },
        {  75,   75,  0,   20 },    /* until 95, when the one behind is due too */
        {  95,   85,  1,    0 },
        { 105,  105,  0,    0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 0, 10);
    iv.missed = EXEC_MISSED_DELAY;
    PLAY(0, &iv, rows);
}

static void skip_stays_in_step(void **state) {
    static const row rows[] = {
        {     0,    0,   0,    35 },
        {    35,   10,   2,     0 },
        {    40,   40,   0,     5 },
        {    50,   50,   0,    19 },    /* until 69: late, none is missed */
        {    69,   60,   0,     0 },
        {    70,   70,   0,    20 },    /* until 90, when the one behind is due too */
        {    90,   80,   1,     0 },
        {   100,  100,   0, 10005 },    /* until 10105 */
        { 10105,  110, 999,     0 },
        { 10110, 10110,  0,     0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 0, 10);
    iv.missed = EXEC_MISSED_SKIP;
    PLAY(0, &iv, rows);
}

static void the_policy_may_change_between_ticks(void **state) {
    static const row burst[] = { { 0, 0, 0, 35 }, { 35, 10, 0, 0 } };
    static const row skip[] = { { 35, 20, 1, 0 }, { 40, 40, 0, 0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 0, 10);
    PLAY(0, &iv, burst);
    iv.missed = EXEC_MISSED_SKIP;
    PLAY(35, &iv, skip);
}

/* ------------------------------------------------------------------------------------------ starts */

static void the_first_tick_of_the_plain_form_comes_at_once(void **state) {
    static const row rows[] = { { 1234, 1234, 0, 0 }, { 1244, 1244, 0, 0 }, { 1254, 1254, 0, 0 } };
    static const exec_interval zeroed;
    exec_interval iv;
    (void)state;
    exec_interval_init(&iv, 10);
    PLAY(1234, &iv, rows);
    iv = zeroed;
    iv.period_ns = 10;
    PLAY(1234, &iv, rows);
}

static void a_start_in_the_future(void **state) {
    static const row rows[] = { { 500, 500, 0, 0 }, { 510, 510, 0, 0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 500, 10);
    PLAY(35, &iv, rows);
}

static void a_start_in_the_past(void **state) {
    static const row burst[] = {
        { 35, 5, 0, 0 }, { 35, 15, 0, 0 }, { 35, 25, 0, 0 }, { 35, 35, 0, 0 }, { 45, 45, 0, 0 } };
    static const row delay[] = { { 35, 5, 3, 0 }, { 45, 45, 0, 0 } };
    static const row skip[] = { { 37, 5, 3, 0 }, { 45, 45, 0, 0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, 5, 10);
    PLAY(35, &iv, burst);
    exec_interval_init_at(&iv, 5, 10);
    iv.missed = EXEC_MISSED_DELAY;
    PLAY(35, &iv, delay);
    exec_interval_init_at(&iv, 5, 10);
    iv.missed = EXEC_MISSED_SKIP;
    PLAY(37, &iv, skip);
}

static void a_negative_start_counts_as_0(void **state) {
    static const row rows[] = { { 12, 0, 0, 0 }, { 12, 10, 0, 0 }, { 20, 20, 0, 0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init_at(&iv, INT64_MIN, 10);
    PLAY(12, &iv, rows);
    exec_interval_init_at(&iv, -1, 10);
    PLAY(12, &iv, rows);
}

/* ---------------------------------------------------------------------------- the ends of the range */

static void a_period_that_is_not_positive_is_refused(void **state) {
    static const int64_t periods[] = { 0, -1, INT64_MIN };
    exec_interval iv;
    (void)state;
    for (unsigned i = 0; i < COUNT(periods); i++) {
        exec_interval_init(&iv, periods[i]);
        assert_int_equal(run_alone(exec_interval_tick(&iv), 0, NULL), -EINVAL);
        exec_interval_init_at(&iv, 10, periods[i]);
        assert_int_equal(run_alone(exec_interval_tick(&iv), 0, NULL), -EINVAL);
    }
}

/* A tick beyond the end of time never comes; nothing overflows on the way. */
static void the_end_of_time(void **state) {
    static const row last[] = { { EXEC_NEVER - 5, EXEC_NEVER - 5, 0, 0 } };
    static const row late[] = { { EXEC_NEVER - 1, 7, 0, 0 } };
    (void)state;
    for (int policy = EXEC_MISSED_BURST; policy <= EXEC_MISSED_SKIP; policy++) {
        exec_interval iv;
        exec_interval_init_at(&iv, EXEC_NEVER - 5, 10);
        iv.missed = (exec_missed)policy;
        PLAY(EXEC_NEVER - 20, &iv, last);
        assert_true(iv.next_ns == EXEC_NEVER);
        assert_int_equal(run_alone(exec_interval_tick(&iv), EXEC_NEVER - 4, NULL), -EDEADLK);
        exec_interval_init_at(&iv, 7, EXEC_NEVER);
        iv.missed = (exec_missed)policy;
        PLAY(EXEC_NEVER - 1, &iv, late);
        assert_true(iv.next_ns == EXEC_NEVER);
        exec_interval_init(&iv, EXEC_NEVER);
        assert_int_equal(run_alone(exec_interval_tick(&iv), 99, NULL), 0);
        assert_true(iv.next_ns == EXEC_NEVER && iv.tick_ns == 99);
    }
}

static void what_is_left_out_in_all_of_time(void **state) {
    exec_interval iv;
    int64_t at;
    (void)state;
    exec_interval_init_at(&iv, 0, 1);
    iv.missed = EXEC_MISSED_SKIP;
    assert_true(run_alone(exec_interval_tick(&iv), EXEC_NEVER - 9, &at)
                == (sizeof(intptr_t) == 8 ? (intptr_t)(EXEC_NEVER - 9) : INTPTR_MAX));
    assert_true(iv.tick_ns == 0 && iv.next_ns == EXEC_NEVER - 8);
}

/* --------------------------------------------------------------------------------- reset and period */

static void reset_counts_from_now(void **state) {
    exec_interval iv;
    world w;
    (void)state;
    open_virtual(&w, 0);
    exec_interval_init(&iv, 10);
    assert_int_equal(exec_run_until(&w.ex, exec_interval_tick(&iv)), 0);
    assert_int_equal(exec_clock_advance(&w.ex, 7), 0);
    exec_interval_reset(&iv, &w.ex);
    assert_int_equal(exec_run_until(&w.ex, exec_interval_tick(&iv)), 0);
    assert_int_equal(exec_now(&w.ex), 17);
    assert_int_equal(iv.tick_ns, 17);
    exec_interval_reset_at(&iv, 20);
    assert_int_equal(exec_run_until(&w.ex, exec_interval_tick(&iv)), 0);
    assert_int_equal(exec_now(&w.ex), 20);
    exec_interval_reset_at(&iv, -3);
    assert_int_equal(exec_run_until(&w.ex, exec_interval_tick(&iv)), 0);
    assert_int_equal(exec_now(&w.ex), 20);
    assert_int_equal(iv.tick_ns, 0);
    assert_int_equal(iv.next_ns, 10);
    close_empty(&w);
}

/* Before the first tick a reset says when that is. */
static void reset_before_the_first_tick(void **state) {
    static const row rows[] = { { 110, 110, 0, 0 }, { 120, 120, 0, 0 } };
    exec_interval iv;
    world w;
    (void)state;
    open_virtual(&w, 100);
    exec_interval_init(&iv, 10);
    exec_interval_reset(&iv, &w.ex);
    close_empty(&w);
    PLAY(100, &iv, rows);
}

/* Another task moves the tick that is awaited: to later, to earlier, to the past, to never. */
static void reset_while_a_tick_is_awaited(void **state) {
    static const struct { int64_t to, at; } cases[] = {
        { 15, 15 }, { 6, 6 }, { 2, 4 }, { 10, 10 }, { 1000000, 1000000 } };
    (void)state;
    for (unsigned i = 0; i < COUNT(cases); i++) {
        exec_interval iv;
        exec_handle h;
        int64_t at = -1;
        world w;
        open_virtual(&w, 0);
        exec_interval_init_at(&iv, 10, 10);
        spawn_waiter(&w, &h, exec_interval_tick(&iv), &at);
        run_to(&w, 4);
        exec_interval_reset_at(&iv, cases[i].to);
        assert_int_equal(exec_run(&w.ex), 0);
        assert_int_equal(exec_handle_result(&h), 0);
        assert_int_equal(at, cases[i].at);
        assert_int_equal(iv.tick_ns, cases[i].to);
        assert_int_equal(iv.next_ns, cases[i].to + 10);
        close_empty(&w);
    }
}

static void a_new_period_holds_behind_the_next_tick(void **state) {
    static const row before[] = { { 0, 0, 0, 0 } };
    static const row after[] = { { 10, 10, 0, 0 }, { 13, 13, 0, 0 }, { 16, 16, 0, 0 } };
    exec_interval iv;
    (void)state;
    exec_interval_init(&iv, 10);
    PLAY(0, &iv, before);
    iv.period_ns = 3;
    PLAY(2, &iv, after);
}

/* A period made 0 ends the await that pends when its task is woken, and leaves no node. */
static void a_bad_period_while_a_tick_is_awaited(void **state) {
    exec_interval iv;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    exec_interval_init_at(&iv, 10, 10);
    spawn_waiter(&w, &h, exec_interval_tick(&iv), NULL);
    run_to(&w, 4);
    iv.period_ns = 0;
    exec_wake(iv.timer.task);
    run_to(&w, 5);
    assert_int_equal(exec_handle_result(&h), -EINVAL);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------- clocks */

static void preparing_does_nothing(void **state) {
    exec_interval iv;
    world w;
    (void)state;
    open_by_hand(&w, 50);
    hand.reads = 0;
    exec_interval_init(&iv, 10);
    (void)!exec_interval_tick(&iv);
    exec_interval_init_at(&iv, 60, 10);
    (void)!exec_interval_tick(&iv);
    exec_interval_reset_at(&iv, 70);
    assert_int_equal(hand.reads, 0);
    assert_false(exec_timer_armed(&iv.timer));
    close_empty(&w);
}

static void a_burst_reads_no_clock_the_others_once_a_tick(void **state) {
    (void)state;
    for (int policy = EXEC_MISSED_BURST; policy <= EXEC_MISSED_SKIP; policy++) {
        int each = policy != EXEC_MISSED_BURST;
        exec_interval iv;
        world w;
        open_by_hand(&w, 50);
        exec_interval_init(&iv, 10);
        iv.missed = (exec_missed)policy;
        assert_int_equal(first_poll_reads(&w, exec_interval_tick(&iv)), 1);
        assert_int_equal(first_poll_reads(&w, exec_interval_tick(&iv)), 0);     /* it waits */
        exec_interval_init_at(&iv, 0, 10);
        iv.missed = (exec_missed)policy;
        assert_int_equal(first_poll_reads(&w, exec_interval_tick(&iv)), each);  /* it is due */
        close_empty(&w);
    }
}

typedef struct { EXEC_FRAME; exec_interval *iv; int reset; } tardy;

EXEC_ASYNC(tardy) {
    EXEC_BEGIN;
    hand.now += 500;                    /* a long poll: the turn's time is old */
    if (self->reset) exec_interval_reset(self->iv, cx->exec);
    EXEC_AWAIT(exec_interval_tick(self->iv));
    EXEC_END;
}

/* Start, reset and what was missed count from the clock, not from the time of the turn. */
static void trap_24_an_interval_reads_the_clock(void **state) {
    exec_interval iv;
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        world w;
        open_by_hand(&w, 100);
        exec_interval_init(&iv, 10);
        if (kind == 2) exec_interval_init_at(&iv, 100, 10);
        iv.missed = EXEC_MISSED_SKIP;
        assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), tardy, .iv = &iv, .reset = kind == 1), 0);
        assert_int_equal(exec_turn(&w.ex), 1);
        assert_int_equal(exec_is_ready(&iv.fut), kind != 1);
        assert_int_equal(iv.tick_ns, kind == 0 ? 600 : kind == 1 ? 0 : 100);
        assert_int_equal(iv.next_ns, 610);
        assert_int_equal(exec_is_ready(&iv.fut) ? EXEC_RESULT(&iv) : 0, kind == 2 ? 50 : 0);
        if (kind == 1) hand.now = 610;
        exec_turn(&w.ex);
        close_empty(&w);
    }
}

typedef struct { EXEC_FRAME; exec_interval *iv; unsigned *count; } greedy;

EXEC_ASYNC(greedy) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_interval_tick(self->iv));
        ++*self->count;
    }
    EXEC_END;
}

/* A backlog of 10^9 ticks is caught up beside others. */
static void a_long_burst_starves_nobody(void **state) {
    exec_interval iv[2];
    unsigned counts[2] = { 0, 0 };
    world w;
    (void)state;
    open_virtual(&w, EXEC_SEC(1));
    for (int i = 0; i < 2; i++) {
        exec_interval_init_at(&iv[i], 0, 1);
        assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), greedy, .iv = &iv[i], .count = &counts[i]), 0);
    }
    for (int turn = 0; turn < 10; turn++) assert_int_equal(exec_turn(&w.ex), 64);
    for (int i = 0; i < 2; i++) assert_in_range(counts[i], 300 * 128, 320 * 128);
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);
    assert_false(exec_timer_armed(&iv[0].timer) || exec_timer_armed(&iv[1].timer));
}

/* ------------------------------------------------------------------------------------------- cancel */

typedef struct { EXEC_FRAME; exec_interval *iv; exec_select_op sel; exec_sleep_op nap; } patient;

/* A tick that loses a select is not lost. */
EXEC_ASYNC(patient) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, exec_interval_tick(self->iv), exec_sleep_until(&self->nap, 4)));
    if (EXEC_RESULT(&self->sel) != 1 || EXEC_RESULT(self->iv) != -ECANCELED) EXEC_RETURN(-EIO);
    if (exec_timer_armed(&self->iv->timer)) EXEC_RETURN(-EIO);
    EXEC_TRY(exec_interval_tick(self->iv));
    EXEC_RETURN(exec_now(cx->exec) == 10 && self->iv->tick_ns == 10 ? 0 : -EIO);
    EXEC_END;
}

static void a_cancelled_tick_is_given_again(void **state) {
    exec_interval iv;
    patient p;
    (void)state;
    exec_interval_init_at(&iv, 10, 10);
    assert_int_equal(run_alone(EXEC_CALL(&p, patient, .iv = &iv), 0, NULL), 0);
}

/* Aborted or killed before the first poll, while it waits, and when its time has come: not taken. */
static void a_cancel_at_each_point_takes_no_tick(void **state) {
    (void)state;
    for (int at = -1; at <= 15; at++)
        for (int kill = 0; kill < 2; kill++) {
            exec_interval iv;
            exec_handle h;
            world w;
            open_virtual(&w, 0);
            exec_interval_init_at(&iv, 10, 10);
            spawn_waiter(&w, &h, exec_interval_tick(&iv), NULL);
            if (at >= 0) assert_int_equal(exec_turn(&w.ex), 1);
            if (at > 0) assert_int_equal(exec_clock_advance(&w.ex, at), 0);
            assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
            assert_int_equal(exec_handle_result(&h), -ECANCELED);
            assert_int_equal(EXEC_RESULT(&iv), -ECANCELED);
            assert_int_equal(iv.next_ns, 10);
            close_empty(&w);
        }
}

/* The timer has expired and the task is queued; then the cancel comes. */
static void a_cancel_behind_the_expiry_takes_no_tick(void **state) {
    exec_interval iv;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    exec_interval_init_at(&iv, 10, 10);
    spawn_waiter(&w, &h, exec_interval_tick(&iv), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    exec_timer_cancel(&w.timers, &iv.timer);            /* as an expiry leaves it */
    assert_int_equal(exec_clock_advance(&w.ex, 10), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(EXEC_RESULT(&iv), -ECANCELED);
    assert_int_equal(iv.next_ns, 10);
    close_empty(&w);
}

static void trap_05_an_interval_leaves_no_node(void **state) {
    exec_interval iv[3];
    unsigned counts[3] = { 0, 0, 0 };
    world w;
    (void)state;
    open_virtual(&w, 0);
    for (int i = 0; i < 3; i++) {
        exec_interval_init(&iv[i], 10 + i);
        assert_int_equal(EXEC_SPAWN(&w.ex, test_opts(), greedy, .iv = &iv[i], .count = &counts[i]), 0);
    }
    run_to(&w, 100);
    assert_int_equal(counts[0], 11);
    assert_int_equal(counts[1], 10);
    assert_int_equal(counts[2], 9);
    for (int i = 0; i < 3; i++) assert_true(exec_timer_armed(&iv[i].timer));
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);       /* in the middle */
    for (int i = 0; i < 3; i++) assert_false(exec_timer_armed(&iv[i].timer));
}

static void await_twice(void) {
    exec_interval iv;
    exec_handle h;
    world w;
    open_virtual(&w, 0);
    exec_interval_init_at(&iv, 10, 10);
    spawn_waiter(&w, &h, exec_interval_tick(&iv), NULL);
    run_to(&w, 4);
    (void)!exec_interval_tick(&iv);
}

static void a_second_await_is_a_programming_error(void **state) {
    (void)state;
    dies_saying(await_twice, "a tick of this interval is awaited already");
}

static void without_a_wheel_it_is_refused(void **state) {
    exec_interval iv;
    exec ex;
    (void)state;
    open_exec(&ex);
    exec_interval_init(&iv, 10);
    assert_int_equal(exec_run_until(&ex, exec_interval_tick(&iv)), 0);
    assert_int_equal(EXEC_RESULT(&iv), -ENOSYS);
    close_exec(&ex);
}

/* ------------------------------------------------------------------------------------------- others */

#define TICKERS 20
typedef struct { EXEC_FRAME; exec_interval *iv; int64_t start; unsigned ticks; } regular;

/* Each tick at its time, whatever woke the task. */
EXEC_ASYNC(regular) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_interval_tick(self->iv));
        if (exec_now(cx->exec) != self->start + self->iv->period_ns * self->ticks
            || self->iv->tick_ns != exec_now(cx->exec))
            fail_msg("tick %u of %lld at %lld", self->ticks, (long long)self->iv->period_ns,
                     (long long)exec_now(cx->exec));
        self->ticks++;
    }
    EXEC_END;
}

static void trap_18_spurious_wakes_tick_nothing(void **state) {
    static exec_interval iv[TICKERS];
    static exec_handle handles[TICKERS];
    (void)state;
    test_seed(181);
    for (int round = test_rounds(20); round > 0; round--) {
        world w;
        open_virtual(&w, 0);
        for (unsigned i = 0; i < TICKERS; i++) {
            exec_opts opts = test_opts_handle(&handles[i]);
            int64_t start = 1 + (int64_t)test_below(40);
            exec_interval_init_at(&iv[i], start, 1 + (int64_t)test_below(30));
            iv[i].missed = (exec_missed)test_below(3);
            assert_int_equal(EXEC_SPAWN(&w.ex, &opts, regular, .iv = &iv[i], .start = start), 0);
        }
        for (int step = 0; step < 300; step++) {
            for (int k = 0; k < 5; k++) exec_wake(handles[test_below(TICKERS)].task);
            while (exec_turn(&w.ex) > 0) continue;
            if (exec_check(&w.ex) < 0 || exec_clock_advance(&w.ex, 1) < 0) fail();
        }
        for (unsigned i = 0; i < TICKERS; i++) assert_true(iv[i].tick_ns + iv[i].period_ns >= 300);
        assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);
    }
}

static void a_dump_says_when_the_next_tick_is_due(void **state) {
    exec_interval iv;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    exec_interval_init_at(&iv, EXEC_MS(12), EXEC_MS(1));
    spawn_waiter(&w, &h, exec_interval_tick(&iv), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    exec_dump(&w.ex);
    assert_non_null(strstr(log_text, "interval"));
    expect_words(log_text, "until +12 ms");
    assert_int_equal(exec_handle_abort(&h), 0);
    close_empty(&w);
}

static void sizes_are_as_promised(void **state) {
    (void)state;
    assert_true(sizeof(exec_interval) <= (sizeof(void *) == 8 ? 96 : 80));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_catches_up),
        cmocka_unit_test(delay_counts_from_now),
        cmocka_unit_test(skip_stays_in_step),
        cmocka_unit_test(the_policy_may_change_between_ticks),
        cmocka_unit_test(the_first_tick_of_the_plain_form_comes_at_once),
        cmocka_unit_test(a_start_in_the_future),
        cmocka_unit_test(a_start_in_the_past),
        cmocka_unit_test(a_negative_start_counts_as_0),
        cmocka_unit_test(a_period_that_is_not_positive_is_refused),
        cmocka_unit_test(the_end_of_time),
        cmocka_unit_test(what_is_left_out_in_all_of_time),
        cmocka_unit_test(reset_counts_from_now),
        cmocka_unit_test(reset_before_the_first_tick),
        cmocka_unit_test(reset_while_a_tick_is_awaited),
        cmocka_unit_test(a_new_period_holds_behind_the_next_tick),
        cmocka_unit_test(a_bad_period_while_a_tick_is_awaited),
        cmocka_unit_test(preparing_does_nothing),
        cmocka_unit_test(a_burst_reads_no_clock_the_others_once_a_tick),
        cmocka_unit_test(trap_24_an_interval_reads_the_clock),
        cmocka_unit_test(a_long_burst_starves_nobody),
        cmocka_unit_test(a_cancelled_tick_is_given_again),
        cmocka_unit_test(a_cancel_at_each_point_takes_no_tick),
        cmocka_unit_test(a_cancel_behind_the_expiry_takes_no_tick),
        cmocka_unit_test(trap_05_an_interval_leaves_no_node),
        cmocka_unit_test(a_second_await_is_a_programming_error),
        cmocka_unit_test(without_a_wheel_it_is_refused),
        cmocka_unit_test(trap_18_spurious_wakes_tick_nothing),
        cmocka_unit_test(a_dump_says_when_the_next_tick_is_due),
        cmocka_unit_test(sizes_are_as_promised) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
