/* SPDX-License-Identifier: MIT
 * Tasks that compute for long: exec_yield_if_needed, and what stall_ns tells of who does not ask. */
#include "test.h"
#include "leaves.h"

static void open_by_hand(exec *ex, int64_t preempt_ns, int64_t stall_ns, unsigned tasks_per_turn) {
    exec_config config = quiet_config();
    hand.now = 0;
    trace_reset();
    config.clock = hand_clock;
    config.preempt_ns = preempt_ns;
    if (stall_ns) config.stall_ns = stall_ns;
    config.tasks_per_turn = tasks_per_turn;
    assert_int_equal(exec_init(ex, &config), 0);
}

typedef struct { EXEC_FRAME; int steps; int64_t step_ns; const char *name; } computes;
EXEC_ASYNC(computes) {
    EXEC_BEGIN;
    for (; self->steps > 0; self->steps--) {
        hand.now += self->step_ns;
        trace(self->name);
        if (self->steps % 2) EXEC_YIELD_IF_NEEDED;
        else EXEC_YIELD_IF_NEEDED;              /* one statement */
    }
    EXEC_END;
}

/* The first call notes the time, 3 ms; 12 ms later, the fifth yields. A new turn begins anew. */
static void a_loop_yields_when_the_turn_has_used_its_time(void **state) {
    exec ex;
    (void)state;
    open_by_hand(&ex, 0, 0, 1);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), computes, .steps = 12, .step_ns = EXEC_MS(3), .name = "a"), 0);
    exec_turn(&ex);
    expect_trace("a a a a a");
    exec_turn(&ex);
    expect_trace("a a a a a");
    exec_turn(&ex);
    expect_trace("a a");
    assert_int_equal(stats(&ex).tasks, 0);
    close_exec(&ex);
}

static void preempt_ns_is_exact_and_its_own(void **state) {
    exec ex;
    (void)state;
    open_by_hand(&ex, EXEC_MS(4), 0, 1);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), computes, .steps = 8, .step_ns = EXEC_MS(2), .name = "a"), 0);
    exec_turn(&ex);
    expect_trace("a a a");      /* noted at 2, at 6 they are over */
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

/* The time is the turn's: who comes later in it has what is left. */
static void the_tasks_of_a_turn_share_its_time(void **state) {
    exec ex;
    (void)state;
    open_by_hand(&ex, EXEC_MS(10), 0, 2);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), computes, .steps = 20, .step_ns = EXEC_MS(3), .name = "a"), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), computes, .steps = 20, .step_ns = EXEC_MS(3), .name = "b"), 0);
    exec_turn(&ex);
    expect_trace("a a a a a b");
    exec_turn(&ex);
    expect_trace("a a a a a b");
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

/* A leaf of one's own asks the function. */
typedef struct { exec_future fut; int rounds, asked; } grinds;
static exec_poll grinds_poll(exec_cx *cx, exec_future *f) {
    grinds *self = (grinds *)(void *)f;
    while (self->rounds-- > 0) {
        hand.now += EXEC_MS(1);
        self->asked++;
        if (!exec_yield_if_needed(cx)) continue;
        exec_wake(cx->task);
        return exec_pending(cx, f);
    }
    return exec_ready(f, self->asked);
}
static const exec_type grinds_type = { grinds_poll, NULL, NULL, "grinds", "grinds.c", sizeof(grinds), 0, 8 };
static void a_hand_written_future_may_ask_too(void **state) {
    exec ex;
    grinds g;
    (void)state;
    open_by_hand(&ex, EXEC_MS(5), 0, 1);
    exec_future_init(&g.fut, &grinds_type);
    g.rounds = 30;
    g.asked = 0;
    assert_int_equal(exec_run_until(&ex, &g.fut), 0);
    assert_int_equal(g.asked, 30);
    assert_int_equal(stats(&ex).turns, 6);      /* in each: one that notes, five more ms */
    close_exec(&ex);
}

static void the_configuration_is_checked(void **state) {
    exec ex;
    exec_config config = quiet_config();
    (void)state;
    config.preempt_ns = -1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
    config.preempt_ns = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_true(ex.config.preempt_ns == EXEC_MS(10));
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; int64_t ns; } hogs;
EXEC_ASYNC(hogs) {
    EXEC_BEGIN;
    EXEC_YIELD;
    hand.now += self->ns;
    EXEC_YIELD;
    EXEC_END;
}
static void a_stalled_poll_is_told_with_name_and_line_and_the_turn_counts_whole(void **state) {
    exec ex;
    exec_handle h[2];
    exec_opts opts[2] = { test_opts_handle(&h[0]), test_opts_handle(&h[1]) };
    char expected[320];
    (void)state;
    open_by_hand(&ex, 0, EXEC_MS(10), 0);
    opts[0].name = "index";
    opts[1].name = "brief";
    assert_int_equal(EXEC_SPAWN(&ex, &opts[0], hogs, .ns = EXEC_MS(25)), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts[1], hogs, .ns = EXEC_MS(10)), 0);
    assert_int_equal(exec_run(&ex), 0);
    snprintf(expected, sizeof expected, "exec: a poll of hogs \"index\" took 25000 us, last at:\n  hogs %s:", __FILE__);
    if (EXEC_SMALL) assert_string_equal(log_text, "exec: a poll took longer than stall_ns\n");
    else assert_non_null(strstr(log_text, expected));
    assert_null(strstr(log_text, "brief"));         /* over, not at, the limit */
    assert_true(stats(&ex).longest_turn_ns == EXEC_MS(35));
    close_exec(&ex);
}

static void expect_stalled(const char *who, const char *first, unsigned lines) {
    char expected[640];
    snprintf(expected, sizeof expected, "exec: a poll of %s took 25000 us, last at:\n%s%s:", who, first, __FILE__);
    if (EXEC_SMALL) assert_string_equal(log_text, "exec: a poll took longer than stall_ns\n");
    else assert_non_null(strstr(log_text, expected));
    for (const char *c = log_text; *c; c++) lines -= *c == '\n';
    assert_int_equal(lines, 0);
    log_text[0] = 0;
}

/* One line, of the innermost coroutine: the main one of exec_run_until; who awaits a select. Of a select that nobody
   awaits, its branches. */
typedef struct { EXEC_FRAME; hogs a, b; exec_select_op either; } chooses;
EXEC_ASYNC(chooses) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->either, EXEC_CALL(&self->a, hogs, .ns = EXEC_MS(25)),
                                        EXEC_CALL(&self->b, hogs, .ns = 0)));
    EXEC_END;
}
static void a_stalled_poll_is_told_with_the_coroutine_where_it_is(void **state) {
    exec ex;
    chooses frame;
    (void)state;
    open_by_hand(&ex, 0, EXEC_MS(10), 0);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame.a, hogs, .ns = EXEC_MS(25))), 0);
    expect_stalled("run_until", "  hogs ", EXEC_SMALL ? 1 : 2);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), chooses), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_stalled("chooses", "  chooses ", EXEC_SMALL ? 1 : 2);
    assert_int_equal(exec_run_until(&ex, exec_select(&frame.either, EXEC_CALL(&frame.a, hogs, .ns = EXEC_MS(25)),
                                                     EXEC_CALL(&frame.b, hogs, .ns = 0))), 0);
    expect_stalled("run_until", "  select\n    hogs ", EXEC_SMALL ? 1 : 4);
    close_exec(&ex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_yields_when_the_turn_has_used_its_time),
        cmocka_unit_test(preempt_ns_is_exact_and_its_own),
        cmocka_unit_test(the_tasks_of_a_turn_share_its_time),
        cmocka_unit_test(a_hand_written_future_may_ask_too),
        cmocka_unit_test(the_configuration_is_checked),
        cmocka_unit_test(a_stalled_poll_is_told_with_name_and_line_and_the_turn_counts_whole),
        cmocka_unit_test(a_stalled_poll_is_told_with_the_coroutine_where_it_is)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
