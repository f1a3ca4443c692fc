/* SPDX-License-Identifier: MIT
 * exec_race, exec_select_fair: who wins, what the others do. (Select and join: test_coroutines.c.) */
#include "test.h"
#include "leaves.h"

/* Awaits its gate and ends with what it is given; its cleanup may take time. */
typedef struct { EXEC_FRAME; gate *gate, *clean; int id; } runner;
EXEC_ASYNC(runner) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_RETURN(EXEC_RESULT(self->gate));
    EXEC_FINALLY;
    trace_number("clean ", self->id);
    if (self->clean) EXEC_AWAIT(gate_wait(self->clean));
    EXEC_END;
}

/* ------------------------------------------------------------------------------------------ race */

typedef struct { EXEC_FRAME; gate *g; gate *clean; runner kids[3]; exec_race_op race; } racers;
EXEC_ASYNC(racers) {
    EXEC_BEGIN;
    EXEC_TRY(exec_race(&self->race,
                       EXEC_CALL(&self->kids[0], runner, .gate = &self->g[0], .clean = self->clean, .id = 0),
                       EXEC_CALL(&self->kids[1], runner, .gate = &self->g[1], .clean = self->clean, .id = 1),
                       EXEC_CALL(&self->kids[2], runner, .gate = &self->g[2], .clean = self->clean, .id = 2)));
    EXEC_RETURN(EXEC_RESULT(&self->race));
    EXEC_END;
}

static void spawn_racers(exec *ex, exec_handle *h, gate *g, gate *clean) {
    exec_opts opts = test_opts_handle(h);
    open_exec(ex);
    assert_int_equal(EXEC_SPAWN(ex, &opts, racers, .g = g, .clean = clean), 0);
    exec_turn(ex);
}

static void a_failure_does_not_end_a_race_and_the_first_success_does(void **state) {
    exec ex;
    gate g[3] = { { .open = 0 } };
    exec_handle h;
    (void)state;
    spawn_racers(&ex, &h, g, NULL);
    gate_open(&g[0], -EIO);
    exec_turn(&ex);
    assert_int_equal(exec_handle_result(&h), -EAGAIN);
    expect_trace("clean 0");
    gate_open(&g[2], 5);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("clean 2 clean 1");
    assert_int_equal(exec_handle_result(&h), 2);
    assert_int_equal(g[1].canceled, 1);
    close_exec(&ex);
}

static void a_race_that_all_lose_gives_the_last_error_that_came(void **state) {
    static const int orders[3][3] = { { 0, 1, 2 }, { 2, 0, 1 }, { 1, 2, 0 } };
    (void)state;
    for (int order = 0; order < 3; order++) {
        exec ex;
        gate g[3] = { { .open = 0 } };
        exec_handle h;
        spawn_racers(&ex, &h, g, NULL);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(exec_handle_result(&h), -EAGAIN);
            gate_open(&g[orders[order][i]], -10 - i);
            exec_turn(&ex);
        }
        assert_int_equal(exec_handle_result(&h), -12);
        for (int i = 0; i < 3; i++) assert_int_equal(g[i].canceled, 0);
        close_exec(&ex);
    }
}

/* Who comes behind the winner in the same poll is not started, or takes nothing. */
static void of_two_that_succeed_at_once_the_first_argument_wins(void **state) {
    exec ex;
    gate g[3] = { { .open = 1, .value = -EPIPE }, { .open = 1, .value = 3 }, { .open = 1, .value = 4 } };
    exec_handle h;
    (void)state;
    spawn_racers(&ex, &h, g, NULL);
    assert_int_equal(exec_handle_result(&h), 1);
    assert_int_equal(g[2].polls, 0);
    expect_trace("clean 0 clean 1");
    close_exec(&ex);
}

static void a_race_is_not_ready_before_the_losers_are_unwound(void **state) {
    exec ex;
    gate g[3] = { { .open = 0 } }, clean = { .open = 0 };
    exec_handle h;
    (void)state;
    spawn_racers(&ex, &h, g, &clean);
    gate_open(&g[1], 1);
    for (int i = 0; i < 3; i++) exec_turn(&ex);
    assert_int_equal(exec_handle_result(&h), -EAGAIN);
    gate_open(&clean, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 1);
    trace_reset();
    close_exec(&ex);
}

static void a_cancelled_race_unwinds_all_and_is_cancelled(void **state) {
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        exec ex;
        gate g[3] = { { .open = 0 } };
        exec_handle h;
        spawn_racers(&ex, &h, g, NULL);
        gate_open(&g[1], -EIO);
        exec_turn(&ex);
        assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
        assert_int_equal(exec_run(&ex), 0);
        expect_trace("clean 1 clean 0 clean 2");
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
        close_exec(&ex);
    }
}

/* -------------------------------------------------------------------------------------- fairness */

typedef struct {
    EXEC_FRAME; always branch[4]; exec_select_op sel; int rounds, round; char order[128];
} takes_turns;
EXEC_ASYNC(takes_turns) {
    EXEC_BEGIN;
    for (; self->round < self->rounds; self->round++) {
        EXEC_TRY(exec_select_fair(&self->sel, always_ready(&self->branch[0]), always_ready(&self->branch[1]),
                                  always_ready(&self->branch[2])));
        self->order[self->round] = (char)('a' + EXEC_RESULT(&self->sel));
    }
    EXEC_END;
}

static void of_branches_that_are_always_ready_each_wins_in_its_turn(void **state) {
    exec ex;
    takes_turns frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, takes_turns, .rounds = 9)), 0);
    assert_string_equal(frame.order, "abcabcabc");
    assert_int_equal(frame.branch[1].polls, 3);     /* who does not win is not polled */
    close_exec(&ex);
}

/* A plain select of the same kind starves all but the first. */
typedef struct { EXEC_FRAME; always branch[2]; exec_select_op sel; int round, wins[2]; } biased;
EXEC_ASYNC(biased) {
    EXEC_BEGIN;
    for (; self->round < 6; self->round++) {
        EXEC_TRY(exec_select(&self->sel, always_ready(&self->branch[0]), always_ready(&self->branch[1])));
        self->wins[EXEC_RESULT(&self->sel)]++;
    }
    EXEC_END;
}
static void a_plain_select_stays_biased(void **state) {
    exec ex;
    biased frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, biased)), 0);
    assert_int_equal(frame.wins[0], 6);
    close_exec(&ex);
}

/* The place is behind who won, also when that one had to wait, and other kinds of awaits lie between. */
typedef struct { EXEC_FRAME; gate *g; exec_select_op sel; int round; } waits_in_turn;
EXEC_ASYNC(waits_in_turn) {
    EXEC_BEGIN;
    for (; self->round < 3; self->round++) {
        EXEC_TRY(exec_select_fair(&self->sel, gate_wait(&self->g[0]), gate_wait(&self->g[1]), gate_wait(&self->g[2])));
        trace_number("won ", (long)EXEC_RESULT(&self->sel));
        for (int i = 0; i < 3; i++) {
            trace_number("polled ", self->g[i].polls);
            self->g[i].polls = 0;
            self->g[i].open = self->round < 1;
        }
        EXEC_YIELD;
    }
    EXEC_END;
}
static void the_order_goes_on_behind_the_last_winner(void **state) {
    exec ex;
    gate g[3] = { { .open = 0 } };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits_in_turn, .g = g), 0);
    exec_turn(&ex);
    gate_open(&g[1], 0);
    exec_turn(&ex);                 /* 1 wins: 0 was polled, waits, is cancelled; then all are open: 2 wins */
    exec_turn(&ex);                 /* 0 is polled first, and waits with the others */
    gate_open(&g[0], 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("won 1 polled 3 polled 2 polled 2 won 2 polled 0 polled 0 polled 1 "
                 "won 0 polled 2 polled 2 polled 2");
    close_exec(&ex);
}

/* ------------------------------------------------------------------------- more than four, and none */

enum { MANY = 6 };
typedef struct {
    EXEC_FRAME; always branch[MANY]; exec_strand strands[MANY]; exec_future *f[MANY]; exec_select_op op;
    unsigned count; int race, round, wins[MANY];
} many;
EXEC_ASYNC(many) {
    EXEC_BEGIN;
    for (; self->round < 2 * MANY; self->round++) {
        for (unsigned i = 0; i < self->count; i++) self->f[i] = always_ready(&self->branch[i]);
        if (self->race) EXEC_TRY(exec_race_n(&self->op, self->strands, self->f, self->count));
        else EXEC_TRY(exec_select_fair_n(&self->op, self->strands, self->f, self->count));
        self->wins[EXEC_RESULT(&self->op)]++;
    }
    EXEC_END;
}
static void more_than_four_branches_and_none(void **state) {
    exec ex;
    many frame;
    (void)state;
    open_exec(&ex);
    for (int race = 0; race < 2; race++) {
        memset(&frame, 0, sizeof frame);
        assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, many, .count = MANY, .race = race)), 0);
        assert_int_equal(frame.fut.result, 0);
        for (int i = 0; i < MANY; i++) assert_int_equal(frame.wins[i], !race ? 2 : i == 0 ? 2 * MANY : 0);
        assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, many, .race = race)), 0);
        assert_int_equal(frame.fut.result, -EINVAL);
    }
    close_exec(&ex);
}

/* The place that a larger set left behind is no branch of a smaller one. */
typedef struct { EXEC_FRAME; always branch[4]; exec_select_op sel; int round; } shrinks;
EXEC_ASYNC(shrinks) {
    EXEC_BEGIN;
    for (; self->round < 3; self->round++)
        EXEC_TRY(exec_select_fair(&self->sel, always_ready(&self->branch[0]), always_ready(&self->branch[1]),
                                  always_ready(&self->branch[2]), always_ready(&self->branch[3])));
    EXEC_TRY(exec_select_fair(&self->sel, always_ready(&self->branch[0]), always_ready(&self->branch[1])));
    EXEC_RETURN(EXEC_RESULT(&self->sel));
    EXEC_END;
}
static void a_smaller_fair_select_begins_anew(void **state) {
    exec ex;
    shrinks frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, shrinks)), 0);
    assert_int_equal(frame.fut.result, 0);
    close_exec(&ex);
}

static void dump_names_the_kind_and_shows_the_branches(void **state) {
    exec ex;
    gate g[3] = { { .open = 0 } };
    exec_handle h;
    (void)state;
    spawn_racers(&ex, &h, g, NULL);
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "race"));
    assert_non_null(strstr(log_text, "runner"));
    assert_int_equal(exec_handle_abort(&h), 0);
    trace_reset();
    close_exec(&ex);
}

/* A select whose first branch is ready never polls the second. */
typedef struct {
    EXEC_FRAME;
    always now;
    exec_handle none;
    exec_handle_op op;
    exec_select_op first;
    runner kid;
    gate *gate;
} unpolled;
EXEC_ASYNC(unpolled) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_select(&self->first, always_ready(&self->now), exec_handle_join(&self->op, &self->none),
                           EXEC_CALL(&self->kid, runner, .gate = self->gate)));
    EXEC_RETURN(EXEC_RESULT(&self->first) == 0 ? EXEC_RESULT(&self->op) : 1);
    EXEC_END;
}
static void an_op_that_was_never_polled_says_that_it_did_nothing(void **state) {
    exec ex;
    unpolled u;
    gate g = { .open = 1, .value = 7 };
    (void)state;
    memset(&u, 0, sizeof u);
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&u, unpolled, .gate = &g)), 0);
    assert_int_equal(EXEC_RESULT(&u), -ECANCELED);
    assert_false(exec_is_ready(&u.kid.fut));
    assert_int_equal(exec_run_until(&ex, &u.kid.fut), 0);      /* a coroutine is as it was made */
    assert_int_equal(EXEC_RESULT(&u.kid), 7);
    close_exec(&ex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_does_not_end_a_race_and_the_first_success_does),
        cmocka_unit_test(a_race_that_all_lose_gives_the_last_error_that_came),
        cmocka_unit_test(of_two_that_succeed_at_once_the_first_argument_wins),
        cmocka_unit_test(a_race_is_not_ready_before_the_losers_are_unwound),
        cmocka_unit_test(a_cancelled_race_unwinds_all_and_is_cancelled),
        cmocka_unit_test(of_branches_that_are_always_ready_each_wins_in_its_turn),
        cmocka_unit_test(a_plain_select_stays_biased),
        cmocka_unit_test(the_order_goes_on_behind_the_last_winner),
        cmocka_unit_test(more_than_four_branches_and_none),
        cmocka_unit_test(a_smaller_fair_select_begins_anew),
        cmocka_unit_test(an_op_that_was_never_polled_says_that_it_did_nothing),
        cmocka_unit_test(dump_names_the_kind_and_shows_the_branches)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
