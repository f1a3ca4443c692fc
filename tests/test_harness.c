/* SPDX-License-Identifier: MIT
 * What waits for time, for other coroutines and for other tasks, in the harness (exec_harness.h): cancelled,
 * killed, out of time, the loser of a select, without memory, and with each system call failing. */
#include "exec_harness.h"

/* ------------------------------------------------------------------------------------- the parts */

/* Takes its time, and in its cleanup too. */
typedef struct {
    EXEC_FRAME; harness_mark mark, *outer; int64_t takes, cleanup; intptr_t value; exec_sleep_op nap;
} child;
EXEC_ASYNC(child) {
    EXEC_BEGIN;
    harness_began(&self->mark, self->outer);
    EXEC_TRY(exec_sleep(&self->nap, self->takes));
    EXEC_RETURN(self->value);
    EXEC_FINALLY;
    EXEC_AWAIT(exec_sleep(&self->nap, self->cleanup));
    HARNESS_CHECK(harness_now, harness_now->way == HARNESS_KILL || EXEC_RESULT(&self->nap) == 0);  /* not cut short */
    harness_ended(&self->mark);
    EXEC_END;
}

/* Awaits what `prepare` makes, so many times, and in its cleanup a sleep. */
typedef struct waiter waiter;
struct waiter {
    EXEC_FRAME;
    harness_mark mark;
    exec_future *(*prepare)(waiter *self);
    exec_future *what;
    int left, made;             /* rounds; those begun */
    exec_sleep_op nap, after;
    exec_timeout_op limit;
    exec_interval beat;
    exec_backoff backoff;
    exec_backoff_op pause;
    exec_retry_op again;
    exec_branches_op either;
    exec_strand strands[5];
    child kids[5];
};
EXEC_ASYNC(waiter) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->left > 0; self->left--) {
        self->made++;
        self->what = self->prepare(self);
        EXEC_AWAIT(self->what);
        if (self->left == 1) EXEC_RETURN(self->what->result);
    }
    EXEC_FINALLY;
    EXEC_AWAIT(exec_sleep(&self->after, EXEC_MS(1)));
    HARNESS_CHECK(harness_now, harness_now->way == HARNESS_KILL || EXEC_RESULT(&self->after) == 0);
    harness_ended(&self->mark);
    EXEC_END;
}

/* A child of the waiter: ready with `value` after so many ms; cancelled, one later. */
static exec_future *kid(waiter *self, int i, int64_t ms, intptr_t value) {
    return EXEC_CALL(&self->kids[i], child, .outer = &self->mark, .takes = EXEC_MS(ms), .cleanup = EXEC_MS(1),
                     .value = value);
}

static void wait_for(harness *h, exec_future *(*prepare)(waiter *self), int rounds, intptr_t expected) {
    static waiter frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, waiter, .prepare = prepare, .left = rounds));
    HARNESS_CHECK(h, h->result == expected || h->done);
    HARNESS_CHECK(h, h->result == expected || h->result == -ECANCELED || h->result == -ETIMEDOUT);
    harness_close(h);
}
#define WAITS(name, rounds, expected, future) \
    static exec_future *name##_prepare(waiter *self) { return future; } \
    static void name(harness *h) { wait_for(h, name##_prepare, rounds, expected); }

/* ------------------------------------------------------------------------------------------ time */

WAITS(sleep_, 2, 0, exec_sleep(&self->nap, EXEC_MS(5)))
WAITS(sleep_until, 2, 0, exec_sleep_until(&self->nap, EXEC_MS(5)))
WAITS(timeout, 2, -ETIMEDOUT, exec_timeout(&self->limit, kid(self, 0, 5, 7), EXEC_MS(3)))
WAITS(timeout_in_time, 2, 7, exec_timeout(&self->limit, kid(self, 0, 3, 7), EXEC_MS(5)))
WAITS(timeout_at, 2, -ETIMEDOUT, exec_timeout_at(&self->limit, kid(self, 0, 5, 7), EXEC_MS(3)))
WAITS(after, 2, 7, exec_after(&self->limit, kid(self, 0, 2, 7), EXEC_MS(5)))
WAITS(after_delay, 2, 7, exec_after_delay(&self->limit, kid(self, 0, 2, 7), EXEC_MS(5)))

static exec_future *tick(waiter *self, exec_missed missed) {
    if (self->made == 1) exec_interval_init(&self->beat, EXEC_MS(3));
    self->beat.missed = missed;
    return exec_interval_tick(&self->beat);
}
WAITS(tick_burst, 3, 0, tick(self, EXEC_MISSED_BURST))
WAITS(tick_delay, 3, 0, tick(self, EXEC_MISSED_DELAY))
WAITS(tick_skip, 3, 0, tick(self, EXEC_MISSED_SKIP))

static exec_backoff *delays(waiter *self, unsigned retries) {
    self->backoff.first_ns = EXEC_MS(1);
    self->backoff.retries = retries;
    self->backoff.seed = 1;
    return &self->backoff;
}
WAITS(backoff_wait, 3, -EDQUOT, exec_backoff_wait(&self->pause, delays(self, 2)))

static exec_future *attempt(void *arg) { return kid((waiter *)arg, 0, 1, -EIO); }
static int is_io(intptr_t result, void *arg) {
    (void)arg;
    return result == -EIO;
}
WAITS(retry, 1, -EIO, exec_retry(&self->again, delays(self, 2), attempt, self))
WAITS(retry_if, 1, -EIO, exec_retry_if(&self->again, delays(self, 2), attempt, is_io, self))

/* On the real clock. */
typedef struct { EXEC_FRAME; exec_sleep_op nap; } real_sleeper;
EXEC_ASYNC(real_sleeper) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_sleep(&self->nap, EXEC_MS(1)));
    EXEC_RETURN(7);
    EXEC_END;
}
static int64_t real_clock(void *user) {
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static void real_sleep(harness *h) {
    static real_sleeper frame;
    h->config.clock = real_clock;
    h->whole = 1;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, real_sleeper));
    HARNESS_CHECK(h, h->result == 7 || h->way != HARNESS_CALL_FAILS);
    harness_close(h);
}

/* ------------------------------------------------------------------------------------ combinators */

WAITS(select_, 2, 1, exec_select(&self->either, kid(self, 0, 5, 7), kid(self, 1, 3, 7),
                                 exec_sleep(&self->nap, EXEC_MS(9))))
WAITS(select_fair, 3, 0, exec_select_fair(&self->either, kid(self, 0, 3, 7), kid(self, 1, 3, 7)))
WAITS(race, 2, 2, exec_race(&self->either, kid(self, 0, 1, -EIO), kid(self, 1, 7, 7), kid(self, 2, 3, 7)))
WAITS(race_lost, 2, -EPIPE, exec_race(&self->either, kid(self, 0, 1, -EIO), kid(self, 1, 2, -EPIPE)))
WAITS(join_, 2, -EIO, exec_join(&self->either, kid(self, 0, 3, -EIO), kid(self, 1, 1, 7), kid(self, 2, 5, -EPIPE)))

static exec_future *of_five(waiter *self, exec_future *(*combine)(exec_branches_op *op, exec_strand *strands,
                                                                   exec_future *const *futures, unsigned count)) {
    exec_future *futures[5];
    for (int i = 0; i < 5; i++) futures[i] = kid(self, i, 6 - i, i < 3 ? -EIO : i);
    return combine(&self->either, self->strands, futures, 5);
}
WAITS(select_n, 2, 4, of_five(self, exec_select_n))
WAITS(select_fair_n, 2, 4, of_five(self, exec_select_fair_n))
WAITS(race_n, 2, 4, of_five(self, exec_race_n))
WAITS(join_n, 2, -EIO, of_five(self, exec_join_n))

/* Inside each other. */
static exec_future *nested(waiter *self) {
    static exec_select_op inner;
    static exec_timeout_op limit;
    static exec_sleep_op nap;
    exec_future *either = exec_select(&inner, kid(self, 0, 4, 7), kid(self, 1, 6, 8));
    return exec_join(&self->either, exec_timeout(&limit, either, EXEC_MS(2)),
                     exec_timeout(&self->limit, kid(self, 2, 3, 9), EXEC_MS(5)), exec_sleep(&nap, EXEC_MS(1)));
}
WAITS(combined, 2, -ETIMEDOUT, nested(self))

/* A combinator of one's own: both, by hand. */
typedef struct { exec_future fut; exec_strand strands[2]; } both_op;
static exec_poll both_poll(exec_cx *cx, exec_future *f) {
    both_op *op = (both_op *)(void *)f;
    for (int i = 0; i < 2; i++) {
        if (exec_canceled(f)) exec_strand_cancel(&op->strands[i], exec_cancel_level(cx));
        if (!exec_strand_done(&op->strands[i])) exec_strand_poll(cx, &op->strands[i]);
    }
    if (!exec_strand_done(&op->strands[0]) || !exec_strand_done(&op->strands[1])) return exec_pending(cx, f);
    return exec_ready(f, exec_canceled(f) ? -ECANCELED : 0);
}
static const exec_type both_type = { both_poll, NULL, NULL, "both", "", sizeof(both_op), sizeof(both_op), 8 };
static exec_future *both(waiter *self) {
    static both_op op;
    exec_future_init(&op.fut, &both_type);
    exec_strand_init(&op.strands[0], kid(self, 0, 2, 0));
    exec_strand_init(&op.strands[1], kid(self, 1, 4, 0));
    return &op.fut;
}
WAITS(strands, 2, 0, both(self))

/* And what awaits by hand: one child after the other. */
typedef struct { exec_future fut; exec_future *children[2]; int over; } sequence_op;
static exec_poll sequence_poll(exec_cx *cx, exec_future *f) {
    sequence_op *op = (sequence_op *)(void *)f;
    while (op->over < 2 && !exec_canceled(f)) {
        exec_poll pends = exec_poll_child(cx, f, op->children[op->over]);
        if (pends) return pends;
        if (!exec_canceled(f)) op->over++;
    }
    return exec_ready(f, exec_canceled(f) ? -ECANCELED : op->children[1]->result);
}
static const exec_type sequence_type = {
    sequence_poll, NULL, NULL, "sequence", "", sizeof(sequence_op), sizeof(sequence_op), 8 };
static exec_future *sequence(waiter *self) {
    static sequence_op op;
    exec_future_init(&op.fut, &sequence_type);
    op.children[0] = kid(self, 0, 2, 0);
    op.children[1] = kid(self, 1, 4, 7);
    op.over = 0;
    return &op.fut;
}
WAITS(by_hand, 2, 7, sequence(self))

/* -------------------------------------------------------------------------------------- coroutines */

/* Calls itself three deep. */
typedef struct caller { EXEC_FRAME; harness_mark mark, *outer; struct caller *frames; int depth; child last; } caller;
EXEC_ASYNC(caller) {
    EXEC_BEGIN;
    harness_began(&self->mark, self->outer);
    if (self->depth) {
        EXEC_TRY(EXEC_CALL(&self->frames[self->depth - 1], caller, .outer = &self->mark, .frames = self->frames,
                           .depth = self->depth - 1));
        EXEC_RETURN(EXEC_RESULT(&self->frames[self->depth - 1]) + 1);
    }
    EXEC_TRY(EXEC_CALL(&self->last, child, .outer = &self->mark, .takes = EXEC_MS(2), .cleanup = EXEC_MS(1),
                       .value = 5));
    EXEC_RETURN(EXEC_RESULT(&self->last));
    EXEC_FINALLY;
    EXEC_AWAIT(EXEC_CALL(&self->last, child, .outer = &self->mark, .takes = EXEC_MS(1), .value = 5));
    harness_ended(&self->mark);
    EXEC_END;
}
static void calls(harness *h) {
    static caller frames[3], outermost;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&outermost, caller, .frames = frames, .depth = 3));
    HARNESS_CHECK(h, h->result == 8 || h->done);
    harness_close(h);
}

/* What it has begun, it ends; but a kill does not wait. */
typedef struct { EXEC_FRAME; harness_mark mark; int begun, ended; exec_sleep_op nap; child inner; } shielded;
EXEC_ASYNC(shielded) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    EXEC_YIELD;
    self->begun = 1;
    EXEC_SHIELD(EXEC_CALL(&self->inner, child, .outer = &self->mark, .takes = EXEC_MS(3), .cleanup = EXEC_MS(1),
                          .value = 7));
    self->ended = EXEC_RESULT(&self->inner) == 7;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    EXEC_RETURN(7);
    EXEC_FINALLY;
    EXEC_SHIELD(exec_sleep(&self->nap, EXEC_MS(1)));
    harness_ended(&self->mark);
    EXEC_END;
}
static void shield(harness *h) {
    static shielded frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, shielded));
    HARNESS_CHECK(h, h->result == 7 || h->done);
    HARNESS_CHECK(h, h->way == HARNESS_KILL || frame.begun == (EXEC_RESULT(&frame.inner) == 7));
    harness_close(h);
}

/* One await after the other: what fails ends the body, or does not. */
typedef struct { EXEC_FRAME; harness_mark mark; int tries, went_on; child kids[2]; } awaiter;
EXEC_ASYNC(awaiter) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    EXEC_AWAIT(EXEC_CALL(&self->kids[0], child, .outer = &self->mark, .takes = EXEC_MS(2), .value = -EIO));
    if (self->tries)
        EXEC_TRY(EXEC_CALL(&self->kids[1], child, .outer = &self->mark, .takes = EXEC_MS(2), .value = -EPIPE));
    self->went_on = 1;
    EXEC_RETURN(7);
    EXEC_FINALLY;
    EXEC_AWAIT(EXEC_CALL(&self->kids[0], child, .outer = &self->mark, .takes = EXEC_MS(1), .value = -EIO));
    EXEC_TRY(EXEC_CALL(&self->kids[1], child, .outer = &self->mark, .takes = EXEC_MS(1), .value = 7));
    harness_ended(&self->mark);
    EXEC_END;
}
static void awaits(harness *h, int tries) {
    static awaiter frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, awaiter, .tries = tries));
    HARNESS_CHECK(h, h->done || h->result == (tries ? -EPIPE : 7));
    HARNESS_CHECK(h, h->done ? frame.went_on <= !tries : frame.went_on == !tries);
    harness_close(h);
}
static void await_goes_on(harness *h) { awaits(h, 0); }
static void try_ends(harness *h) { awaits(h, 1); }

/* Lets others run, always, or when its time is up, as it is at each second call. */
typedef struct { EXEC_FRAME; harness_mark mark; int if_needed, rounds; } yielder;
EXEC_ASYNC(yielder) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->rounds < 3; self->rounds++) {
        if (!self->if_needed) {
            EXEC_YIELD;
        } else {
            EXEC_YIELD_IF_NEEDED;
            if (harness_now->killed_at < 0) (void)exec_clock_advance(cx->exec, EXEC_MS(11));
            EXEC_YIELD_IF_NEEDED;
        }
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void yields(harness *h, int if_needed) {
    static yielder frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, yielder, .if_needed = if_needed));
    HARNESS_CHECK(h, h->done || (h->result == 7 && h->polls == 5));
    harness_close(h);
}
static void yield_always(harness *h) { yields(h, 0); }
static void yield_if_needed(harness *h) { yields(h, 1); }

/* Waits for conditions that another task makes true. */
typedef struct { EXEC_FRAME; harness_mark mark; exec_task *task; int count; } conditional;
EXEC_ASYNC(conditional) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    self->task = cx->task;
    EXEC_WAIT_UNTIL(self->count >= 2);
    EXEC_YIELD;
    EXEC_RETURN(7);
    EXEC_FINALLY;
    EXEC_YIELD;
    EXEC_WAIT_UNTIL(self->count >= 3);
    self->task = NULL;
    harness_ended(&self->mark);
    EXEC_END;
}
typedef struct { EXEC_FRAME; conditional *of; exec_sleep_op nap; } counter;
EXEC_ASYNC(counter) {
    EXEC_BEGIN;
    for (; self->of->count < 3; self->of->count++) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(2)));
        if (self->of->task) exec_wake(self->of->task);
    }
    if (self->of->task) exec_wake(self->of->task);
    EXEC_END;
}
static void conditions(harness *h) {
    static conditional frame;
    if (harness_open(h) < 0) return;
    memset(&frame, 0, sizeof frame);
    if (EXEC_SPAWN(&h->ex, harness_opts(), counter, .of = &frame) == 0) {
        harness_drive(h, EXEC_CALL(&frame, conditional));
        HARNESS_CHECK(h, h->result == 7 || h->done);
    }
    harness_close(h);
}

/* ------------------------------------------------------------------------------------------ tasks */

/* Of this pool, or else of where tasks usually live. */
static exec_opts opts_of(exec_pool *pool) {
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    if (harness_opts()) opts = *harness_opts();
    if (pool) opts.pool = pool;
    return opts;
}

/* Spawns one and joins it; cancelled, it leaves it behind. */
typedef struct { EXEC_FRAME; harness_mark mark; exec_handle handle; exec_handle_op over; } joiner;
EXEC_ASYNC(joiner) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    {
        exec_opts opts = opts_of(NULL);
        int status;
        opts.handle = &self->handle;
        status = EXEC_SPAWN(cx->exec, &opts, child, .takes = EXEC_MS(3), .cleanup = EXEC_MS(1), .value = 7);
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_TRY(exec_handle_join(&self->over, &self->handle));
    EXEC_RETURN(EXEC_RESULT(&self->over));
    EXEC_FINALLY;
    exec_handle_abort(&self->handle);
    EXEC_AWAIT(exec_handle_join(&self->over, &self->handle));
    exec_handle_detach(&self->handle);
    harness_ended(&self->mark);
    EXEC_END;
}
static void handle_join(harness *h) {
    static joiner frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, joiner));
    HARNESS_CHECK(h, h->result == 7 || h->done);
    harness_close(h);
}

/* Children from a pool (that grows, where there is a heap), and not. */
typedef struct { EXEC_FRAME; harness_mark mark; exec_group crew; exec_pool *pool; int count, room, leave; } parent;
EXEC_ASYNC(parent) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->count < 4; self->count++) {
        if (self->room) EXEC_TRY(exec_group_room(&self->crew));
        {
            exec_opts opts = opts_of(self->count % 2 ? self->pool : NULL);
            EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, child, .outer = &self->mark, .takes = EXEC_MS(1 + self->count),
                                  .cleanup = EXEC_MS(1), .value = self->count == 1 ? -EIO : 0);
        }
    }
    if (!self->leave) EXEC_TRY(exec_group_join(&self->crew));
    EXEC_FINALLY;
    EXEC_AWAIT(exec_group_join(&self->crew));           /* a group is drained before its frame ends */
    harness_ended(&self->mark);
    EXEC_END;
}
static void with_children(harness *h, unsigned limit, int collect, int room, int leave) {
    static parent frame;
    exec_pool pool;
#if EXEC_NO_MALLOC
    static EXEC_SLOT(child) slots[2];
#endif
    if (harness_open(h) < 0) return;
#if EXEC_NO_MALLOC
    HARNESS_CHECK(h, exec_pool_init(&pool, slots, sizeof slots, sizeof *slots) == 0);
#else
    HARNESS_CHECK(h, exec_pool_init_growing(&pool, sizeof(EXEC_SLOT(child)), 1, 0) == 0);
#endif
    harness_drive(h, EXEC_CALL(&frame, parent, .pool = &pool, .room = room, .leave = leave, .crew.limit = limit,
                               .crew.collect = (uint8_t)collect));
    HARNESS_CHECK(h, h->done || h->result == (leave ? 0 : -EIO));
    HARNESS_CHECK(h, frame.crew.live == 0 && frame.crew.running == 0 && !frame.crew.held);
    HARNESS_CHECK(h, pool.live == 0);
#if !EXEC_NO_MALLOC
    HARNESS_CHECK(h, exec_pool_free(&pool) == 0);
#endif
    harness_close(h);
}
static void group_join(harness *h) { with_children(h, 0, 0, 0, 0); }
static void group_collect(harness *h) { with_children(h, 0, 1, 0, 0); }
static void group_limit(harness *h) { with_children(h, 2, 0, 0, 0); }
static void group_room(harness *h) { with_children(h, 2, 1, 1, 0); }
static void group_left(harness *h) { with_children(h, 2, 0, 0, 1); }

/* A group that only its scope ends. */
typedef struct { EXEC_FRAME; exec_group crew; exec_group other; exec_sleep_op nap; } scope;
EXEC_ASYNC(scope) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, harness_opts(), child, .takes = EXEC_MS(9), .cleanup = EXEC_MS(2), .value = 0);
    EXEC_GROUP_SPAWN_OPTS(&self->other, harness_opts(), child, .takes = EXEC_MS(1), .cleanup = EXEC_MS(2),
                          .value = -EIO);
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(2)));
    EXEC_RETURN(7);
    EXEC_END;
}
static void group_scope(harness *h) {
    static scope frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, scope));
    HARNESS_CHECK(h, h->result == 7 || h->done);
    harness_close(h);
}

/* ---------------------------------------------------------------------------------------- oneshots */

typedef struct { EXEC_FRAME; exec_oneshot *to; int sends; exec_sleep_op nap; } sender;
EXEC_ASYNC(sender) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(3)));
    EXEC_FINALLY;
    if (self->sends) (void)exec_oneshot_send(self->to, 7);
    else exec_oneshot_abandon(self->to);
    EXEC_END;
}
typedef struct { EXEC_FRAME; harness_mark mark; exec_oneshot *from, own; int sends; exec_oneshot_op op; } receiver;
/* On the heap, or in the frame, which the sender does not outlive then. */
static int oneshot_begin(exec *ex, receiver *self) {
#if EXEC_NO_MALLOC
    (void)ex;
    exec_oneshot_init(self->from = &self->own);
    return 0;
#else
    return exec_oneshot_create(ex, &self->from);
#endif
}
EXEC_ASYNC(receiver) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    {
        int status = oneshot_begin(cx->exec, self);
        if (status < 0) self->from = NULL;
        if (status < 0) EXEC_RETURN(status);
        status = EXEC_SPAWN(cx->exec, harness_opts(), sender, .to = self->from, .sends = self->sends);
        if (status < 0) exec_oneshot_abandon(self->from);
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_TRY(exec_oneshot_recv(&self->op, self->from));
    EXEC_RETURN(self->op.value);
    EXEC_FINALLY;
    EXEC_YIELD;
    if (self->from) exec_oneshot_close(self->from, NULL);
    harness_ended(&self->mark);
    EXEC_END;
}
static void oneshot(harness *h, int sends) {
    static receiver frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, receiver, .sends = sends));
    HARNESS_CHECK(h, h->result == (sends ? 7 : -EPIPE) || h->done);
    harness_close(h);
}
static void oneshot_sent(harness *h) { oneshot(h, 1); }
static void oneshot_abandoned(harness *h) { oneshot(h, 0); }

/* ----------------------------------------------------------------------------- wakers and remotes */

/* A task and a post that a remote brings wake it by its waker. */
typedef struct { EXEC_FRAME; exec_waker to; int *count; } waking;
EXEC_ASYNC(waking) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    ++*self->count;
    exec_waker_wake_drop(&self->to);
    EXEC_END;
}
typedef struct {
    EXEC_FRAME; harness_mark mark; exec_waker waker; exec_remote remote; exec_post post; int count, awaited;
} remote_user;
static void posted(exec *ex, void *arg) {
    remote_user *self = (remote_user *)arg;
    (void)ex;
    self->count++;
    exec_waker_wake(&self->waker);
}
static int spawn_waking(exec *ex, remote_user *self, exec_waker to) {
#if EXEC_NO_MALLOC
    return EXEC_SPAWN(ex, harness_opts(), waking, .to = to, .count = &self->count);
#else
    (void)ex;
    return EXEC_REMOTE_SPAWN(&self->remote, waking, .to = to, .count = &self->count);
#endif
}
static int remote_begin(exec_cx *cx, remote_user *self) {
    exec_waker copy;
    int status = exec_waker_get(cx, &self->waker);
    if (status < 0 || (status = exec_remote_get(cx->exec, &self->remote)) < 0) return status;
    copy = exec_waker_clone(&self->waker);
    status = spawn_waking(cx->exec, self, copy);
    if (status < 0) exec_waker_drop(&copy);
    else self->awaited++;
    if (status < 0 || (status = exec_remote_post(&self->remote, &self->post, posted, self)) < 0) return status;
    self->awaited++;
    return 0;
}
EXEC_ASYNC(remote_user) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    {
        int status = remote_begin(cx, self);
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_WAIT_UNTIL(self->count >= self->awaited);
    EXEC_RETURN(7);
    EXEC_FINALLY;
    while (self->count < self->awaited) EXEC_YIELD;     /* they hold this frame */
    exec_remote_drop(&self->remote);
    exec_waker_drop(&self->waker);
    harness_ended(&self->mark);
    EXEC_END;
}
static void remote(harness *h) {
    static remote_user frame;
    if (harness_open(h) < 0) return;
    harness_drive(h, EXEC_CALL(&frame, remote_user));
    HARNESS_CHECK(h, h->result == 7 || h->done);
    harness_close(h);
}

/* --------------------------------------------------------------------------------------- the table */

static const harness_scenario scenarios[] = {
    { "exec_sleep", sleep_ },
    { "exec_sleep_until", sleep_until },
    { "exec_sleep, real clock", real_sleep },
    { "exec_timeout", timeout },
    { "exec_timeout, in time", timeout_in_time },
    { "exec_timeout_at", timeout_at },
    { "exec_after", after },
    { "exec_after_delay", after_delay },
    { "exec_interval_tick, burst", tick_burst },
    { "exec_interval_tick, delay", tick_delay },
    { "exec_interval_tick, skip", tick_skip },
    { "exec_backoff_wait", backoff_wait },
    { "exec_retry", retry },
    { "exec_retry_if", retry_if },
    { "exec_select", select_ },
    { "exec_select_n", select_n },
    { "exec_select_fair", select_fair },
    { "exec_select_fair_n", select_fair_n },
    { "exec_race", race },
    { "exec_race, all fail", race_lost },
    { "exec_race_n", race_n },
    { "exec_join", join_ },
    { "exec_join_n", join_n },
    { "join of timeout of select", combined },
    { "exec_strand_poll", strands },
    { "exec_poll_child", by_hand },
    { "EXEC_CALL, 4 deep", calls },
    { "EXEC_SHIELD", shield },
    { "EXEC_AWAIT", await_goes_on },
    { "EXEC_TRY", try_ends },
    { "EXEC_YIELD", yield_always },
    { "EXEC_YIELD_IF_NEEDED", yield_if_needed },
    { "EXEC_WAIT_UNTIL", conditions },
    { "exec_handle_join", handle_join },
    { "exec_group_join", group_join },
    { "exec_group_join, collect", group_collect },
    { "exec_group_join, limit", group_limit },
    { "exec_group_room", group_room },
    { "group of a cleanup", group_left },
    { "group, never joined", group_scope },
    { "exec_oneshot_recv", oneshot_sent },
    { "exec_oneshot_recv, -EPIPE", oneshot_abandoned },
    { "waker, remote, post", remote },
};

#define SUITE_LEAST 2000
#include "harness_suite.h"
SUITE(scenarios)
