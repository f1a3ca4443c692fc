/* SPDX-License-Identifier: MIT
 * Groups with a limit, that collect, that make a producer wait; the values that their tasks see. (What a
 * group is: test_tasks.c.) */
#include "test.h"
#include "leaves.h"

/* Releases in its cleanup what it was given. */
typedef struct { EXEC_FRAME; gate *gate; int id; int *owned; } worker;
EXEC_ASYNC(worker) {
    EXEC_BEGIN;
    trace_number("start ", self->id);
    EXEC_TRY(gate_wait(self->gate));
    EXEC_FINALLY;
    trace_number("end ", self->id);
    if (self->owned) --*self->owned;
    EXEC_END;
}

enum { WORKERS = 5 };
typedef struct {
    EXEC_FRAME; gate *g; int *owned; int i, join; unsigned limit; uint8_t collect; exec_handle *h; exec_group crew;
    intptr_t joined;
} boss;
EXEC_ASYNC(boss) {
    EXEC_BEGIN;
    self->crew.limit = self->limit;
    self->crew.collect = self->collect;
    for (; self->i < WORKERS; self->i++) {
        exec_opts opts = test_opts_handle(self->h ? &self->h[self->i] : NULL);
        opts.name = "held";
        ++*self->owned;
        EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker, .gate = &self->g[self->i], .id = self->i,
                              .owned = self->owned);
    }
    if (self->join) {
        EXEC_AWAIT(exec_group_join(&self->crew));
        self->joined = EXEC_RESULT(&self->crew);
        trace_number("joined ", (long)self->joined);
    }
    EXEC_RETURN(self->joined);
    EXEC_END;
}

/* What each test begins with: the boss, five gates, a handle of each worker. */
typedef struct { exec ex; gate g[WORKERS]; exec_handle h[WORKERS], boss; int owned; } scene;
static void set_up(scene *s, unsigned limit, int collect, int join) {
    exec_opts opts = test_opts_handle(&s->boss);
    memset(s, 0, sizeof *s);
    open_exec(&s->ex);
    assert_int_equal(EXEC_SPAWN(&s->ex, &opts, boss, .g = s->g, .owned = &s->owned, .h = s->h, .limit = limit,
                                .collect = (uint8_t)collect, .join = join), 0);
    for (int i = 0; i < 3; i++) exec_turn(&s->ex);
    assert_int_equal(exec_check(&s->ex), 0);
}
static void tear_down(scene *s) {
    assert_int_equal(exec_run(&s->ex), 0);
    assert_int_equal(s->owned, 0);
    trace_reset();
    close_exec(&s->ex);
}

/* ----------------------------------------------------------------------------------------- limit */

static void five_tasks_with_a_limit_of_two_run_two_two_one(void **state) {
    scene s;
    (void)state;
    set_up(&s, 2, 0, 1);
    expect_trace("start 0 start 1");
    assert_int_equal(stats(&s.ex).tasks, 6);        /* those held back are tasks */
    assert_int_equal(exec_handle_state(&s.h[1]), EXEC_STATE_IDLE);
    assert_int_equal(exec_handle_state(&s.h[2]), EXEC_STATE_WAITING);
    gate_open(&s.g[0], 0);
    gate_open(&s.g[1], 0);
    for (int i = 0; i < 3; i++) exec_turn(&s.ex);
    expect_trace("end 0 end 1 start 2 start 3");
    assert_int_equal(exec_check(&s.ex), 0);
    gate_open(&s.g[3], 0);
    for (int i = 0; i < 3; i++) exec_turn(&s.ex);
    expect_trace("end 3 start 4");
    gate_open(&s.g[2], 0);
    gate_open(&s.g[4], 0);
    assert_int_equal(exec_run(&s.ex), 0);
    expect_trace("end 2 end 4 joined 0");
    assert_int_equal(exec_handle_result(&s.boss), 0);
    tear_down(&s);
}

static void no_limit_and_a_large_one_run_all_at_once(void **state) {
    (void)state;
    for (unsigned limit = 0; limit <= 10; limit += 5) {
        scene s;
        set_up(&s, limit, 0, 1);
        expect_trace("start 0 start 1 start 2 start 3 start 4");
        for (int i = 0; i < WORKERS; i++) gate_open(&s.g[i], 0);
        tear_down(&s);
    }
}

/* A stray wake is no start. */
static void a_wake_does_not_start_who_is_held_back(void **state) {
    scene s;
    (void)state;
    set_up(&s, 1, 0, 1);
    expect_trace("start 0");
    exec_wake(s.h[3].task);
#if !EXEC_NO_MALLOC
    {
        exec_waker waker;
        assert_int_equal(exec_handle_waker(&s.h[2], &waker), 0);
        exec_waker_wake_drop(&waker);
    }
#endif
    for (int i = 0; i < 3; i++) exec_turn(&s.ex);
    expect_trace("");
    assert_int_equal(exec_check(&s.ex), 0);
    for (int i = 0; i < WORKERS; i++) gate_open(&s.g[i], 0);
    assert_int_equal(exec_run(&s.ex), 0);
    expect_trace("end 0 start 1 end 1 start 2 end 2 start 3 end 3 start 4 end 4 joined 0");
    tear_down(&s);
}

static void dump_shows_who_is_held_back_and_its_name(void **state) {
    scene s;
    (void)state;
    set_up(&s, 2, 0, 1);
    exec_dump(&s.ex);
    assert_non_null(strstr(log_text, "task worker \"held\" idle\n"));
    assert_non_null(strstr(log_text, "task worker \"held\" waiting\n"));
    for (int i = 0; i < WORKERS; i++) gate_open(&s.g[i], 0);
    tear_down(&s);
}

static void check_finds_a_broken_ring_of_those_held_back(void **state) {
    scene s;
    (void)state;
    set_up(&s, 2, 0, 1);
    for (int kind = 0; kind < 4; kind++) {
        exec_task *held = s.h[3].task, whole = *held;
        exec_group *crew = held->group;
        if (kind == 0) held->strand.flags &= (uint16_t)~EXEC__T_HELD;
        if (kind == 1) held->group = NULL;
        if (kind == 2) held->next = held;               /* a ring that does not come back */
        if (kind == 3) crew->running++;
        assert_int_equal(exec_check(&s.ex), -EINVAL);
        *held = whole;
        if (kind == 3) crew->running--;
        assert_int_equal(exec_check(&s.ex), 0);
    }
    for (int i = 0; i < WORKERS; i++) gate_open(&s.g[i], 0);
    tear_down(&s);
}

/* A body that begins and unwinds is the only one that knows what it was given. */
static void every_way_out_starts_those_held_back_so_that_they_release(void **state) {
    static const char *const names[] = { "end without join", "abort", "kill", "destroy", "failure" };
    (void)state;
    for (size_t way = 0; way < COUNT(names); way++) {
        scene s;
        set_up(&s, 2, 0, way != 0);
        if (way == 1) assert_int_equal(exec_handle_abort(&s.boss), 0);
        if (way == 2) assert_int_equal(exec_handle_kill(&s.boss), 0);
        if (way == 3) assert_int_equal(exec_destroy(&s.ex, EXEC_SEC(1)), 0);
        if (way == 4) gate_open(&s.g[0], -EIO);
        if (way != 3) assert_int_equal(exec_run(&s.ex), 0);
        assert_int_equal(s.owned, 0);
        if (way) assert_true(strstr(trace_text, "start 2") < strstr(trace_text, "start 3")
                             && strstr(trace_text, "start 3") < strstr(trace_text, "start 4"));
        for (int i = 0; i < WORKERS; i++) {
            char began[32], ended[32];
            snprintf(began, sizeof began, "start %d", i);
            snprintf(ended, sizeof ended, "end %d", i);
            assert_non_null(strstr(trace_text, began));
            assert_non_null(strstr(trace_text, ended));
        }
        assert_int_equal(exec_handle_result(&s.boss), way == 4 ? -EIO : way ? -ECANCELED : 0);
        trace_reset();
        if (way != 3) close_exec(&s.ex);
    }
}

static void one_that_is_held_back_is_aborted_or_killed_alone(void **state) {
    static const int victims[3] = { 2, 3, 4 };      /* first, in the middle, last of those held back */
    (void)state;
    for (int i = 0; i < 6; i++) {
        scene s;
        int victim = victims[i % 3];
        char expected[32];
        set_up(&s, 2, 0, 1);
        expect_trace("start 0 start 1");
        assert_int_equal(i < 3 ? exec_handle_abort(&s.h[victim]) : exec_handle_kill(&s.h[victim]), 0);
        snprintf(expected, sizeof expected, "start %d end %d", victim, victim);
        expect_trace(expected);                     /* before it returned */
        assert_int_equal(exec_handle_result(&s.h[victim]), -ECANCELED);
        assert_int_equal(s.owned, 4);
        assert_int_equal(exec_check(&s.ex), 0);
        for (int k = 0; k < WORKERS; k++) gate_open(&s.g[k], 0);
        assert_int_equal(exec_run(&s.ex), 0);
        assert_int_equal(exec_handle_result(&s.boss), 0);       /* its abort is no failure */
        tear_down(&s);
    }
}

/* From a poll the target unwinds when the queue reaches it. */
typedef struct { EXEC_FRAME; exec_handle *victim; int status; } aborter;
EXEC_ASYNC(aborter) {
    EXEC_BEGIN;
    self->status = exec_handle_abort(self->victim);
    trace("asked");
    EXEC_RETURN(self->status);
    EXEC_END;
}
static void an_abort_from_a_poll_starts_it_in_the_queue(void **state) {
    scene s;
    (void)state;
    set_up(&s, 2, 0, 1);
    assert_int_equal(EXEC_SPAWN(&s.ex, test_opts(), aborter, .victim = &s.h[3]), 0);
    exec_turn(&s.ex);
    expect_trace("start 0 start 1 asked start 3 end 3");
    for (int k = 0; k < WORKERS; k++) gate_open(&s.g[k], 0);
    tear_down(&s);
}

/* With cleanup_ns those that are cancelled change lists. */
static void a_group_with_a_limit_is_killed_in_time(void **state) {
    exec_config config = quiet_config();
    scene s;
    exec_opts opts;
    (void)state;
    config.virtual_clock = 1;
    config.cleanup_ns = EXEC_MS(10);
    memset(&s, 0, sizeof s);
    opts = test_opts_handle(&s.boss);
    assert_int_equal(exec_init(&s.ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&s.ex, &opts, boss, .g = s.g, .owned = &s.owned, .h = s.h, .limit = 1, .join = 1), 0);
    exec_turn(&s.ex);
    exec_turn(&s.ex);
    assert_int_equal(exec_handle_abort(&s.boss), 0);
    assert_int_equal(exec_check(&s.ex), 0);
    tear_down(&s);
}

/* ---------------------------------------------------------------------------------------- collect */

static void a_group_that_collects_lets_the_siblings_run_on(void **state) {
    (void)state;
    for (unsigned limit = 0; limit < 3; limit++) {
        scene s;
        boss *frame;
        set_up(&s, limit, 1, 1);
        trace_reset();
        frame = (boss *)(void *)exec__root_of(s.boss.task);
        gate_open(&s.g[3], -EIO);
        gate_open(&s.g[0], -EPIPE);
        for (int i = 0; i < 4; i++) exec_turn(&s.ex);
        assert_int_equal(exec_handle_result(&s.boss), -EAGAIN);
        assert_int_equal(s.g[1].canceled + s.g[2].canceled + s.g[4].canceled, 0);
        assert_int_equal(frame->crew.failed, limit == 1 || limit == 2 ? 1 : 2);
        for (int i = 0; i < WORKERS; i++) if (!s.g[i].open) gate_open(&s.g[i], 0);
        assert_int_equal(exec_run(&s.ex), 0);
        assert_int_equal(exec_handle_result(&s.boss), limit ? -EPIPE : -EIO);   /* that which came first */
        tear_down(&s);
    }
}

static void an_abort_ends_a_group_that_collects(void **state) {
    scene s;
    (void)state;
    set_up(&s, 2, 1, 1);
    assert_int_equal(exec_handle_abort(&s.boss), 0);
    assert_int_equal(exec_run(&s.ex), 0);
    assert_int_equal(exec_handle_result(&s.boss), -ECANCELED);
    tear_down(&s);
}

/* Rounds in one group: `failed` counts on. A spawn that fails is one that failed. */
typedef struct { EXEC_FRAME; exec_pool *pool; gate *g; int round, status; exec_group crew; intptr_t joined[2]; } rounds;
EXEC_ASYNC(rounds) {
    EXEC_BEGIN;
    self->crew.limit = 1;
    self->crew.collect = 1;
    for (; self->round < 2; self->round++) {
        {
            exec_opts opts;
            memset(&opts, 0, sizeof opts);
            opts.pool = self->pool;
            EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker, .gate = &self->g[0], .id = 0);
            EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker, .gate = &self->g[1], .id = 1);
            self->status = EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker, .gate = &self->g[2], .id = 2);
            assert_int_equal(self->status, -ENOMEM);    /* now, though it would have been held back */
        }
        EXEC_AWAIT(exec_group_join(&self->crew));
        self->joined[self->round] = EXEC_RESULT(&self->crew);
    }
    EXEC_RETURN((intptr_t)self->crew.failed);
    EXEC_END;
}
static void a_failed_spawn_into_a_group_with_a_limit_says_so_at_once(void **state) {
    static EXEC_SLOT(worker) slots[2];
    exec ex;
    exec_pool pool;
    gate g[3] = { { .open = 1 }, { .open = 1 }, { .open = 1 } };
    rounds frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, rounds, .pool = &pool, .g = g)), 0);
    expect_trace("start 0 end 0 start 1 end 1 start 0 end 0 start 1 end 1");
    assert_int_equal(frame.joined[0], -ENOMEM);
    assert_int_equal(frame.joined[1], -ENOMEM);
    assert_int_equal(frame.fut.result, 2);
    assert_int_equal(pool.live, 0);
    close_exec(&ex);
}

/* ------------------------------------------------------------------------------------------- room */

typedef struct {
    EXEC_FRAME; gate *g; int i, count; unsigned limit; uint8_t collect; exec_group *cancel_me; exec_group crew;
    exec_pool *pool;
} producer;
EXEC_ASYNC(producer) {
    EXEC_BEGIN;
    self->crew.limit = self->limit;
    self->crew.collect = self->collect;
    for (; self->i < self->count; self->i++) {
        EXEC_TRY(exec_group_room(&self->crew));
        {
            exec_opts opts = test_opts_handle(NULL);
            if (self->pool) opts.pool = self->pool;
            EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker, .gate = &self->g[self->i], .id = self->i);
        }
    }
    EXEC_TRY(exec_group_join(&self->crew));
    trace("all");
    EXEC_END;
}

/* Two slots are enough for five. */
static void a_producer_that_awaits_room_claims_no_more_than_run(void **state) {
    static EXEC_SLOT(worker) slots[2];
    exec ex;
    exec_pool pool;
    gate g[WORKERS] = { { .open = 0 } };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, producer, .g = g, .count = WORKERS, .limit = 2, .pool = &pool), 0);
    for (int i = 0; i < 3; i++) exec_turn(&ex);
    expect_trace("start 0 start 1");
    assert_int_equal(stats(&ex).tasks, 3);
    gate_open(&g[1], 0);
    for (int i = 0; i < 3; i++) exec_turn(&ex);
    expect_trace("end 1 start 2");
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "group_room"));
    for (int i = 0; i < WORKERS; i++) gate_open(&g[i], 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    assert_true(strcmp(trace_text + trace_length - 3, "all") == 0);
    trace_reset();
    close_exec(&ex);
}

static void room_of_a_group_without_a_limit_is_there_and_costs_budget(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g[WORKERS] = { { .open = 1 }, { .open = 1 }, { .open = 1 }, { .open = 1 }, { .open = 1 } };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.ops_per_poll = 2;
    config.tasks_per_turn = 1;
    trace_reset();
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, producer, .g = g, .count = WORKERS), 0);
    exec_turn(&ex);
    assert_int_equal(stats(&ex).tasks, 3);          /* after two the producer makes way */
    expect_trace("");
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("start 0 end 0 start 1 end 1 start 2 end 2 start 3 end 3 start 4 end 4 all");
    assert_int_equal(exec_handle_result(&h), 0);
    close_exec(&ex);
}

static void a_failure_ends_the_wait_for_room_with_its_error(void **state) {
    (void)state;
    for (int collect = 0; collect < 2; collect++) {
        exec ex;
        gate g[WORKERS] = { { .open = 0 } };
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, producer, .g = g, .count = WORKERS, .limit = 2,
                                    .collect = (uint8_t)collect), 0);
        for (int i = 0; i < 3; i++) exec_turn(&ex);
        gate_open(&g[1], -EPIPE);
        for (int i = 0; i < 3; i++) exec_turn(&ex);
        assert_int_equal(exec_handle_result(&h), collect ? -EAGAIN : -EPIPE);
        expect_trace(collect ? "start 0 start 1 end 1 start 2" : "start 0 start 1 end 1 end 0");
        for (int i = 0; i < WORKERS; i++) gate_open(&g[i], 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), -EPIPE);
        trace_reset();
        close_exec(&ex);
    }
}

/* By another task's exec_group_cancel, while a child refuses to end; and by an abort of the producer. */
static void a_cancel_ends_the_wait_for_room(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        exec ex;
        gate g[WORKERS] = { { .open = 0 } };
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        producer *frame;
        g[0].refuse = 1;
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, producer, .g = g, .count = WORKERS, .limit = 1), 0);
        for (int i = 0; i < 3; i++) exec_turn(&ex);
        frame = (producer *)(void *)exec__root_of(h.task);
        if (way) assert_int_equal(exec_handle_abort(&h), 0);
        else exec_group_cancel(&frame->crew, EXEC_CANCEL);
        for (int i = 0; i < 3; i++) exec_turn(&ex);
        assert_true(frame->fut.flags & EXEC__F_ENDING);      /* it drains its scope */
        gate_open(&g[0], 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
        trace_reset();
        close_exec(&ex);
    }
}

/* Its wake would go to who spawned first. */
typedef struct { EXEC_FRAME; exec_group *crew; } climbs;
EXEC_ASYNC(climbs) {
    EXEC_BEGIN;
    EXEC_TRY(exec_group_room(self->crew));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *gate; exec_group crew; } climbed;
EXEC_ASYNC(climbed) {
    EXEC_BEGIN;
    self->crew.limit = 1;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), climbs, .crew = &self->crew);
    EXEC_TRY(gate_wait(self->gate));
    EXEC_END;
}
static void room_for_a_child(void) {
    exec ex;
    gate g = { .open = 0 };
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, test_opts(), climbed, .gate = &g) == 0) exec_turn(&ex);
}
static void room_is_for_who_spawned_first(void **state) {
    (void)state;
    dies_saying(room_for_a_child, "exec_group_room is awaited by a task that did not spawn first into the group");
}

/* Room is there, but the budget is used up: nobody has spawned yet, so the group has no owner to wake. */
typedef struct { EXEC_FRAME; always first; exec_group *crew; } frugal;
EXEC_ASYNC(frugal) {
    EXEC_BEGIN;
    EXEC_TRY(always_ready(&self->first));
    EXEC_TRY(exec_group_room(self->crew));
    EXEC_END;
}
static void a_cancel_before_the_first_spawn_ends_a_wait_for_budget(void **state) {
    exec ex;
    exec_config config = quiet_config();
    exec_group crew;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.ops_per_poll = config.tasks_per_turn = 1;
    memset(&crew, 0, sizeof crew);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, frugal, .crew = &crew), 0);
    exec_turn(&ex);
    exec_group_cancel(&crew, EXEC_CANCEL);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_exec(&ex);
}

/* A child that is spawned by the same statement that cancels the group. */
typedef struct { EXEC_FRAME; gate *g; exec_group crew; } contrary;
static int cancel_and_give(exec_group *g, int id) {
    exec_group_cancel(g, EXEC_CANCEL);
    return id;
}
EXEC_ASYNC(contrary) {
    EXEC_BEGIN;
    self->crew.limit = 1;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), worker, .gate = self->g, .id = 0);
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), worker, .gate = self->g, .id = cancel_and_give(&self->crew, 1));
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *never; int id; } lingers;
EXEC_ASYNC(lingers) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    EXEC_AWAIT(gate_wait(self->never));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *never; exec_group crew; } tardy;
EXEC_ASYNC(tardy) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), lingers, .never = self->never,
                          .id = cancel_and_give(&self->crew, 0));
    EXEC_AWAIT(exec_group_join(&self->crew));
    EXEC_END;
}
static void a_child_made_before_a_cancel_and_started_after_it_is_cancelled(void **state) {
    exec ex;
    gate g = { .open = 0 };
    contrary frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, contrary, .g = &g)), 0);
    expect_trace("start 0 end 0 start 1 end 1");
    close_exec(&ex);
}

static void a_child_started_into_a_cancelled_group_is_killed_in_time(void **state) {
    exec ex;
    exec_config config = quiet_config();
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    gate never = { .open = 0 };
    (void)state;
    config.virtual_clock = 1;
    config.cleanup_ns = EXEC_MS(10);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, tardy, .never = &never), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    assert_true(exec_now(&ex) >= EXEC_MS(10) && exec_now(&ex) <= EXEC_MS(20));
    close_exec(&ex);
}

/* A handle need not be zeroed; it is one of no task when the spawn is refused. */
typedef struct { EXEC_FRAME; exec_handle *h; exec_group crew; int status; } refused;
EXEC_ASYNC(refused) {
    EXEC_BEGIN;
    exec_group_cancel(&self->crew, EXEC_CANCEL);
    {
        exec_opts opts = test_opts_handle(self->h);
        self->status = EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, worker);
    }
    EXEC_RETURN(self->status);
    EXEC_END;
}
static void a_handle_of_a_spawn_into_a_cancelled_group_is_one_of_no_task(void **state) {
    exec ex;
    exec_handle h;
    refused frame;
    (void)state;
    open_exec(&ex);
    memset(&h, 0xA5, sizeof h);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, refused, .h = &h)), 0);
    assert_int_equal(frame.fut.result, -ECANCELED);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_NONE);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    close_exec(&ex);
}

/* Each child brings a sibling, and is over before it: the group stays that of the frame that holds it. */
static char key_family;
typedef struct { EXEC_FRAME; exec_group *crew; int more; } breeds;
EXEC_ASYNC_DECLARE(breeds);
EXEC_ASYNC_DEFINE(breeds) {
    EXEC_BEGIN;
    if (self->more)
        EXEC_GROUP_SPAWN_OPTS(self->crew, test_opts(), breeds, .crew = self->crew, .more = self->more - 1);
    trace((const char *)exec_local_get(cx, &key_family));
    if (!self->more) EXEC_YIELD;
    EXEC_END;
}
typedef struct { EXEC_FRAME; unsigned limit; exec_group crew; exec_local family; } family_of;
EXEC_ASYNC(family_of) {
    EXEC_BEGIN;
    self->crew.limit = self->limit;
    exec_local_set(&self->crew, &self->family, &key_family, (void *)(uintptr_t)"smith");
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), breeds, .crew = &self->crew, .more = 2);
    EXEC_TRY(exec_group_join(&self->crew));
    trace("joined");
    EXEC_END;
}
static void a_child_may_spawn_into_the_group_that_it_is_in(void **state) {
    (void)state;
    for (unsigned limit = 0; limit < 3; limit++) {
        exec ex;
        family_of frame;
        open_exec(&ex);
        memset(&frame, 0, sizeof frame);
        assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, family_of, .limit = limit)), 0);
        assert_int_equal(frame.fut.result, 0);
        expect_trace("smith smith smith joined");
        close_exec(&ex);
    }
}

/* ------------------------------------------------------------------------------------ task-local values */

static char key_user, key_depth, key_unset;

typedef struct { EXEC_FRAME; int levels; exec_group crew; exec_local depth; } looks;
EXEC_ASYNC_DECLARE(looks);

static void trace_locals(const exec_cx *cx) {
    const char *user = (const char *)exec_local_get(cx, &key_user);
    const int *depth = (const int *)exec_local_get(cx, &key_depth);
    trace(user ? user : "-");
    trace_number("d", depth ? *depth : 0);
    assert_null(exec_local_get(cx, &key_unset));
}

/* Each odd level sets the depth anew; the others hand on what they see. */
EXEC_ASYNC_DEFINE(looks) {
    EXEC_BEGIN;
    trace_locals(cx);
    if (self->levels) {
        if (self->levels % 2) exec_local_set(&self->crew, &self->depth, &key_depth, &self->levels);
        EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), looks, .levels = self->levels - 1);
        EXEC_TRY(exec_group_join(&self->crew));
    }
    if (self->levels == 1) assert_int_equal(EXEC_SPAWN(cx->exec, test_opts(), looks), 0);
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_group users, others; exec_local user, again; } names_users;
EXEC_ASYNC(names_users) {
    EXEC_BEGIN;
    exec_local_set(&self->users, &self->user, &key_user, (void *)(uintptr_t)"nobody");
    exec_local_set(&self->users, &self->again, &key_user, (void *)(uintptr_t)"anna");
    trace_locals(cx);               /* what it put there is its group's, not its own */
    EXEC_GROUP_SPAWN_OPTS(&self->users, test_opts(), looks, .levels = 3);
    EXEC_TRY(exec_group_join(&self->users));
    EXEC_GROUP_SPAWN_OPTS(&self->others, test_opts(), looks);
    EXEC_TRY(exec_group_join(&self->others));
    self->again.value = (void *)(uintptr_t)"berta";
    EXEC_GROUP_SPAWN_OPTS(&self->users, test_opts(), looks);
    EXEC_TRY(exec_group_join(&self->users));
    EXEC_END;
}

static void values_of_a_group_are_seen_by_its_tasks_and_the_groups_inside_them(void **state) {
    exec ex;
    names_users frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, names_users)), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("- d0 "                                    /* the holder */
                 "anna d0 anna d3 anna d3 anna d1 "         /* three levels below it */
                 "- d0 - d0 "                               /* a detached task of the lowest; another group */
                 "berta d0");
    close_exec(&ex);
}

static void set_twice(void) {
    static exec_group group;
    static exec_local node;
    exec_local_set(&group, &node, &key_user, NULL);
    exec_local_set(&group, &node, &key_user, NULL);
}
static void a_node_is_set_once(void **state) {
    (void)state;
    dies_saying(set_twice, "exec_local_set of a node that is set: assign to its value");
}

/* -------------------------------------------------------------------------------------- many, at random */

typedef struct { EXEC_FRAME; unsigned *live, *most; unsigned yields; int fails; } busy;
EXEC_ASYNC(busy) {
    EXEC_BEGIN;
    if (++*self->live > *self->most) *self->most = *self->live;
    for (; self->yields > 0; self->yields--) EXEC_YIELD;
    EXEC_RETURN(self->fails ? -EIO : 0);
    EXEC_FINALLY;
    --*self->live;
    EXEC_END;
}
typedef struct { EXEC_FRAME; unsigned i, count, limit, live, most, failures; exec_group crew; } factory;
EXEC_ASYNC(factory) {
    EXEC_BEGIN;
    self->crew.limit = self->limit;
    self->crew.collect = 1;
    for (; self->i < self->count; self->i++) {
        int fails = test_below(4) == 0;
        self->failures += (unsigned)fails;
        EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), busy, .live = &self->live, .most = &self->most,
                              .yields = test_below(5), .fails = fails);
        if (test_below(8) == 0) EXEC_YIELD;
        assert_int_equal(exec_check(cx->exec), 0);
    }
    EXEC_AWAIT(exec_group_join(&self->crew));
    EXEC_RETURN(EXEC_RESULT(&self->crew));
    EXEC_END;
}
static void at_random_no_more_run_than_the_limit_and_all_failures_count(void **state) {
    exec ex;
    factory frame;
    (void)state;
    test_seed(3);
    open_exec(&ex);
    for (int round = test_rounds(50); round > 0; round--) {
        unsigned limit = 1 + test_below(9);
        memset(&frame, 0, sizeof frame);
        assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, factory, .count = 100, .limit = limit)), 0);
        assert_int_equal(frame.most, limit);
        assert_int_equal(frame.live, 0);
        assert_int_equal(frame.crew.failed, frame.failures);
        assert_int_equal(frame.fut.result, frame.failures ? -EIO : 0);
    }
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; } effects_child;
EXEC_ASYNC(effects_child) {
    EXEC_BEGIN;
    EXEC_END;
}
/* A body that has effects before its first await asks whether it is wanted. The cleanup sees how it ended, also
   in a frame that holds groups. */
typedef struct { EXEC_FRAME; gate *gate; exec_group inner; } effects;
EXEC_ASYNC(effects) {
    EXEC_BEGIN;
    trace_number("level ", (long)exec_cancel_level(cx));
    if (exec_cancel_level(cx)) EXEC_RETURN(-EINTR);
    EXEC_GROUP_SPAWN_OPTS(&self->inner, test_opts(), effects_child);
    EXEC_TRY(gate_wait(self->gate));
    EXEC_FINALLY;
    trace_number("outcome ", (long)EXEC_OUTCOME);
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate gate; exec_group crew; } effects_parent;
EXEC_ASYNC(effects_parent) {
    EXEC_BEGIN;
    self->crew.limit = 1;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), effects, .gate = &self->gate);
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), effects, .gate = &self->gate);
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}
static void a_body_may_ask_whether_it_was_cancelled_before_it_began(void **state) {
    exec ex;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, effects_parent), 0);
    exec_turn(&ex);
    expect_trace("level 0");
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_run(&ex), 0);
    {
        char expected[96];
        snprintf(expected, sizeof expected, "level %d outcome %d outcome %d", EXEC_CANCEL, -EINTR, -ECANCELED);
        expect_trace(expected);
    }
    close_exec(&ex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_tasks_with_a_limit_of_two_run_two_two_one),
        cmocka_unit_test(no_limit_and_a_large_one_run_all_at_once),
        cmocka_unit_test(a_wake_does_not_start_who_is_held_back),
        cmocka_unit_test(dump_shows_who_is_held_back_and_its_name),
        cmocka_unit_test(check_finds_a_broken_ring_of_those_held_back),
        cmocka_unit_test(every_way_out_starts_those_held_back_so_that_they_release),
        cmocka_unit_test(one_that_is_held_back_is_aborted_or_killed_alone),
        cmocka_unit_test(an_abort_from_a_poll_starts_it_in_the_queue),
        cmocka_unit_test(a_group_with_a_limit_is_killed_in_time),
        cmocka_unit_test(a_group_that_collects_lets_the_siblings_run_on),
        cmocka_unit_test(an_abort_ends_a_group_that_collects),
        cmocka_unit_test(a_failed_spawn_into_a_group_with_a_limit_says_so_at_once),
        cmocka_unit_test(a_producer_that_awaits_room_claims_no_more_than_run),
        cmocka_unit_test(room_of_a_group_without_a_limit_is_there_and_costs_budget),
        cmocka_unit_test(a_failure_ends_the_wait_for_room_with_its_error),
        cmocka_unit_test(a_cancel_ends_the_wait_for_room),
        cmocka_unit_test(room_is_for_who_spawned_first),
        cmocka_unit_test(a_cancel_before_the_first_spawn_ends_a_wait_for_budget),
        cmocka_unit_test(a_child_made_before_a_cancel_and_started_after_it_is_cancelled),
        cmocka_unit_test(a_child_started_into_a_cancelled_group_is_killed_in_time),
        cmocka_unit_test(a_handle_of_a_spawn_into_a_cancelled_group_is_one_of_no_task),
        cmocka_unit_test(a_child_may_spawn_into_the_group_that_it_is_in),
        cmocka_unit_test(values_of_a_group_are_seen_by_its_tasks_and_the_groups_inside_them),
        cmocka_unit_test(a_body_may_ask_whether_it_was_cancelled_before_it_began),
        cmocka_unit_test(a_node_is_set_once),
        cmocka_unit_test(at_random_no_more_run_than_the_limit_and_all_failures_count)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
