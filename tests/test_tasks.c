/* SPDX-License-Identifier: MIT
 * Tasks, where they live, handles, groups, the escalation of cancels. */
#include "test.h"
#include "leaves.h"

/* ------------------------------------------------------------------------------------------ tasks */

typedef struct { EXEC_FRAME; gate *gate; int id; } member;
EXEC_ASYNC(member) {
    EXEC_BEGIN;
    trace_number("start ", self->id);
    EXEC_TRY(gate_wait(self->gate));
    EXEC_RETURN(EXEC_RESULT(self->gate));
    EXEC_FINALLY;
    trace_number("clean ", self->id);
    EXEC_END;
}

typedef struct { EXEC_FRAME; int times; int *polls; int *ends; } wakes_itself;
EXEC_ASYNC(wakes_itself) {
    EXEC_BEGIN;
    ++*self->polls;
    for (; self->times > 0; self->times--) {
        EXEC_YIELD;
        ++*self->polls;
    }
    EXEC_FINALLY;
    ++*self->ends;
    EXEC_END;
}

static void spawn_one_and_many(void **state) {
    exec ex;
    int polls = 0, ends = 0;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), wakes_itself, .polls = &polls, .ends = &ends), 0);
    assert_int_equal(polls, 0);                 /* runs when the queue reaches it */
    assert_int_equal(stats(&ex).tasks, 1);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(polls, 1);
    assert_int_equal(ends, 1);
    for (int i = 0; i < 200; i++)
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), wakes_itself, .polls = &polls, .ends = &ends), 0);
    assert_int_equal(stats(&ex).tasks, 200);
    assert_int_equal(stats(&ex).completed, 1);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(ends, 201);
    assert_int_equal(stats(&ex).spawned, 201);
    assert_int_equal(stats(&ex).completed, 201);
    close_exec(&ex);
}

static void a_pending_task_stays(void **state) {
    exec ex;
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), member, .gate = &g), 0);
    assert_int_equal(exec_turn(&ex), 1);
    for (int i = 0; i < 10; i++) assert_int_equal(exec_turn(&ex), 0);
    assert_int_equal(stats(&ex).tasks, 1);
    assert_int_equal(g.polls, 1);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

static void a_task_that_wakes_itself_three_times_is_polled_four_times(void **state) {
    exec ex;
    int polls = 0, ends = 0;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), wakes_itself, .times = 3, .polls = &polls, .ends = &ends), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(polls, 4);
    assert_int_equal(ends, 1);
    assert_int_equal(stats(&ex).polls, 4);
    close_exec(&ex);
}

static void five_tasks_complete_two_two_one_with_a_limit_of_two(void **state) {
    exec ex;
    exec_config config = quiet_config();
    int polls = 0, ends = 0;
    (void)state;
    config.tasks_per_turn = 2;
    assert_int_equal(exec_init(&ex, &config), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), wakes_itself, .polls = &polls, .ends = &ends), 0);
    assert_int_equal(exec_turn(&ex), 2);
    assert_int_equal(ends, 2);
    assert_int_equal(exec_turn(&ex), 2);
    assert_int_equal(ends, 4);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(ends, 5);
    assert_int_equal(exec_turn(&ex), 0);
    close_exec(&ex);
}

static void cancel_frees_the_slot_for_reuse(void **state) {
    static EXEC_SLOT(member) slots[1];
    exec ex;
    exec_pool pool;
    exec_handle h;
    exec_opts opts = { .pool = &pool, .handle = &h };
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
        assert_int_equal(pool.live, 1);
        if (i & 1) exec_turn(&ex);
        opts.handle = NULL;
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -ENOMEM);
        assert_int_equal(exec_claim_error(&ex), -ENOMEM);
        opts.handle = &h;
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    }
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_turn(&ex), 0);
    opts.handle = NULL;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(exec_claim_error(&ex), 0);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
    assert_int_equal(pool.live, 0);
}

/* It is in the ready queue when it ends: nothing of it is touched afterwards. */
static void a_cancelled_queued_task_leaves_nothing_stale_behind(void **state) {
    static EXEC_SLOT(member) slots[3];
    exec ex;
    exec_pool pool;
    exec_handle h[3];
    gate g[3];
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    for (int first = 0; first < 3; first++) {
        for (int i = 0; i < 3; i++) {
            exec_opts opts = { .pool = &pool, .handle = &h[i] };
            g[i].open = 0;
            assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g[i], .id = i), 0);
        }
        exec_turn(&ex);
        for (int i = 0; i < 3; i++) gate_nudge(&g[i]);      /* queued: 0 1 2 */
        trace_reset();
        assert_int_equal(exec_handle_abort(&h[first]), 0);
        assert_int_equal(exec_check(&ex), 0);
        {
            exec_opts opts = { .pool = &pool };
            assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g[first], .id = 9), 0);    /* its slot */
        }
        assert_int_equal(exec_check(&ex), 0);
        g[0].open = g[1].open = g[2].open = 1;
        assert_int_equal(exec_run(&ex), 0);
        expect_trace(first == 0 ? "clean 0 clean 1 clean 2 start 9 clean 9"
                     : first == 1 ? "clean 1 clean 0 clean 2 start 9 clean 9"
                                  : "clean 2 clean 0 clean 1 start 9 clean 9");
    }
    close_exec(&ex);
}

/* Outside any poll abort unwinds at once; then the storage is the caller's again. */
static void storage_is_free_when_abort_returns(void **state) {
    exec ex;
    gate g = { 0 }, g2 = { 0 };
    (void)state;
    open_exec(&ex);
    for (int scheduled = 0; scheduled < 3; scheduled++) {
        exec_handle h, other;
        EXEC_SLOT(member) slot;
        exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot, .handle = &h };
        exec_opts others = test_opts_handle(&other);
        memset(&slot, 0, sizeof slot);
        assert_int_equal(EXEC_SPAWN(&ex, &others, member, .gate = &g2), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
        if (scheduled) exec_turn(&ex);
        if (scheduled == 2) exec_wake(h.task);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        memset(&slot, 0xEE, sizeof slot);
        exec_turn(&ex);
        assert_int_equal(exec_handle_abort(&other), 0);
        assert_int_equal(exec_run(&ex), 0);
    }
    trace_reset();
    close_exec(&ex);
}

static void abort_from_idle_and_from_scheduled(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    for (int scheduled = 0; scheduled < 2; scheduled++) {
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
        exec_turn(&ex);
        if (scheduled) gate_nudge(&g);
        assert_int_equal(exec_handle_state(&h), scheduled ? EXEC_STATE_SCHEDULED : EXEC_STATE_IDLE);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
        assert_int_equal(stats(&ex).tasks, 0);
        expect_trace("start 0 clean 0");
        assert_int_equal(exec_run(&ex), 0);
        expect_trace("");
    }
    close_exec(&ex);
}

static void abort_of_a_completed_task_and_repeated_abort_do_nothing(void **state) {
    exec ex;
    gate g = { .open = 1, .value = 5 };
    exec_handle h, none;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    memset(&none, 0, sizeof none);
    assert_int_equal(exec_handle_abort(&none), -EALREADY);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    assert_int_equal(exec_handle_kill(&h), -EALREADY);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
    assert_int_equal(exec_handle_result(&h), 5);
    g.open = 0;
    g.refuse = 1;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    assert_int_equal(exec_handle_kill(&h), 0);
    assert_int_equal(exec_handle_kill(&h), -EALREADY);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    gate_open(&g, 1);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);  /* the mark outranks the value */
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_exec(&ex);
}

static void destroy_cleans_up_queued_tasks(void **state) {
    exec ex;
    gate g[3];
    exec_handle h[3];
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    for (int i = 0; i < 3; i++) {
        exec_opts opts = test_opts_handle(&h[i]);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g[i], .id = i), 0);
        if (i == 0) exec_turn(&ex);
        if (i == 0) gate_nudge(&g[0]);
    }
    expect_trace("start 0");
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
    expect_trace("clean 0 start 1 clean 1 start 2 clean 2");
    for (int i = 0; i < 3; i++) assert_int_equal(exec_handle_state(&h[i]), EXEC_STATE_CANCELLED);
}

/* Two children with conditional yields, joined in the reverse order of their spawning. */
typedef struct { EXEC_FRAME; int id, rounds, i; } stepper;
EXEC_ASYNC(stepper) {
    EXEC_BEGIN;
    for (; self->i < self->rounds; self->i++) {
        trace_number(self->id == 1 ? "a" : "b", self->i);
        if ((self->i + self->id) % 2) EXEC_YIELD;
    }
    EXEC_RETURN(self->id);
    EXEC_END;
}
typedef struct { EXEC_FRAME; exec_handle a, b; exec_handle_op join; } reverse_join;
EXEC_ASYNC(reverse_join) {
    EXEC_BEGIN;
    {
        exec_opts first = test_opts_handle(&self->a), second = test_opts_handle(&self->b);
        assert_int_equal(EXEC_SPAWN(cx->exec, &first, stepper, .id = 1, .rounds = 4), 0);
        assert_int_equal(EXEC_SPAWN(cx->exec, &second, stepper, .id = 2, .rounds = 3), 0);
    }
    EXEC_TRY(exec_handle_join(&self->join, &self->b));
    trace_number("joined ", (long)EXEC_RESULT(&self->join));
    EXEC_TRY(exec_handle_join(&self->join, &self->a));
    trace_number("joined ", (long)EXEC_RESULT(&self->join));
    EXEC_END;
}
static void children_joined_in_reverse_order_of_their_spawning(void **state) {
    exec ex;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), reverse_join), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("a0 b0 b1 a1 a2 b2 a3 joined 2 joined 1");
    close_exec(&ex);
}

/* ----------------------------------------------------------------------------------------- stores */

static void claim_construct_start_or_drop(void **state) {
    exec ex;
    gate g = { .open = 1, .value = 3 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    member *m;
    (void)state;
    open_exec(&ex);
    m = EXEC_CLAIM(&ex, &opts, member);
    assert_non_null(m);
    assert_int_equal(m->id, 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(exec_handle_abort(&h), -EINVAL);
    assert_int_equal(exec_run(&ex), 0);         /* a claim is no task yet */
    EXEC_DROP(m);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_NONE);
    assert_int_equal(exec_handle_result(&h), -EINVAL);
    m = EXEC_CLAIM(&ex, &opts, member);
    assert_non_null(m);
    m->gate = &g;
    assert_int_equal(EXEC_START(m), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 3);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_handle *target; exec_handle_op op; } joins_one;
EXEC_ASYNC(joins_one) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_handle_join(&self->op, self->target));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}

/* As a descriptor does that was registered for it and is ready at once. */
static void a_claimed_task_that_is_woken_waits_for_its_start(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    member *m;
    (void)state;
    open_exec(&ex);
    g.open = 1;
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), member, .gate = &g), 0);
    m = EXEC_CLAIM(&ex, &opts, member);
    assert_non_null(m);
    m->gate = &g;
    exec_wake(h.task);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), member, .gate = &g), 0);
    assert_true(exec_turn(&ex) >= 2);           /* both others */
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    exec_wake(h.task);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), member, .gate = &g), 0);
    assert_int_equal(EXEC_START(m), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), member, .gate = &g), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_SCHEDULED);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
    close_exec(&ex);
}

static void a_drop_wakes_who_joins(void **state) {
    exec ex;
    exec_handle h, joins;
    exec_opts opts = test_opts_handle(&h), other = test_opts_handle(&joins);
    member *m;
    (void)state;
    open_exec(&ex);
    m = EXEC_CLAIM(&ex, &opts, member);
    assert_non_null(m);
    assert_int_equal(EXEC_SPAWN(&ex, &other, joins_one, .target = &h), 0);
    assert_true(exec_turn(&ex) >= 1);
    assert_int_equal(exec_handle_state(&joins), EXEC_STATE_IDLE);
    EXEC_DROP(m);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&joins), -EINVAL);
    close_exec(&ex);
}

static void destroy_with_claim(void) {
    exec ex;
    member *m;
    open_exec(&ex);
    m = EXEC_CLAIM(&ex, test_opts(), member);
    exec_destroy(&ex, m ? 0 : 1);
}
static void start_twice(void) {
    exec ex;
    gate g = { 0 };
    member *m;
    open_exec(&ex);
    m = EXEC_CLAIM(&ex, test_opts(), member);
    m->gate = &g;
    EXEC_START(m);
    EXEC_START(m);
}
static void drop_started(void) {
    exec ex;
    gate g = { 0 };
    member *m;
    open_exec(&ex);
    m = EXEC_CLAIM(&ex, test_opts(), member);
    m->gate = &g;
    EXEC_START(m);
    EXEC_DROP(m);
}
/* Over, and still in the queue. */
static member *gone(exec *ex) {
    static gate g;
    static EXEC_SLOT(member) slot;
    static exec_pool pool;
    exec_handle h;
    exec_opts opts;
    member *m;
    memset(&opts, 0, sizeof opts);
    opts.handle = &h;
    opts.pool = &pool;
    open_exec(ex);
    exec_pool_init(&pool, &slot, sizeof slot, sizeof slot);
    m = EXEC_CLAIM(ex, &opts, member);
    m->gate = &g;
    EXEC_START(m);
    exec_handle_abort(&h);
    return m;
}
static void start_gone(void) {
    exec ex;
    EXEC_START(gone(&ex));
}
static void drop_gone(void) {
    exec ex;
    EXEC_DROP(gone(&ex));
}
static void start_dropped(void) {
    exec ex;
    member *m = gone(&ex);
    exec_run(&ex);
    EXEC_START(m);
}
static void wrong_use_of_a_claim_says_so(void **state) {
    (void)state;
    dies_saying(start_gone, "EXEC_START of a task that was started before");
    dies_saying(drop_gone, "EXEC_DROP of a started task: abort it");
    dies_saying(start_dropped, "EXEC_START of a task that was started before");
    dies_saying(destroy_with_claim, "exec_destroy with a claimed task");
    dies_saying(start_twice, "EXEC_START of a task that was started before");
    dies_saying(drop_started, "EXEC_DROP of a started task: abort it");
}

static void static_storage_holds_one_task_at_a_time(void **state) {
    static EXEC_SLOT(member) slot;
    exec ex;
    gate g = { 0 };
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EBUSY);
    exec_turn(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EBUSY);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    opts.storage_bytes = sizeof slot - 1;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EINVAL);
    opts.storage_bytes = sizeof(exec_task);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EINVAL);
    opts.storage = (char *)&slot + 1;
    opts.storage_bytes = sizeof slot;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EINVAL);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_handle *detached; } brief;
EXEC_ASYNC(brief) {
    EXEC_BEGIN;
    if (self->detached) exec_handle_detach(self->detached);
    EXEC_END;
}

static void pools_are_bounded(void **state) {
    static EXEC_SLOT(member) slots[4];
    exec ex, other;
    exec_pool pool;
    exec_opts opts = { .pool = &pool };
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    for (int round = 0; round < 3; round++) {
        g.open = 0;
        for (int i = 0; i < 4; i++) assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -ENOMEM);
        g.open = 1;
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(pool.live, 0);
    }
    /* one executor at a time */
    assert_int_equal(exec_init(&other, NULL), 0);
    g.open = 0;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&other, &opts, member, .gate = &g), -EINVAL);
    g.open = 1;
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&other, &opts, member, .gate = &g), 0);
    assert_int_equal(exec_run(&other), 0);
    assert_int_equal(exec_destroy(&other, 0), 0);
    trace_reset();
    close_exec(&ex);
}

/* For the coroutine, also in a slot that was used before; or for any. */
static void slots_that_do_not_fit_are_refused(void **state) {
    static EXEC_SLOT(member) slots[4];
    exec ex;
    exec_pool pool;
    exec_opts opts = { .pool = &pool };
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof(EXEC_SLOT(brief))), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, brief), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EINVAL);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof(exec_task) + 8), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), -EINVAL);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof *slots - 1, sizeof *slots), -EINVAL);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof(exec_task)), -EINVAL);
    assert_int_equal(exec_pool_init(&pool, NULL, sizeof slots, sizeof *slots), -EINVAL);
    assert_int_equal(exec_pool_init(&pool, (char *)slots + 1, sizeof slots - 8, sizeof *slots), -EINVAL);
    trace_reset();
    close_exec(&ex);
}

/* Its abort polls it where it stands in the queue, and finds nobody to tell: its slot is free when the queue is past
   it, or when another task needs it. */
static void a_task_that_loses_its_handle_ends_in_the_queue(void **state) {
    static EXEC_SLOT(brief) slots[2];
    exec ex;
    exec_pool pool;
    exec_handle h;
    exec_opts opts = { .pool = &pool }, first = { .pool = &pool, .handle = &h };
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    for (int full = 0; full < 2; full++) {
        assert_int_equal(EXEC_SPAWN(&ex, &first, brief, .detached = &h), 0);
        if (full) assert_int_equal(EXEC_SPAWN(&ex, &opts, brief), 0);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_DETACHED);
        assert_int_equal(exec_check(&ex), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, brief), 0);
        assert_int_equal(exec_check(&ex), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(pool.live, 0);
    }
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; _Alignas(64) unsigned char line[64]; intptr_t *where; } aligned64;
EXEC_ASYNC(aligned64) {
    EXEC_BEGIN;
    *self->where = (intptr_t)(void *)self;
    EXEC_YIELD;
    EXEC_RETURN((intptr_t)(void *)self % 64 + (intptr_t)(void *)self->line % 64);
    EXEC_END;
}
typedef struct { EXEC_FRAME; _Alignas(2048) unsigned char page[2048]; } aligned2048;
EXEC_ASYNC(aligned2048) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}
static void frames_stand_at_their_alignment(void **state) {
    static EXEC_SLOT(aligned64) slots[3];
    static union { EXEC_SLOT(aligned64) slot[2]; unsigned char bytes[1024]; } shifted;
    exec ex;
    exec_pool pool;
    exec_handle h;
    exec_opts opts;
    intptr_t where = 0;
    (void)state;
    open_exec(&ex);
    memset(&opts, 0, sizeof opts);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    opts.handle = &h;
    opts.pool = &pool;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned64, .where = &where), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), 0);
    }
    opts.pool = NULL;
#if !EXEC_NO_MALLOC
    for (int i = 0; i < 3; i++) {
        assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned64, .where = &where), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), 0);
    }
    assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned2048), -EINVAL);     /* more than is supported */
#else
    assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned64, .where = &where), -EINVAL);
#endif
    opts.storage = shifted.bytes + 16;
    opts.storage_bytes = sizeof shifted - 16;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned64, .where = &where), -EINVAL);
    opts.storage = shifted.bytes;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned64, .where = &where), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    close_exec(&ex);
}

#if !EXEC_NO_MALLOC
/* Sizes and alignments given back equal those taken; the n-th call fails. */
typedef struct { void *memory; size_t bytes, align; } block;
static block blocks[64];
static int allocations, fail_at, mismatches;
static void *counting_allocate(void *user, size_t bytes, size_t align) {
    void *memory;
    assert_ptr_equal(user, blocks);
    if (++allocations == fail_at) return NULL;
    memory = aligned_alloc(align < 16 ? 16 : align, (bytes + 63) / 64 * 64);
    for (size_t i = 0; i < COUNT(blocks); i++)
        if (!blocks[i].memory) {
            blocks[i] = (block){ memory, bytes, align };
            return memory;
        }
    fail();
    return NULL;
}
static void counting_release(void *user, void *memory, size_t bytes, size_t align) {
    assert_ptr_equal(user, blocks);
    for (size_t i = 0; i < COUNT(blocks); i++)
        if (blocks[i].memory == memory) {
            if (blocks[i].bytes != bytes || blocks[i].align != align) mismatches++;
            blocks[i].memory = NULL;
            free(memory);
            return;
        }
    mismatches++;
}
typedef struct { EXEC_FRAME; exec_waker waker; int has; exec_oneshot *one; exec_oneshot_op op; } allocates;
EXEC_ASYNC(allocates) {
    EXEC_BEGIN;
    {
        int status = exec_waker_get(cx, &self->waker);
        if (status < 0) EXEC_RETURN(status);
    }
    self->has = 1;
    {
        int status = exec_oneshot_create(cx->exec, &self->one);
        if (status < 0) EXEC_RETURN(status);
    }
    exec_oneshot_send(self->one, 4);
    EXEC_TRY(exec_oneshot_recv(&self->op, self->one));
    EXEC_FINALLY;
    if (self->one) exec_oneshot_close(self->one, NULL);
    if (self->has) exec_waker_drop(&self->waker);
    EXEC_END;
}
static void every_failing_allocation_is_an_error_and_nothing_leaks(void **state) {
    int worked = 0;
    (void)state;
    memset(blocks, 0, sizeof blocks);
    mismatches = 0;
    for (fail_at = 1; !worked; fail_at++) {
        exec ex;
        exec_config config = quiet_config();
        exec_handle h;
        exec_opts opts = { .handle = &h };
        exec_remote remote = { 0 };
        intptr_t where;
        int got, status, second = -ENOMEM, spawned = -ENOMEM;
        config.user = blocks;
        config.allocate = counting_allocate;
        config.release = counting_release;
        allocations = 0;
        assert_int_equal(exec_init(&ex, &config), 0);
        status = EXEC_SPAWN(&ex, &opts, allocates);
        if (status == 0) assert_int_equal(exec_run(&ex), 0);
        if (status == 0) status = (int)exec_handle_result(&h);
        if (status == 0) second = EXEC_SPAWN(&ex, NULL, aligned64, .where = &where);
        got = exec_remote_get(&ex, &remote);
        if (got == 0) spawned = EXEC_REMOTE_SPAWN(&remote, aligned64, .where = &where);
        if (got == 0) assert_true(EXEC_REMOTE_SPAWN(&remote, aligned2048) < 0);     /* more than is supported */
        assert_int_equal(exec_run(&ex), 0);
        worked = status == 0 && second == 0 && got == 0 && spawned == 0;
        assert_true(status == 0 || status == -ENOMEM);
        assert_true(got == 0 || got == -ENOMEM);
        if (got == 0) exec_remote_drop(&remote);
        close_exec(&ex);
        for (size_t i = 0; i < COUNT(blocks); i++) assert_null(blocks[i].memory);
    }
    assert_int_equal(mismatches, 0);
    assert_true(fail_at > 6);
}
#endif

/* ---------------------------------------------------------------------------------------- handles */

typedef struct { EXEC_FRAME; exec_handle *h; gate *gate; } looks_at_itself;
EXEC_ASYNC(looks_at_itself) {
    EXEC_BEGIN;
    trace_number("running ", (long)exec_handle_state(self->h));
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_END;
}
typedef struct { EXEC_FRAME; exec_handle *h; } aborts_itself;
EXEC_ASYNC(aborts_itself) {
    EXEC_BEGIN;
    EXEC_YIELD;
    trace("abort");
    if (exec_handle_abort(self->h) < 0) trace("refused");
    EXEC_YIELD;
    trace("goes on");
    EXEC_FINALLY;
    trace("cleanup");
    EXEC_END;
}
static void who_aborts_itself_and_yields_unwinds_in_the_same_poll(void **state) {
    exec ex;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, aborts_itself, .h = &h), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("abort cleanup");
    assert_int_equal(stats(&ex).polls, 2);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

/* The same, when what aborts it is a task of another executor, which its poll runs. */
typedef struct { EXEC_FRAME; exec_handle *h; } aborts_another;
EXEC_ASYNC(aborts_another) {
    EXEC_BEGIN;
    if (exec_handle_abort(self->h) < 0) trace("refused");
    EXEC_END;
}
typedef struct { EXEC_FRAME; exec *inner; } runs_another;
EXEC_ASYNC(runs_another) {
    EXEC_BEGIN;
    if (exec_run(self->inner) < 0) trace("refused");
    EXEC_YIELD;
    trace("goes on");
    EXEC_FINALLY;
    trace("cleanup");
    EXEC_END;
}
static void who_is_aborted_by_an_executor_inside_its_poll_unwinds_in_that_poll(void **state) {
    static EXEC_SLOT(aborts_another) slot;
    exec outer, inner;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h), inside;
    (void)state;
    memset(&inside, 0, sizeof inside);
    inside.storage = &slot;
    inside.storage_bytes = sizeof slot;
    open_exec(&outer);
    assert_int_equal(exec_init(&inner, NULL), 0);
    assert_int_equal(EXEC_SPAWN(&outer, &opts, runs_another, .inner = &inner), 0);
    assert_int_equal(EXEC_SPAWN(&inner, &inside, aborts_another, .h = &h), 0);
    assert_int_equal(exec_run(&outer), 0);
    expect_trace("cleanup");
    assert_int_equal(stats(&outer).polls, 1);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_int_equal(exec_destroy(&inner, EXEC_SEC(1)), 0);
    close_exec(&outer);
}

static void a_handle_shows_every_state(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(&h, 0, sizeof h);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_NONE);
    assert_int_equal(exec_handle_result(&h), -EINVAL);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, looks_at_itself, .h = &h, .gate = &g), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_SCHEDULED);
    exec_turn(&ex);
    trace_number("is ", EXEC_STATE_RUNNING);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    gate_nudge(&g);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_SCHEDULED);
    gate_open(&g, 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
    g.open = 0;
    g.refuse = 1;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, looks_at_itself, .h = &h, .gate = &g), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    gate_open(&g, 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    trace_reset();
    close_exec(&ex);
}

static void a_detached_handle_is_one_of_no_task(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, looks_at_itself, .h = &h, .gate = &g), 0);
    exec_handle_detach(&h);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_DETACHED);
    assert_int_equal(exec_handle_result(&h), -EINVAL);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    exec_handle_detach(&h);
    exec_turn(&ex);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

/* Two handles of a task, of which nothing is left, nor of its executor; it gave 9. */
static void handles_of_the_past(exec_handle *h, exec_handle *copy) {
    static EXEC_SLOT(member) slot;
    gate g = { .open = 1, .value = 9 };
    exec *ex = (exec *)malloc(sizeof *ex);
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot, .handle = h, .name = "kept" };
    assert_non_null(ex);
    open_exec(ex);
    assert_int_equal(EXEC_SPAWN(ex, &opts, member, .gate = &g), 0);
    exec_handle_copy(copy, h);
    assert_int_equal(exec_run(ex), 0);
    memset(&slot, 0xEE, sizeof slot);
    close_exec(ex);
    memset(ex, 0xEE, sizeof *ex);
    free(ex);
}

static void trap_02_a_handle_is_defined_after_its_task_and_its_executor(void **state) {
    exec_handle h, copy, late;
    exec_handle_op op;
    exec ex;
    (void)state;
    handles_of_the_past(&h, &copy);
    exec_handle_copy(&late, &h);
    for (int i = 0; i < 3; i++) {
        exec_handle *each = i == 0 ? &h : i == 1 ? &copy : &late;
        exec_waker waker;
        assert_int_equal(exec_handle_state(each), EXEC_STATE_COMPLETED);
        assert_int_equal(exec_handle_result(each), 9);
        assert_int_equal(exec_handle_abort(each), -EALREADY);
        assert_int_equal(exec_handle_kill(each), -EALREADY);
        assert_int_equal(exec_handle_waker(each, &waker), -ESRCH);
        assert_string_equal(each->name, "kept");
        exec_handle_detach(each);
        assert_int_equal(exec_handle_result(each), 9);
    }
    open_exec(&ex);                     /* joined in another executor, later */
    assert_int_equal(exec_run_until(&ex, exec_handle_join(&op, &h)), 0);
    assert_int_equal(op.fut.result, 9);
    close_exec(&ex);
    trace_reset();
}

typedef struct { EXEC_FRAME; exec_handle *target; int id; exec_handle_op op; } joiner;
EXEC_ASYNC(joiner) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_handle_join(&self->op, self->target));
    trace_number("joined ", self->id);
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_FINALLY;
    trace_number("end ", self->id);
    EXEC_END;
}
static void trap_19_any_task_may_join_and_it_is_the_one_that_is_woken(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h, a, b;
    exec_opts opts = test_opts_handle(&h), opts_a = test_opts_handle(&a), opts_b = test_opts_handle(&b);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h, .id = 1), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_b, joiner, .target = &h, .id = 2), 0);
    exec_turn(&ex);
    assert_int_equal(exec_turn(&ex), 0);
    gate_open(&g, 31);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&a), 31);
    assert_int_equal(exec_handle_result(&b), 31);
    assert_non_null(strstr(trace_text, "joined 1"));
    assert_non_null(strstr(trace_text, "joined 2"));
    trace_reset();
    /* after completion: at once */
    assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h, .id = 3), 0);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(exec_handle_result(&a), 31);
    expect_trace("joined 3 end 3");
    close_exec(&ex);
}

static void a_cancelled_joiner_leaves_the_task_alone(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h, a, b;
    exec_opts opts = test_opts_handle(&h), opts_a = test_opts_handle(&a), opts_b = test_opts_handle(&b);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h, .id = 1), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_b, joiner, .target = &h, .id = 2), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&a), 0);
    expect_trace("start 0 end 1");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(exec_check(&ex), 0);
    gate_open(&g, 8);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("clean 0 joined 2 end 2");
    assert_int_equal(exec_handle_result(&b), 8);
    close_exec(&ex);
}

static void joining_oneself_and_nothing(void **state) {
    exec ex;
    exec_handle h, none;
    exec_opts opts = test_opts_handle(&h);
    exec_handle_op op;
    (void)state;
    memset(&none, 0, sizeof none);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, joiner, .target = &h), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), -EDEADLK);
    assert_int_equal(exec_run_until(&ex, exec_handle_join(&op, &none)), 0);
    assert_int_equal(op.fut.result, -EINVAL);
    trace_reset();
    close_exec(&ex);
}

static void the_result_of_a_join_says_whether_the_cancel_reached_the_body(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h, a;
    exec_opts opts = test_opts_handle(&h), opts_a = test_opts_handle(&a);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&a), -ECANCELED);
    assert_int_equal(exec_handle_state(&a), EXEC_STATE_COMPLETED);
    trace_reset();
    close_exec(&ex);
}

static void the_joined_handle_may_end_before_the_task(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle a;
    exec_opts opts_a = test_opts_handle(&a);
    (void)state;
    open_exec(&ex);
    {
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h), 0);
        exec_turn(&ex);
        exec_handle_detach(&h);
        memset(&h, 0xEE, sizeof h);
    }
    gate_open(&g, 12);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&a), 12);
    trace_reset();
    close_exec(&ex);
}

static void trap_15_abort_of_an_idle_task_wakes_its_joiner(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h, a;
    exec_opts opts = test_opts_handle(&h), opts_a = test_opts_handle(&a);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts_a, joiner, .target = &h, .id = 1), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("start 0 clean 0");
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("joined 1 end 1");
    close_exec(&ex);
}

/* ----------------------------------------------------------------------------------------- groups */

typedef struct {
    EXEC_FRAME; gate *g; int count, i, join, error; gate *before; gate *clean; exec_group crew, second; int *live;
} crewed;
EXEC_ASYNC(crewed) {
    EXEC_BEGIN;
    for (; self->i < self->count; self->i++)
        EXEC_GROUP_SPAWN_OPTS(self->i % 2 && self->join > 1 ? &self->second : &self->crew, test_opts(), member,
                              .gate = &self->g[self->i], .id = self->i);
    if (self->before) EXEC_TRY(gate_wait(self->before));
    if (self->join) EXEC_TRY(exec_group_join(&self->crew));
    if (self->join > 1) EXEC_TRY(exec_group_join(&self->second));
    trace("body over");
    EXEC_RETURN(self->error ? self->error : 6);
    EXEC_FINALLY;
    trace("clean");
    if (self->clean) EXEC_AWAIT(gate_wait(self->clean));
    EXEC_END;
}

static void a_group_joins_all(void **state) {
    exec ex;
    gate g[4];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    for (int join = 1; join <= 2; join++) {
        memset(g, 0, sizeof g);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 4, .join = join), 0);
        exec_turn(&ex);
        for (int i = 3; i >= 0; i--) {
            assert_int_equal(exec_handle_result(&h), -EAGAIN);
            gate_open(&g[i], i);
            exec_turn(&ex);
            assert_int_equal(exec_check(&ex), 0);
        }
        assert_int_equal(exec_run(&ex), 0);
        expect_trace("start 0 start 1 start 2 start 3 clean 3 clean 2 clean 1 clean 0 body over clean");
        assert_int_equal(exec_handle_result(&h), 6);
    }
    close_exec(&ex);
}

static void the_first_failure_cancels_the_siblings_and_is_the_result(void **state) {
    exec ex;
    gate g[4];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 4, .join = 1), 0);
    exec_turn(&ex);
    gate_open(&g[2], -EPIPE);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 0 start 1 start 2 start 3 clean 2 clean 0 clean 3 clean 1 clean");
    assert_int_equal(exec_handle_result(&h), -EPIPE);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
    assert_string_equal(log_text, "");          /* a grouped child is not detached */
    close_exec(&ex);
}

/* However the frame ends, its children end before it. */
static void a_scope_drains_on_every_way_out(void **state) {
    static const char *const names[] = { "return", "error", "abort", "kill", "destroy" };
    (void)state;
    for (size_t way = 0; way < COUNT(names); way++) {
        exec ex;
        gate g[3], before = { 0 };
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        const char *clean;
        memset(g, 0, sizeof g);
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 3, .before = &before), 0);
        exec_turn(&ex);
        if (way == 0) gate_open(&before, 1);
        if (way == 1) gate_open(&before, -EIO);
        if (way == 2) assert_int_equal(exec_handle_abort(&h), 0);
        if (way == 3) assert_int_equal(exec_handle_kill(&h), 0);
        if (way == 4) assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
        else assert_int_equal(exec_run(&ex), 0);
        clean = strstr(trace_text, "clean");
        assert_non_null(clean);
        for (int i = 0; i < 3; i++) {
            assert_null(g[i].task);
            assert_int_equal(g[i].canceled, 1);
        }
        assert_int_equal(exec_handle_result(&h), way == 0 ? 6 : way == 1 ? -EIO : -ECANCELED);
        if (way != 4) close_exec(&ex);
    }
    trace_reset();
}

static void children_refuse_to_end_and_the_frame_waits(void **state) {
    exec ex;
    gate g[2], before = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        memset(g, 0, sizeof g);
        g[1].refuse = 1;
        open_exec(&ex);
        before.open = 0;
        assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 2, .before = &before), 0);
        exec_turn(&ex);
        assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
        for (int i = 0; i < 5; i++) exec_turn(&ex);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
        assert_int_equal(stats(&ex).tasks, 2);
        gate_open(&g[1], 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        close_exec(&ex);
    }
    trace_reset();
}

/* Past its end, draining: an abort comes too late, as in the cleanup. */
static void abort_of_a_frame_that_drains_is_too_late(void **state) {
    exec ex;
    gate g[1];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(g, 0, sizeof g);
    g[0].refuse = 1;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 1), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    assert_int_equal(exec_handle_result(&h), -EAGAIN);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    gate_open(&g[0], 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 6);
    trace_reset();
    close_exec(&ex);
}
typedef struct { EXEC_FRAME; gate *gate; exec_group crew; } bare_scope;
EXEC_ASYNC(bare_scope) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), member, .gate = self->gate);
    EXEC_YIELD;
    EXEC_END;
}
static void abort_of_a_frame_that_drains_is_too_late_without_finally(void **state) {
    exec ex;
    gate g = { .refuse = 1 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, bare_scope, .gate = &g), 0);
    for (int i = 0; i < 4; i++) exec_turn(&ex);
    assert_int_equal(exec_handle_result(&h), -EAGAIN);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    trace_reset();
    close_exec(&ex);
}

static void a_cancelled_group_join_drains(void **state) {
    exec ex;
    gate g[3];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 3, .join = 1), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 0 start 1 start 2 clean 0 clean 2 clean 1 clean");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate *g; int i; exec_group a, b, c; } three_groups;
EXEC_ASYNC(three_groups) {
    EXEC_BEGIN;
    for (self->i = 0; self->i < 9; self->i++) {
        exec_group *group = self->i % 3 == 0 ? &self->a : self->i % 3 == 1 ? &self->b : &self->c;
        EXEC_GROUP_SPAWN_OPTS(group, test_opts(), member, .gate = &self->g[self->i], .id = self->i);
    }
    EXEC_YIELD;
    exec_group_cancel(&self->b, EXEC_CANCEL);
    EXEC_TRY(exec_group_join(&self->b));
    trace("b joined");
    gate_open(&self->g[0], 0);
    gate_open(&self->g[3], 0);
    gate_open(&self->g[6], 0);
    EXEC_TRY(exec_group_join(&self->a));
    trace("a joined");
    /* a joined group may be used again */
    EXEC_GROUP_SPAWN_OPTS(&self->b, test_opts(), member, .gate = &self->g[0], .id = 10);
    EXEC_TRY(exec_group_join(&self->b));
    EXEC_RETURN(77);
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static void several_groups_in_one_frame(void **state) {
    exec ex;
    gate g[9];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, three_groups, .g = g), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 0 start 1 start 2 start 3 start 4 start 5 start 6 start 7 start 8 "
                 "clean 1 clean 7 clean 4 b joined clean 0 clean 3 clean 6 a joined start 10 clean 10 "
                 "clean clean 2 clean 8 clean 5");
    assert_int_equal(exec_handle_result(&h), 77);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_pool *pool; gate *gate; exec_group crew; int status; } overfull;
EXEC_ASYNC(overfull) {
    EXEC_BEGIN;
    {
        exec_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.pool = self->pool;
        EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, member, .gate = self->gate, .id = 1);
        self->status = EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, member, .gate = self->gate, .id = 2);
    }
    trace_number("status ", self->status);
    EXEC_TRY(exec_group_join(&self->crew));
    trace("never");
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static void a_failed_spawn_counts_as_a_failed_child(void **state) {
    static EXEC_SLOT(member) slots[1];
    exec ex;
    exec_pool pool;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    char expected[96];
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, overfull, .pool = &pool, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    snprintf(expected, sizeof expected, "status %d start 1 clean 1 clean", -ENOMEM);
    expect_trace(expected);
    assert_int_equal(exec_handle_result(&h), -ENOMEM);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate gate; exec_group crew; int depth; } nested_crew;
EXEC_ASYNC(nested_crew) {
    EXEC_BEGIN;
    if (self->depth) {
        EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), nested_crew, .depth = self->depth - 1);
        EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), nested_crew, .depth = self->depth - 1);
        EXEC_TRY(exec_group_join(&self->crew));
    } else EXEC_TRY(gate_wait(&self->gate));
    EXEC_FINALLY;
    trace_number("d", self->depth);
    EXEC_END;
}
static void groups_inside_groups_end_from_the_inside(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        exec ex;
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, nested_crew, .depth = 3), 0);
        for (int i = 0; i < 5; i++) exec_turn(&ex);
        assert_int_equal(stats(&ex).tasks, 15);
        if (way) assert_int_equal(exec_handle_abort(&h), 0);
        else assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
        if (way) assert_int_equal(exec_run(&ex), 0);
        assert_string_equal(trace_text + trace_length - 2, "d3");
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        trace_reset();
        if (way) close_exec(&ex);
    }
}

/* A branch with a group loses. */
typedef struct { EXEC_FRAME; gate *g, *win; crewed child; exec_select_op sel; } loses_group;
EXEC_ASYNC(loses_group) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, EXEC_CALL(&self->child, crewed, .g = self->g, .count = 3, .join = 1),
                         gate_wait(self->win)));
    trace_number("winner ", (long)EXEC_RESULT(&self->sel));
    EXEC_END;
}
static void a_group_in_a_branch_that_loses_is_drained_first(void **state) {
    exec ex;
    gate g[3], win = { 0 };
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), loses_group, .g = g, .win = &win), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    gate_open(&win, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 0 start 1 start 2 clean 0 clean 2 clean 1 clean winner 1");
    close_exec(&ex);
}

/* A group that a child coroutine's frame used first, then that of its holder. */
typedef struct { EXEC_FRAME; exec_group *crew; gate *gate; } borrows;
EXEC_ASYNC(borrows) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(self->crew, test_opts(), member, .gate = self->gate, .id = 1);
    EXEC_YIELD;
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *gate; exec_group crew; borrows child; } lends;
EXEC_ASYNC(lends) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->child, borrows, .crew = &self->crew, .gate = self->gate));
    trace("lent");
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), member, .gate = self->gate, .id = 2);
    EXEC_YIELD;
    EXEC_FINALLY;
    trace("over");
    EXEC_END;
}
static void a_group_belongs_to_the_frame_that_spawns_into_it(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, lends, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 1 clean 1 lent start 2 over clean 2");
    assert_int_equal(exec_handle_result(&h), 0);
    close_exec(&ex);
}

static void an_aborted_child_is_no_failure_of_its_group(void **state) {
    exec ex;
    gate g[2];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, crewed, .g = g, .count = 2, .join = 1), 0);
    exec_turn(&ex);
    {
        exec_handle child;
        memset(&child, 0, sizeof child);
        child.task = g[1].task;
        assert_int_equal(exec_handle_abort(&child), 0);
    }
    assert_null(g[1].task);
    gate_open(&g[0], 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 6);
    trace_reset();
    close_exec(&ex);
}

/* ------------------------------------------------------------------------------------- escalation */

typedef struct { EXEC_FRAME; gate *gate, *clean; } slow_cleanup;
EXEC_ASYNC(slow_cleanup) {
    EXEC_BEGIN;
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_FINALLY;
    EXEC_AWAIT(gate_wait(self->clean));
    EXEC_END;
}
static void a_cleanup_is_killed_between_one_and_two_spans(void **state) {
    (void)state;
    for (int offset = 0; offset < 100; offset += 33) {
        exec ex;
        exec_config config = quiet_config();
        gate g[2], clean[2];
        exec_handle h[2];
        int64_t killed[2] = { 0, 0 };
        config.clock = hand_clock;
        config.cleanup_ns = 100;
        hand.now = 1000;
        memset(g, 0, sizeof g);
        memset(clean, 0, sizeof clean);
        assert_int_equal(exec_init(&ex, &config), 0);
        for (int i = 0; i < 2; i++) {
            exec_opts opts = test_opts_handle(&h[i]);
            assert_int_equal(EXEC_SPAWN(&ex, &opts, slow_cleanup, .gate = &g[i], .clean = &clean[i]), 0);
        }
        exec_turn(&ex);
        assert_int_equal(exec_handle_abort(&h[0]), 0);
        for (hand.now = 1000; hand.now < 1500; hand.now++) {
            if (hand.now == 1000 + offset) exec_handle_abort(&h[1]);
            exec_turn(&ex);
            assert_int_equal(exec_check(&ex), 0);
            for (int i = 0; i < 2; i++) if (!killed[i] && clean[i].canceled) killed[i] = hand.now;
        }
        assert_in_range(killed[0], 1100, 1200);
        assert_in_range(killed[1], 1100 + offset, 1200 + offset);
        for (int i = 0; i < 2; i++) assert_int_equal(exec_handle_state(&h[i]), EXEC_STATE_CANCELLED);
        close_exec(&ex);
    }
}

static void the_virtual_clock_jumps_to_the_escalation(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g = { 0 }, clean = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.virtual_clock = 1;
    config.cleanup_ns = EXEC_SEC(3600);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, slow_cleanup, .gate = &g, .clean = &clean), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_in_range(exec_now(&ex), EXEC_SEC(3600), EXEC_SEC(7200));
    close_exec(&ex);
}

/* When all that could be killed is killed, there is no deadline any more. */
static void a_killed_task_that_does_not_end_is_a_deadlock(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g = { .refuse = 1 }, other = { .refuse = 1 };
    exec_handle h, later;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.virtual_clock = 1;
    config.cleanup_ns = EXEC_SEC(1);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &g), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&ex), -EDEADLK);
    assert_int_equal(g.canceled, 2);            /* was cancelled, then killed */
    /* later cancels are swept again */
    opts = test_opts_handle(&later);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, member, .gate = &other), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&later), 0);
    assert_int_equal(exec_run(&ex), -EDEADLK);
    assert_int_equal(other.canceled, 2);
    gate_open(&g, 0);
    gate_open(&other, 0);
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

static void cleanup_ns_may_be_endless(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g = { 0 }, clean = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.cleanup_ns = EXEC_NEVER;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, slow_cleanup, .gate = &g, .clean = &clean), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    assert_int_equal(clean.canceled, 0);
    gate_open(&clean, 0);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(spawn_one_and_many),
    cmocka_unit_test(a_pending_task_stays),
    cmocka_unit_test(a_task_that_wakes_itself_three_times_is_polled_four_times),
    cmocka_unit_test(five_tasks_complete_two_two_one_with_a_limit_of_two),
    cmocka_unit_test(cancel_frees_the_slot_for_reuse),
    cmocka_unit_test(a_cancelled_queued_task_leaves_nothing_stale_behind),
    cmocka_unit_test(storage_is_free_when_abort_returns),
    cmocka_unit_test(abort_from_idle_and_from_scheduled),
    cmocka_unit_test(abort_of_a_completed_task_and_repeated_abort_do_nothing),
    cmocka_unit_test(destroy_cleans_up_queued_tasks),
    cmocka_unit_test(children_joined_in_reverse_order_of_their_spawning),
    cmocka_unit_test(claim_construct_start_or_drop),
    cmocka_unit_test(a_claimed_task_that_is_woken_waits_for_its_start),
    cmocka_unit_test(a_drop_wakes_who_joins),
    cmocka_unit_test(wrong_use_of_a_claim_says_so),
    cmocka_unit_test(static_storage_holds_one_task_at_a_time),
    cmocka_unit_test(pools_are_bounded),
    cmocka_unit_test(slots_that_do_not_fit_are_refused),
    cmocka_unit_test(a_task_that_loses_its_handle_ends_in_the_queue),
    cmocka_unit_test(frames_stand_at_their_alignment),
#if !EXEC_NO_MALLOC
    cmocka_unit_test(every_failing_allocation_is_an_error_and_nothing_leaks),
#endif
    cmocka_unit_test(a_handle_shows_every_state),
    cmocka_unit_test(who_aborts_itself_and_yields_unwinds_in_the_same_poll),
    cmocka_unit_test(who_is_aborted_by_an_executor_inside_its_poll_unwinds_in_that_poll),
    cmocka_unit_test(a_detached_handle_is_one_of_no_task),
    cmocka_unit_test(trap_02_a_handle_is_defined_after_its_task_and_its_executor),
    cmocka_unit_test(trap_19_any_task_may_join_and_it_is_the_one_that_is_woken),
    cmocka_unit_test(a_cancelled_joiner_leaves_the_task_alone),
    cmocka_unit_test(joining_oneself_and_nothing),
    cmocka_unit_test(the_result_of_a_join_says_whether_the_cancel_reached_the_body),
    cmocka_unit_test(the_joined_handle_may_end_before_the_task),
    cmocka_unit_test(trap_15_abort_of_an_idle_task_wakes_its_joiner),
    cmocka_unit_test(a_group_joins_all),
    cmocka_unit_test(the_first_failure_cancels_the_siblings_and_is_the_result),
    cmocka_unit_test(a_scope_drains_on_every_way_out),
    cmocka_unit_test(children_refuse_to_end_and_the_frame_waits),
    cmocka_unit_test(abort_of_a_frame_that_drains_is_too_late),
    cmocka_unit_test(abort_of_a_frame_that_drains_is_too_late_without_finally),
    cmocka_unit_test(a_cancelled_group_join_drains),
    cmocka_unit_test(several_groups_in_one_frame),
    cmocka_unit_test(a_failed_spawn_counts_as_a_failed_child),
    cmocka_unit_test(groups_inside_groups_end_from_the_inside),
    cmocka_unit_test(a_group_in_a_branch_that_loses_is_drained_first),
    cmocka_unit_test(a_group_belongs_to_the_frame_that_spawns_into_it),
    cmocka_unit_test(an_aborted_child_is_no_failure_of_its_group),
    cmocka_unit_test(a_cleanup_is_killed_between_one_and_two_spans),
    cmocka_unit_test(the_virtual_clock_jumps_to_the_escalation),
    cmocka_unit_test(a_killed_task_that_does_not_end_is_a_deadlock),
    cmocka_unit_test(cleanup_ns_may_be_endless),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
