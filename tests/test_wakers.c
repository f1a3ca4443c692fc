/* SPDX-License-Identifier: MIT
 * Wakers, remotes, oneshots, and what other threads do with them.
 * EXEC_TEST_LONG in the environment: ten times the rounds of the races. */
#define _GNU_SOURCE 1
#include <stddef.h>
#include <sys/types.h>
static ssize_t counted_write(int fd, const void *bytes, size_t count);
#define EXEC_SYS_WRITE counted_write
static void before_a_wait(void);
#define EXEC_SYS_PPOLL(fds, count, timeout) (before_a_wait(), exec__ppoll(fds, count, timeout))
#include "test.h"
#include "leaves.h"
#include <poll.h>
#include <sys/syscall.h>
#if !EXEC_NO_THREADS
#include <pthread.h>
#include <sched.h>
#endif

#if EXEC_NO_THREADS
static unsigned writes_made;
#define ADD(p, n) (*(p) += (n))
#define GET(p) (*(p))
#define SET(p, v) (*(p) = (v))
#else
static unsigned writes_made;
#define ADD(p, n) __atomic_add_fetch(p, n, __ATOMIC_SEQ_CST)
#define GET(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define SET(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#endif
static int writes_interrupted;      /* so many fail before they begin */
static ssize_t counted_write(int fd, const void *bytes, size_t count) {
    if (fd != 2) ADD(&writes_made, 1u);
    if (fd != 2 && writes_interrupted > 0) {
        writes_interrupted--;
        errno = EINTR;
        return -1;
    }
    return write(fd, bytes, count);
}

static int signal_before_a_wait;    /* sent there to this thread, by a call that no sanitizer knows */
static void before_a_wait(void) {
    if (!signal_before_a_wait) return;
    assert_int_equal(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal_before_a_wait), 0);
    signal_before_a_wait = 0;
}

/* Without a heap a port and cells are the caller's. */
static exec_port test_port;
static exec_cell test_cells[64];
static exec_config waker_config(void) {
    exec_config config = quiet_config();
    if (EXEC_NO_MALLOC) config.port = &test_port;
    return config;
}
static void open_wakers(exec *ex) {
    exec_config config = waker_config();
    trace_reset();
    SET(&writes_made, 0);
    assert_int_equal(exec_init(ex, &config), 0);
}
static exec_opts waker_opts(exec_handle *h, unsigned cell) {
    exec_opts opts = test_opts_handle(h);
    if (EXEC_NO_MALLOC) opts.cell = &test_cells[cell];
    return opts;
}

/* Hands its waker out, then counts its polls until it is told to end. */
typedef struct { EXEC_FRAME; exec_waker *out; int *polls; int *stop; int id; } sleeper;
static int sleeper_awake(sleeper *self) {
    ADD(self->polls, 1);
    return GET(self->stop);
}
EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    if (self->out) {
        int status = exec_waker_get(cx, self->out);
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_WAIT_UNTIL(sleeper_awake(self));
    EXEC_FINALLY;
    trace_number("end ", self->id);
    EXEC_END;
}

static void trap_09_a_local_wake_never_touches_the_inbox(void **state) {
    exec ex;
    exec_waker w = { 0 }, copy;
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    int polls = 0, stop = 0;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    exec_turn(&ex);
    assert_int_equal(stats(&ex).cells, 1);
    for (int i = 1; i <= 10; i++) {
        exec_waker_wake(&w);
        exec_waker_wake(&w);                    /* twice: polls once */
        assert_null(ex.port->head);
        assert_int_equal(exec_turn(&ex), 1);
        assert_int_equal(polls, 1 + i);
    }
    assert_int_equal(exec_turn(&ex), 0);
    copy = exec_waker_clone(&w);
    stop = 1;
    exec_waker_wake_drop(&copy);
    assert_null(copy.cell);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(stats(&ex).cross_wakes, 0);
    assert_int_equal(GET(&writes_made), 0);
    assert_int_equal(stats(&ex).cells, 1);
    exec_waker_drop(&w);
    exec_waker_drop(&w);                        /* dropped already: nothing */
    close_exec(&ex);
}

static void a_wake_after_completion_does_nothing(void **state) {
    static EXEC_SLOT(sleeper) slots[1];
    exec ex;
    exec_pool pool;
    exec_waker old = { 0 }, w = { 0 };
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    int polls = 0, stop = 1;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    opts.pool = &pool;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &old, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_run(&ex), 0);
    /* the slot has another task now */
    stop = polls = 0;
    opts = waker_opts(&h, 1);
    opts.pool = &pool;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    exec_turn(&ex);
    exec_waker_wake(&old);
    exec_waker_abort(&old);
    exec_waker_kill(&old);
    assert_int_equal(exec_turn(&ex), 0);
    assert_int_equal(polls, 1);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    stop = 1;
    exec_waker_wake_drop(&w);
    assert_int_equal(exec_run(&ex), 0);
    exec_waker_drop(&old);
    close_exec(&ex);
}

static void a_waker_of_a_handle(void **state) {
    exec ex;
    exec_waker w, none;
    exec_handle h, empty;
    exec_opts opts = waker_opts(&h, 0);
    int polls = 0, stop = 0;
    sleeper *claimed;
    (void)state;
    memset(&empty, 0, sizeof empty);
    open_wakers(&ex);
    assert_int_equal(exec_handle_waker(&empty, &none), -EINVAL);
    claimed = EXEC_CLAIM(&ex, &opts, sleeper);
    assert_non_null(claimed);
    assert_int_equal(exec_handle_waker(&h, &none), -EINVAL);    /* not started */
    EXEC_DROP(claimed);
    opts = waker_opts(&h, 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_handle_waker(&h, &w), 0);
    exec_turn(&ex);
    exec_waker_wake(&w);
    assert_int_equal(exec_turn(&ex), 1);
    exec_waker_abort(&w);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_int_equal(exec_handle_waker(&h, &none), -ESRCH);
    assert_null(none.cell);
    exec_waker_drop(&w);
    close_exec(&ex);
}

static void trap_06_a_waker_outlives_its_executor(void **state) {
    exec ex;
    exec_waker w = { 0 }, copy;
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    int polls = 0, stop = 0;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
    memset(&ex, 0xEE, sizeof ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    exec_waker_wake(&w);
    exec_waker_abort(&w);
    exec_waker_kill(&w);
    copy = exec_waker_clone(&w);
    exec_waker_wake_drop(&copy);
    exec_waker_wake_drop(&w);
    assert_int_equal(polls, 1);
}

static void without_a_heap_and_storage_there_is_no_waker(void **state) {
#if EXEC_NO_MALLOC
    exec ex;
    exec_config config = quiet_config();
    exec_waker w = { 0 };
    exec_remote remote;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    int polls = 0, stop = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), -ENOMEM);
    assert_int_equal(exec_remote_get(&ex, &remote), -ENOMEM);
    close_exec(&ex);
#endif
    (void)state;
}

/* The caller's cell may not be taken for a new task while a waker of the old one exists, of a pool either. */
static void cell_is_busy(exec_opts opts) {
    static exec_cell cell;
    static exec_port port;
    exec ex;
    exec_config config = quiet_config();
    exec_waker w = { 0 }, second = { 0 };
    int polls = 0, stop = 1;
    trace_reset();
    opts.cell = &cell;
    config.port = &port;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .polls = &polls, .stop = &stop), -EBUSY);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &second, .polls = &polls, .stop = &stop), -EBUSY);
    exec_waker_drop(&w);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &second, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_ptr_equal(second.cell, &cell);
    exec_waker_drop(&second);
    close_exec(&ex);
}
static void a_cell_of_the_callers_is_busy_while_a_waker_holds_it(void **state) {
    static EXEC_SLOT(sleeper) slots[1];
    exec_pool pool;
    exec_opts opts = { 0 };
    (void)state;
    cell_is_busy(test_opts() ? *test_opts() : opts);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    opts.pool = &pool;
    cell_is_busy(opts);
}

static int readable(exec *ex) {
    struct pollfd fd = { .fd = exec_poll_fd(ex), .events = POLLIN };
    assert_true(fd.fd >= 0);
    assert_true(poll(&fd, 1, 0) >= 0);
    return fd.revents & POLLIN;
}
/* In one of five ways, once or several times: one write. How many polls it brings. */
static int wake_somehow(exec *ex, int way, const exec_waker *w, exec_task *task, int *polls, int *stop) {
    exec_opts second = waker_opts(NULL, 1);
    exec_remote remote;
    switch (way) {
    case 0:
        exec_waker_wake(w);
        return 1;
    case 1:
        exec_wake(task);
        for (int i = 0; i < 5; i++) exec_waker_wake(w);
        return 1;
    case 2:
        assert_int_equal(EXEC_SPAWN(ex, &second, sleeper, .polls = polls, .stop = stop), 0);
        assert_true(readable(ex));
        exec_waker_wake(w);
        return 2;
    case 3:
        assert_int_equal(exec_remote_get(ex, &remote), 0);
        assert_int_equal(exec_remote_dump(&remote), 0);
        exec_remote_drop(&remote);
        return 0;
    default:
#if !EXEC_NO_THREADS
        exec_waker_wake_signal(w);
#else
        exec_waker_wake(w);
#endif
        return 1;
    }
}

static void any_wake_between_prepare_and_turn_makes_the_fd_readable(void **state) {
    exec ex;
    exec_waker w = { 0 };
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    int polls = 0, stop = 0;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_prepare(&ex), 0);             /* something is ready */
    assert_int_equal(exec_turn(&ex), 1);
    for (int way = 0; way < 5; way++) {
        int brings;
        assert_int_equal(exec_prepare(&ex), EXEC_NEVER);
        assert_false(readable(&ex));
        SET(&writes_made, 0);
        brings = wake_somehow(&ex, way, &w, h.task, &polls, &stop);
        assert_true(readable(&ex));
        assert_int_equal(GET(&writes_made), 1);
        assert_int_equal(exec_turn(&ex), brings);
        assert_false(readable(&ex));
    }
    assert_int_equal(exec_prepare(&ex), EXEC_NEVER);
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_waker_drop(&w);
    trace_reset();
    close_exec(&ex);
}

static void a_wake_that_a_signal_interrupts_arrives_and_errno_stays(void **state) {
    exec ex;
    exec_waker w = { 0 };
    exec_opts opts = waker_opts(NULL, 0);
    int polls = 0, stop = 0;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(exec_prepare(&ex), EXEC_NEVER);
    writes_interrupted = 2;
    stop = 1;
    errno = ENOENT;         /* of the code that a handler with a waker interrupts */
    exec_waker_wake(&w);
    assert_int_equal(errno, ENOENT);
    assert_true(readable(&ex));
    assert_int_equal(writes_interrupted, 0);
    exec_waker_drop(&w);
    assert_int_equal(exec_turn(&ex), 1);
    close_exec(&ex);
}

/* What its cleanup waits for was not there when the host was told how long to wait. */
typedef struct { EXEC_FRAME; gate *gate; } lingers;
EXEC_ASYNC(lingers) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_FINALLY;
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_END;
}
static void an_abort_between_prepare_and_turn_whose_cleanup_awaits_calls_the_host_back(void **state) {
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        exec ex;
        exec_config config = waker_config();
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        gate g = { .open = 0 };
        config.virtual_clock = 1;
        config.cleanup_ns = EXEC_MS(10);
        assert_int_equal(exec_init(&ex, &config), 0);
        g.refuse = kill;                                /* the kernel owns it */
        assert_int_equal(EXEC_SPAWN(&ex, &opts, lingers, .gate = &g), 0);
        assert_int_equal(exec_turn(&ex), 1);
        assert_int_equal(exec_prepare(&ex), EXEC_NEVER);
        assert_false(readable(&ex));
        assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
        assert_true(readable(&ex));
        assert_int_equal(exec_turn(&ex), 0);
        if (!kill) assert_int_equal(exec_prepare(&ex), 0);      /* the clock has jumped to the end of its time */
        else gate_open(&g, 0);
        assert_int_equal(exec_run(&ex), 0);
        close_exec(&ex);
    }
}

/* ---------------------------------------------------------------------------------------- remotes */

static void posted(exec *ex, void *arg) {
    trace(ex ? (const char *)arg : "NULL");
}
static void reposted(exec *ex, void *arg) {
    exec_post *post = (exec_post *)arg;
    trace(ex ? "first" : "NULL");
    if (ex) {
        exec_remote remote;
        assert_int_equal(exec_remote_get(ex, &remote), 0);
        assert_int_equal(exec_remote_post(&remote, post, posted, (void *)(uintptr_t)"again"), 0);
        exec_remote_drop(&remote);
    }
}
static char word_a[] = "a", word_b[] = "b";
static void posts_run_in_order_on_the_owners_thread(void **state) {
    exec ex;
    exec_remote remote, clone;
    exec_post a, b;
    (void)state;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    open_wakers(&ex);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    clone = exec_remote_clone(&remote);
    assert_int_equal(stats(&ex).cells, 2);
    assert_int_equal(exec_remote_post(&remote, &a, posted, word_a), 0);
    assert_int_equal(exec_remote_post(&clone, &b, posted, word_b), 0);
    assert_int_equal(exec_remote_post(&clone, &a, posted, word_b), -EBUSY);
    expect_trace("");
    assert_int_equal(exec_turn(&ex), 0);
    expect_trace("a b");
    assert_int_equal(exec_remote_post(&clone, &a, reposted, &a), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    expect_trace("first again");
    /* those pending at destroy are told so */
    assert_int_equal(exec_remote_post(&remote, &a, reposted, &a), 0);
    exec_remote_drop(&clone);
    assert_null(clone.port);
    assert_int_equal(exec_destroy(&ex, 0), 0);
    expect_trace("first NULL");
    assert_int_equal(exec_remote_post(&remote, &b, posted, word_b), -ECANCELED);
    assert_int_equal(exec_remote_stop(&remote), -ECANCELED);
    assert_int_equal(exec_remote_dump(&remote), -ECANCELED);
    expect_trace("");
    exec_remote_drop(&remote);
    exec_remote_drop(&remote);
}

#if !EXEC_NO_MALLOC
typedef struct { EXEC_FRAME; int id; } small;
EXEC_ASYNC(small) {
    EXEC_BEGIN;
    EXEC_YIELD;
    trace_number("small ", self->id);
    EXEC_END;
}
static void a_remote_spawns_stops_and_dumps(void **state) {
    exec ex;
    exec_remote remote;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(EXEC_REMOTE_SPAWN(&remote, small, .id = 1), 0);
    assert_int_equal(EXEC_REMOTE_SPAWN(&remote, small, .id = 2), 0);
    assert_int_equal(stats(&ex).tasks, 0);
    assert_int_equal(exec_remote_dump(&remote), 0);
    exec_turn(&ex);
    expect_trace("small 1 small 2");
    expect_words(log_text, "2 tasks\ntask small scheduled\n");
    assert_int_equal(exec_remote_stop(&remote), 0);
    assert_int_equal(EXEC_REMOTE_SPAWN(&remote, small, .id = 3), 0);
    assert_int_equal(exec_run(&ex), 1);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("small 3");
    /* one that did not start before destroy never runs */
    assert_int_equal(EXEC_REMOTE_SPAWN(&remote, small, .id = 4), 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
    assert_int_equal(EXEC_REMOTE_SPAWN(&remote, small, .id = 5), -ECANCELED);
    expect_trace("");
    exec_remote_drop(&remote);
}
#endif

/* --------------------------------------------------------------------------------------- oneshots */

typedef struct { EXEC_FRAME; exec_oneshot *one; intptr_t *value; int twice; exec_oneshot_op op; } receives;
EXEC_ASYNC(receives) {
    EXEC_BEGIN;
    EXEC_TRY(exec_oneshot_recv(&self->op, self->one));
    *self->value = self->op.value;
    if (self->twice) {
        EXEC_TRY(exec_oneshot_recv(&self->op, self->one));
        assert_int_equal(self->op.value, *self->value);
    }
    EXEC_END;
}
static void a_oneshot_is_sent_before_and_after_it_is_waited_for(void **state) {
    exec ex;
    exec_oneshot one;
    exec_handle h;
    intptr_t value = 0;
    (void)state;
    open_wakers(&ex);
    for (int after = 0; after < 2; after++) {
        exec_opts opts = waker_opts(&h, (unsigned)after);
        exec_oneshot_init(&one);
        if (!after) assert_int_equal(exec_oneshot_send(&one, 41), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, receives, .one = &one, .value = &value, .twice = 1), 0);
        exec_turn(&ex);
        if (after) {
            assert_int_equal(value, 0);
            exec_wake(h.task);                          /* spurious */
            assert_int_equal(exec_turn(&ex), 1);
            assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
            assert_int_equal(exec_oneshot_send(&one, 41), 0);
        }
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(value, 41);
        assert_int_equal(exec_handle_result(&h), 0);
        exec_oneshot_close(&one, NULL);
        assert_int_equal(one.references, 0);
        value = 0;
    }
    close_exec(&ex);
}

static void an_abandoned_or_closed_oneshot_says_epipe(void **state) {
    exec ex;
    exec_oneshot one;
    exec_handle h;
    intptr_t value = 0;
    (void)state;
    open_wakers(&ex);
    for (int after = 0; after < 2; after++) {
        exec_opts opts = waker_opts(&h, (unsigned)after);
        exec_oneshot_init(&one);
        if (!after) exec_oneshot_abandon(&one);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, receives, .one = &one, .value = &value), 0);
        exec_turn(&ex);
        if (after) exec_oneshot_abandon(&one);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), -EPIPE);
        exec_oneshot_close(&one, NULL);
    }
    exec_oneshot_init(&one);
    exec_oneshot_close(&one, NULL);
    assert_int_equal(exec_oneshot_send(&one, 3), -EPIPE);
    assert_int_equal(one.references, 0);
    close_exec(&ex);
}

/* Cancelled while it waits: the value is still in the oneshot, for another receiver. */
static void a_oneshot_has_one_receiver_at_a_time(void **state) {
    exec ex;
    exec_oneshot one;
    exec_handle h, other;
    exec_opts opts = waker_opts(&h, 0), second = waker_opts(&other, 1);
    intptr_t value = 0;
    (void)state;
    open_wakers(&ex);
    exec_oneshot_init(&one);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, receives, .one = &one, .value = &value), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &second, receives, .one = &one, .value = &value), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_result(&other), -EBUSY);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_oneshot_send(&one, 5), 0);
    second = waker_opts(&other, 2);
    assert_int_equal(EXEC_SPAWN(&ex, &second, receives, .one = &one, .value = &value), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(value, 5);
    exec_oneshot_close(&one, NULL);
    close_exec(&ex);
}

/* So it is freed once, whoever got it: given to a recv; sent after the recv was cancelled; refused. */
static void a_close_hands_out_what_was_sent(void **state) {
    exec ex;
    exec_oneshot one;
    exec_handle h;
    intptr_t value = 0, left = 0;
    (void)state;
    open_wakers(&ex);
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        exec_opts opts = waker_opts(&h, (unsigned)cancelled);
        exec_oneshot_init(&one);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, receives, .one = &one, .value = &value), 0);
        exec_turn(&ex);
        if (cancelled) assert_int_equal(exec_handle_abort(&h), 0);
        if (cancelled) assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_oneshot_send(&one, 41 + cancelled), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(value, 41);                    /* the second got none */
        assert_int_equal(exec_oneshot_close(&one, &left), 1);
        assert_int_equal(left, 41 + cancelled);
        assert_int_equal(one.references, 0);
    }
    exec_oneshot_init(&one);
    left = 7;
    assert_int_equal(exec_oneshot_close(&one, &left), 0);
    assert_int_equal(left, 7);
    assert_int_equal(exec_oneshot_send(&one, 3), -EPIPE);
    exec_oneshot_init(&one);
    exec_oneshot_abandon(&one);
    assert_int_equal(exec_oneshot_close(&one, &left), 0);
    assert_int_equal(left, 7);
    close_exec(&ex);
}

static void wrong_close(void) {
    exec ex;
    static exec_oneshot one;
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    intptr_t value = 0;
    open_wakers(&ex);
    exec_oneshot_init(&one);
    if (EXEC_SPAWN(&ex, &opts, receives, .one = &one, .value = &value) < 0) return;
    exec_turn(&ex);
    exec_oneshot_close(&one, NULL);
}
static void closing_a_oneshot_that_is_waited_for_says_so(void **state) {
    (void)state;
    dies_saying(wrong_close, "exec_oneshot_close while a task waits for it: cancel it first");
}

/* ---------------------------------------------------------------------------------------- threads */

#if !EXEC_NO_THREADS
/* The thread that ran the executor last is the local one. */
typedef struct { exec *ex; exec_waker *waker; } other_owner;
static void *other_owner_thread(void *arg) {
    const other_owner *o = (const other_owner *)arg;
    exec_turn(o->ex);
    exec_waker_wake(o->waker);
    exec_turn(o->ex);
    return NULL;
}
static void a_wake_is_local_to_the_thread_that_runs_the_executor(void **state) {
    exec ex;
    exec_waker w = { 0 };
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    other_owner o = { &ex, &w };
    pthread_t thread;
    int polls = 0, stop = 0;
    (void)state;
    open_wakers(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    exec_turn(&ex);
    assert_int_equal(pthread_create(&thread, NULL, other_owner_thread, &o), 0);
    pthread_join(thread, NULL);
    assert_int_equal(polls, 2);
    assert_int_equal(stats(&ex).cross_wakes, 0);
    exec_waker_wake(&w);                        /* not ours any more */
    exec_turn(&ex);
    assert_int_equal(stats(&ex).cross_wakes, 1);
    stop = 1;
    exec_waker_wake_drop(&w);                   /* now it is */
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(stats(&ex).cross_wakes, 1);
    assert_int_equal(polls, 4);
    close_exec(&ex);
}


static unsigned rounds(unsigned n) { return getenv("EXEC_TEST_LONG") ? n * 10 : n; }

/* A thread that asks and waits for the answer: hangs if a wake is lost. */
typedef struct { exec_waker waker; int ask, answered; unsigned rounds, me; } pinger;
static int pinger_asked(pinger *p) { return GET(&p->ask); }
typedef struct { EXEC_FRAME; pinger *p; int *ready; unsigned i; } ponger;
EXEC_ASYNC(ponger) {
    EXEC_BEGIN;
    {
        int status = exec_waker_get(cx, &self->p->waker);
        if (status < 0) EXEC_RETURN(status);
    }
    ADD(self->ready, 1);
    for (self->i = 0; self->i < self->p->rounds; self->i++) {
        EXEC_WAIT_UNTIL(pinger_asked(self->p));
        SET(&self->p->ask, 0);
        ADD(&self->p->answered, 1);
    }
    EXEC_END;
}
static void *pinger_thread(void *arg) {
    pinger *p = (pinger *)arg;
    for (unsigned i = 0; i < p->rounds; i++) {
        exec_waker copy = exec_waker_clone(&p->waker);
        SET(&p->ask, 1);
        if (i % 3 == 0) exec_waker_wake(&copy);
        if (i % 3 == 1) exec_waker_wake_signal(&copy);
        if (i % 3 == 2) exec_waker_wake_drop(&copy);
        else exec_waker_drop(&copy);
        while (GET(&p->answered) != (int)i + 1) sched_yield();
    }
    exec_waker_drop(&p->waker);
    return NULL;
}
static void wakers_wake_from_other_threads_and_no_wake_is_lost(void **state) {
    exec ex;
    pinger p[4];
    pthread_t threads[4];
    int ready = 0;
    (void)state;
    open_wakers(&ex);
    memset(p, 0, sizeof p);
    for (unsigned i = 0; i < 4; i++) {
        exec_opts opts = waker_opts(NULL, i);
        p[i].rounds = rounds(3000);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, ponger, .p = &p[i], .ready = &ready), 0);
    }
    exec_turn(&ex);
    assert_int_equal(ready, 4);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, pinger_thread, &p[i]), 0);
    assert_int_equal(exec_run(&ex), 0);
    for (unsigned i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    /* only who replaced PARKED writes */
    assert_true(GET(&writes_made) <= stats(&ex).parks);
    assert_true(stats(&ex).cross_wakes > 0);
    close_exec(&ex);
}

static exec_waker signal_waker;
static int signal_stop;
static void on_signal(int number) {
    (void)number;
    SET(&signal_stop, 1);
    exec_waker_wake_signal(&signal_waker);
}
static void *signaller(void *arg) {
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}
static void a_signal_handler_wakes(void **state) {
    struct sigaction action, before;
    (void)state;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    for (int from = 0; from < 3; from++) {      /* the owner, before it runs and before it waits, and another thread */
        exec ex;
        pthread_t owner = pthread_self(), thread = owner;
        exec_handle h;
        exec_opts opts = waker_opts(&h, 0);
        int polls = 0;
        open_wakers(&ex);
        SET(&signal_stop, 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &signal_waker, .polls = &polls,
                                    .stop = &signal_stop), 0);
        exec_turn(&ex);
        if (from == 0) raise(SIGUSR1);
        else if (from == 1) signal_before_a_wait = SIGUSR1;
        else assert_int_equal(pthread_create(&thread, NULL, signaller, &owner), 0);
        assert_int_equal(exec_run(&ex), 0);
        if (from == 2) pthread_join(thread, NULL);
        assert_int_equal(stats(&ex).cross_wakes, 1);
        exec_waker_drop(&signal_waker);
        close_exec(&ex);
    }
    sigaction(SIGUSR1, &before, NULL);
}

typedef struct { exec_waker waker; unsigned level; } canceller;
static void *cancel_thread(void *arg) {
    canceller *c = (canceller *)arg;
    if (c->level == EXEC_KILL) {
        exec_waker_kill(&c->waker);
        exec_waker_abort(&c->waker);        /* does not take the kill back */
    } else exec_waker_abort(&c->waker);
    exec_waker_drop(&c->waker);
    return NULL;
}
typedef struct { EXEC_FRAME; exec_waker *out; gate *gate, *clean; } stubborn;
EXEC_ASYNC(stubborn) {
    EXEC_BEGIN;
    {
        int status = exec_waker_get(cx, self->out);
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_FINALLY;
    trace("clean");
    EXEC_AWAIT(gate_wait(self->clean));
    trace("done");
    EXEC_END;
}
static void abort_and_kill_from_other_threads(void **state) {
    (void)state;
    for (unsigned level = EXEC_CANCEL; level <= EXEC_KILL; level++) {
        exec ex;
        gate g = { 0 }, clean = { .open = level == EXEC_CANCEL };
        pthread_t thread;
        canceller c = { .level = level };
        exec_handle h;
        exec_opts opts = waker_opts(&h, 0);
        open_wakers(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, stubborn, .out = &c.waker, .gate = &g, .clean = &clean), 0);
        exec_turn(&ex);
        assert_int_equal(pthread_create(&thread, NULL, cancel_thread, &c), 0);
        assert_int_equal(exec_run(&ex), 0);
        pthread_join(thread, NULL);
        expect_trace("clean done");
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        close_exec(&ex);
    }
}

#if !EXEC_NO_MALLOC
static int live_blocks;
static void *shared_allocate(void *user, size_t bytes, size_t align) {
    (void)user; (void)align;
    ADD(&live_blocks, 1);
    return malloc(bytes);
}
static void shared_release(void *user, void *memory, size_t bytes, size_t align) {
    (void)user; (void)bytes; (void)align;
    ADD(&live_blocks, -1);
    free(memory);
}

static void *late_thread(void *arg) {
    exec_waker *w = (exec_waker *)arg;
    exec_waker copy = exec_waker_clone(w);
    exec_waker_wake(w);
    exec_waker_abort(w);
    exec_waker_wake_signal(w);
    exec_waker_wake_drop(w);
    exec_waker_drop(&copy);         /* the last one frees cell and port, on this thread */
    return NULL;
}
static void trap_06_after_destroy_the_last_waker_frees_its_cell_on_another_thread(void **state) {
    exec ex;
    exec_config config = quiet_config();
    exec_waker w = { 0 };
    exec_opts opts;
    pthread_t thread;
    int polls = 0, stop = 0;
    (void)state;
    trace_reset();
    memset(&opts, 0, sizeof opts);
    config.allocate = shared_allocate;
    config.release = shared_release;
    live_blocks = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sleeper, .out = &w, .polls = &polls, .stop = &stop), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
    memset(&ex, 0xEE, sizeof ex);
    assert_int_equal(live_blocks, 2);
    assert_int_equal(pthread_create(&thread, NULL, late_thread, &w), 0);
    pthread_join(thread, NULL);
    assert_int_equal(GET(&live_blocks), 0);
}

/* Threads clone, wake, abort, kill and drop at random while tasks end, slots are taken again, and in the
   end the executor goes. */
#define BOXES 8
typedef struct { pthread_mutex_t lock; exec_waker waker[BOXES]; int over; } mailbox;
static mailbox box;
typedef struct { EXEC_FRAME; unsigned place, left; int *ended; exec_waker mine; int published; gate never; } target;
static int target_spent(target *self) { return self->left-- == 0; }
EXEC_ASYNC(target) {
    EXEC_BEGIN;
    {
        int status = exec_waker_get(cx, &self->mine);
        if (status < 0) EXEC_RETURN(status);
    }
    pthread_mutex_lock(&box.lock);
    box.waker[self->place] = self->mine;
    pthread_mutex_unlock(&box.lock);
    self->published = 1;
    EXEC_WAIT_UNTIL(target_spent(self));
    EXEC_FINALLY;
    if (self->published) {
        pthread_mutex_lock(&box.lock);
        box.waker[self->place].cell = NULL;
        pthread_mutex_unlock(&box.lock);
        exec_waker_drop(&self->mine);
    }
    ++*self->ended;
    EXEC_END;
}
typedef struct { EXEC_FRAME; unsigned place; unsigned rounds; int *ended; exec_pool *pool; exec_handle h;
                 exec_handle_op join; unsigned i; } respawner;
EXEC_ASYNC(respawner) {
    EXEC_BEGIN;
    for (; self->i < self->rounds; self->i++) {
        {
            exec_opts opts;
            memset(&opts, 0, sizeof opts);
            opts.pool = self->pool;
            opts.handle = &self->h;
            assert_int_equal(EXEC_SPAWN(cx->exec, &opts, target, .place = self->place, .left = self->i % 4,
                                        .ended = self->ended), 0);
        }
        EXEC_AWAIT(exec_handle_join(&self->join, &self->h));
    }
    EXEC_FINALLY;
    exec_handle_detach(&self->h);
    EXEC_END;
}
static void *racer(void *arg) {
    uint64_t random = (uint64_t)(uintptr_t)arg * 0x9E3779B97F4A7C15u | 1;
    exec_waker kept = { NULL };     /* over the end of its task, the next ones in its slot, and of the executor */
    while (!GET(&box.over)) {
        exec_waker w;
        if (kept.cell) exec_waker_wake(&kept);
        random ^= random >> 12; random ^= random << 25; random ^= random >> 27;
        pthread_mutex_lock(&box.lock);
        w = box.waker[random % BOXES];
        if (w.cell) w = exec_waker_clone(&w);
        pthread_mutex_unlock(&box.lock);
        if (!w.cell) {
            sched_yield();
            continue;
        }
        switch (random >> 40 & 7) {
        case 0: exec_waker_abort(&w); break;
        case 1: exec_waker_kill(&w); break;
        case 2: exec_waker_wake_signal(&w); break;
        default: exec_waker_wake(&w); break;
        }
        if (!(random >> 44 & 63)) {
            exec_waker_drop(&kept);
            kept = w;
        } else if (random >> 50 & 1) {
            exec_waker_wake_drop(&w);
        } else {
            exec_waker_drop(&w);
        }
    }
    exec_waker_drop(&kept);
    return NULL;
}
static void trap_04_wakes_race_completion_cancel_reuse_and_destroy(void **state) {
    static EXEC_SLOT(target) slots[BOXES];
    (void)state;
    for (unsigned round = 0; round < rounds(6); round++) {
        exec ex;
        exec_config config = quiet_config();
        exec_pool pool;
        pthread_t threads[3];
        int ended = 0, started = 0;
        config.allocate = shared_allocate;
        config.release = shared_release;
        live_blocks = 0;
        memset(&box, 0, sizeof box);
        pthread_mutex_init(&box.lock, NULL);
        assert_int_equal(exec_init(&ex, &config), 0);
        assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
        for (unsigned i = 0; i < BOXES; i++)
            assert_int_equal(EXEC_SPAWN(&ex, NULL, respawner, .place = i, .rounds = 300, .ended = &ended,
                                        .pool = &pool), 0);
        for (uintptr_t i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, racer, (void *)(i + 1 + round * 3)), 0);
        if (round % 3 == 2) {       /* destroyed in the middle of it */
            while (ended < 1000) assert_true(exec_turn(&ex) >= 0);
        } else {
            assert_int_equal(exec_run(&ex), 0);
            assert_int_equal(ended, 300 * BOXES);
        }
        assert_int_equal(exec_check(&ex), 0);
        assert_int_equal(exec_destroy(&ex, EXEC_SEC(10)), 0);
        started = (int)stats(&ex).spawned - BOXES;
        assert_int_equal(started, ended);
        memset(&ex, 0xEE, sizeof ex);
        for (unsigned i = 0; i < 100; i++) sched_yield();       /* some wake what is gone */
        SET(&box.over, 1);
        for (unsigned i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        assert_int_equal(GET(&live_blocks), 0);
        pthread_mutex_destroy(&box.lock);
    }
}

/* Sends while the receiver waits, is cancelled, or has gone. */
typedef struct { exec_oneshot *one; int how; unsigned spin; int status; } sender;
static void *sender_thread(void *arg) {
    sender *s = (sender *)arg;
    for (volatile unsigned i = 0; i < s->spin; i++) continue;
    if (s->how) s->status = exec_oneshot_send(s->one, 7);
    else exec_oneshot_abandon(s->one);
    return NULL;
}
static void a_oneshot_races_its_cancel_and_its_close(void **state) {
    exec ex;
    exec_config config = quiet_config();
    (void)state;
    test_seed(4);
    config.allocate = shared_allocate;
    config.release = shared_release;
    live_blocks = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    for (unsigned i = 0; i < rounds(300); i++) {
        exec_handle h;
        exec_opts opts = { .handle = &h };
        intptr_t value = 0;
        pthread_t thread;
        sender s = { .how = test_below(4) != 0, .spin = test_below(30000) };
        assert_int_equal(exec_oneshot_create(&ex, &s.one), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, receives, .one = s.one, .value = &value), 0);
        exec_turn(&ex);
        {
            exec_oneshot *one = s.one;
            intptr_t left = 0;
            unsigned way = test_below(3);
            int was;
            assert_int_equal(pthread_create(&thread, NULL, sender_thread, &s), 0);
            for (volatile unsigned spin = test_below(30000); spin > 0; spin--) continue;
            if (way) exec_handle_abort(&h);
            assert_int_equal(exec_run(&ex), 0);
            if (way == 0) assert_int_equal(exec_handle_result(&h), s.how ? 0 : -EPIPE);
            if (exec_handle_state(&h) == EXEC_STATE_COMPLETED && s.how) assert_int_equal(value, 7);
            was = exec_oneshot_close(one, &left);
            pthread_join(thread, NULL);
            assert_true(s.status == 0 || s.status == -EPIPE);
            assert_int_equal(was, s.how && s.status == 0);
            assert_int_equal(left, was ? 7 : 0);
        }
    }
    close_exec(&ex);
    assert_int_equal(GET(&live_blocks), 0);
}

/* Posts, spawns and a stop from several threads. */
typedef struct { exec_remote remote; int *posts; unsigned rounds; } poster;
static void count_post(exec *ex, void *arg) {
    if (ex) ++*(int *)arg;
}
static int remote_runs;
typedef struct { EXEC_FRAME; int *runs; } remote_child;
EXEC_ASYNC(remote_child) {
    EXEC_BEGIN;
    EXEC_YIELD;
    ++*self->runs;
    EXEC_END;
}
static void *poster_thread(void *arg) {
    poster *p = (poster *)arg;
    static __thread exec_post posts[64];
    for (unsigned i = 0; i < p->rounds; i++) {
        exec_post *post = &posts[i % 64];
        while (exec_remote_post(&p->remote, post, count_post, p->posts) == -EBUSY) sched_yield();
        while (EXEC_REMOTE_SPAWN(&p->remote, remote_child, .runs = &remote_runs) < 0) sched_yield();
    }
    for (unsigned i = 0; i < 64; i++)       /* the posts are this thread's memory */
        while (EXEC__LOAD(&posts[i].cell.queued)) sched_yield();
    exec_remote_stop(&p->remote);
    exec_remote_drop(&p->remote);
    return NULL;
}
static void posts_spawns_and_stops_from_other_threads(void **state) {
    exec ex;
    poster p[3];
    pthread_t threads[3];
    exec_remote own;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = waker_opts(&h, 0);
    exec_waker keep = { 0 };
    int posts = 0, status;
    (void)state;
    open_wakers(&ex);
    remote_runs = 0;
    assert_int_equal(exec_remote_get(&ex, &own), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, stubborn, .out = &keep, .gate = &g, .clean = &g), 0);
    for (unsigned i = 0; i < 3; i++) {
        p[i].remote = exec_remote_clone(&own);
        p[i].posts = &posts;
        p[i].rounds = rounds(500);
        assert_int_equal(pthread_create(&threads[i], NULL, poster_thread, &p[i]), 0);
    }
    while (posts < (int)(3 * p[0].rounds)) {
        status = exec_run(&ex);
        assert_int_equal(status, 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        while (pthread_tryjoin_np(threads[i], NULL) != 0) exec_turn(&ex);
    }
    exec_turn(&ex);
    gate_open(&g, 0);
    while ((status = exec_run(&ex)) == 1) continue;
    assert_int_equal(status, 0);
    assert_int_equal(remote_runs, 3 * (int)p[0].rounds);
    exec_waker_drop(&keep);
    exec_remote_drop(&own);
    trace_reset();
    close_exec(&ex);
}
#endif

/* A foreign loop on this thread, wakes from others. */
static void a_wake_from_another_thread_makes_the_poll_fd_readable(void **state) {
    exec ex;
    pinger p = { .rounds = 200 };
    pthread_t thread;
    exec_opts opts = waker_opts(NULL, 0);
    int ready = 0;
    (void)state;
    open_wakers(&ex);
    p.rounds = rounds(500);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, ponger, .p = &p, .ready = &ready), 0);
    exec_turn(&ex);
    assert_int_equal(pthread_create(&thread, NULL, pinger_thread, &p), 0);
    while (stats(&ex).tasks) {
        int64_t timeout = exec_prepare(&ex);
        assert_true(timeout == 0 || timeout == EXEC_NEVER);
        if (timeout) {
            struct pollfd fd = { .fd = exec_poll_fd(&ex), .events = POLLIN };
            assert_int_equal(poll(&fd, 1, -1), 1);
        }
        assert_true(exec_turn(&ex) >= 0);
    }
    pthread_join(thread, NULL);
    close_exec(&ex);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_09_a_local_wake_never_touches_the_inbox),
        cmocka_unit_test(a_wake_after_completion_does_nothing),
        cmocka_unit_test(a_waker_of_a_handle),
        cmocka_unit_test(trap_06_a_waker_outlives_its_executor),
        cmocka_unit_test(without_a_heap_and_storage_there_is_no_waker),
        cmocka_unit_test(a_cell_of_the_callers_is_busy_while_a_waker_holds_it),
        cmocka_unit_test(any_wake_between_prepare_and_turn_makes_the_fd_readable),
        cmocka_unit_test(a_wake_that_a_signal_interrupts_arrives_and_errno_stays),
        cmocka_unit_test(an_abort_between_prepare_and_turn_whose_cleanup_awaits_calls_the_host_back),
        cmocka_unit_test(posts_run_in_order_on_the_owners_thread),
#if !EXEC_NO_MALLOC
        cmocka_unit_test(a_remote_spawns_stops_and_dumps),
#endif
        cmocka_unit_test(a_oneshot_is_sent_before_and_after_it_is_waited_for),
        cmocka_unit_test(an_abandoned_or_closed_oneshot_says_epipe),
        cmocka_unit_test(a_oneshot_has_one_receiver_at_a_time),
        cmocka_unit_test(a_close_hands_out_what_was_sent),
        cmocka_unit_test(closing_a_oneshot_that_is_waited_for_says_so),
#if !EXEC_NO_THREADS
        cmocka_unit_test(a_wake_is_local_to_the_thread_that_runs_the_executor),
        cmocka_unit_test(wakers_wake_from_other_threads_and_no_wake_is_lost),
        cmocka_unit_test(a_signal_handler_wakes),
        cmocka_unit_test(abort_and_kill_from_other_threads),
#if !EXEC_NO_MALLOC
        cmocka_unit_test(trap_06_after_destroy_the_last_waker_frees_its_cell_on_another_thread),
        cmocka_unit_test(trap_04_wakes_race_completion_cancel_reuse_and_destroy),
        cmocka_unit_test(a_oneshot_races_its_cancel_and_its_close),
        cmocka_unit_test(posts_spawns_and_stops_from_other_threads),
#endif
        cmocka_unit_test(a_wake_from_another_thread_makes_the_poll_fd_readable),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
