/* SPDX-License-Identifier: MIT
 * What EXEC_DEBUG refuses at run time: each mistake ends a child process with a message that says where and what
 * to do instead. (At compile time, and escaped locals: tests/fail. Awaits: also test_executor.c.) */
#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "table.h"

#include <sys/socket.h>
#if !EXEC_NO_THREADS
#include <pthread.h>
#endif

static exec ex;
static void must(int status) { if (status < 0) _exit(3); }

/* ------------------------------------------------------------------------------------- descriptors */

static exec_net net;
typedef struct { EXEC_FRAME; int fd; exec_io io; char c; } reads;
EXEC_ASYNC(reads) {
    EXEC_BEGIN;
    EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
    EXEC_END;
}
enum { READS_AT = __LINE__ - 3 };
static void open_net(int pair[2]) {
    exec_net_config config = table_config();
    open_exec(&ex);
    must(exec_net_attach(&net, &ex, EXEC_NO_MALLOC ? &config : NULL));
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}
static void close_net(const int pair[2]) {
    assert_int_equal(exec_destroy(&ex, 0), 0);
    close(pair[0]);
    close(pair[1]);
}

static void a_second_waiter_of_one_direction_is_refused(void **state) {
    exec_handle first, second;
    exec_opts opts = test_opts_handle(&first);
    char line[512];
    int pair[2];
    (void)state;
    open_net(pair);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, reads, .fd = pair[0]), 0);
    opts.handle = &second;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, reads, .fd = pair[0]), 0);
    assert_true(exec_turn(&ex) >= 0);
    assert_int_equal(exec_handle_result(&second), -EBUSY);
    snprintf(line, sizeof line, "test_debug.c:%d: descriptor %d is waited for already, at ", READS_AT, pair[0]);
    if (EXEC_DEBUG) assert_non_null(strstr(log_text, line));
    snprintf(line, sizeof line,
             "test_debug.c:%d: -EBUSY; one op a direction at a time, let one task do both or wait for it", READS_AT);
    if (EXEC_DEBUG) assert_non_null(strstr(log_text, line));
    close_net(pair);
}

#if EXEC_DEBUG
static gate opening;

/* The child's last words are "PATH/test_debug.c:LINE: advice". */
static void dies_at(void (*wrong)(void), int line, const char *advice) {
    char text[512];
    snprintf(text, sizeof text, "test_debug.c:%d: %s", line, advice);
    dies_saying(wrong, text);
}
/* Where the header says it. */
static void dies_in(void (*wrong)(void), const char *header, const char *advice) {
    char place[64];
    snprintf(place, sizeof place, "%s:", header);
    dies_saying(wrong, place);
    dies_saying(wrong, advice);
}

typedef struct { EXEC_FRAME; } sits;
EXEC_ASYNC(sits) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(&opening));
    EXEC_END;
}
enum { SITS_AT = __LINE__ - 3 };

static exec_handle handle;
static void spawn_sitter(void) {
    exec_opts opts = test_opts_handle(&handle);
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, &opts, sits));
    must(exec_turn(&ex));
}

/* ------------------------------------------------------------------------------- the wrong thread */

#if !EXEC_NO_THREADS
static void on_another_thread(void *(*run)(void *)) {
    pthread_t thread;
    spawn_sitter();
    if (pthread_create(&thread, NULL, run, NULL) == 0) pthread_join(thread, NULL);
}
static void *thread_wakes(void *arg) { exec_wake(handle.task); return arg; }
static void *thread_opens(void *arg) { gate_open(&opening, 0); return arg; }
static void *thread_spawns(void *arg) { must(EXEC_SPAWN(&ex, test_opts(), sits)); return arg; }
static void *thread_aborts(void *arg) { exec_handle_abort(&handle); return arg; }
static void *thread_kills(void *arg) { exec_handle_kill(&handle); return arg; }
static void *thread_starts(void *arg) { return EXEC_START((sits *)arg) < 0 ? arg : NULL; }
static void starts_elsewhere(void) {
    pthread_t thread;
    sits *s;
    open_exec(&ex);
    s = EXEC_CLAIM(&ex, test_opts(), sits);
    if (s && pthread_create(&thread, NULL, thread_starts, s) == 0) pthread_join(thread, NULL);
}
static void wakes_elsewhere(void) { on_another_thread(thread_wakes); }
static void opens_elsewhere(void) { on_another_thread(thread_opens); }
static void spawns_elsewhere(void) { on_another_thread(thread_spawns); }
static void aborts_elsewhere(void) { on_another_thread(thread_aborts); }
static void kills_elsewhere(void) { on_another_thread(thread_kills); }
#endif

static void the_wrong_thread_is_refused(void **state) {
    (void)state;
#if !EXEC_NO_THREADS
    dies_at(wakes_elsewhere, SITS_AT, "exec_wake from another thread: take an exec_waker and wake that");
    dies_in(starts_elsewhere, "test_debug.c", "exec_wake from another thread: take an exec_waker and wake that");
    dies_at(opens_elsewhere, SITS_AT, "exec_wake from another thread: take an exec_waker and wake that");
    dies_in(spawns_elsewhere, "exec.h", "a spawn from another thread: use EXEC_REMOTE_SPAWN or exec_remote_post");
    dies_at(aborts_elsewhere, SITS_AT, "an abort or kill from another thread: use exec_waker_abort or exec_waker_kill");
    dies_at(kills_elsewhere, SITS_AT, "an abort or kill from another thread: use exec_waker_abort or exec_waker_kill");
#else
    skip();
#endif
}

/* ---------------------------------------------------------------------------------- double awaits */

typedef struct { EXEC_FRAME; exec_future *what; } awaits;
EXEC_ASYNC(awaits) {
    EXEC_BEGIN;
    EXEC_AWAIT(self->what);
    EXEC_END;
}
enum { AWAITS_AT = __LINE__ - 3 };
static void awaits_what_another_awaits(void) {
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), awaits, .what = gate_wait(&opening)));
    must(EXEC_SPAWN(&ex, test_opts(), awaits, .what = &opening.fut));
    must(exec_turn(&ex));
}
static void awaits_nothing(void) {
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), awaits));
    must(exec_turn(&ex));
}
/* One op, which each await prepares for itself. */
typedef struct { EXEC_FRAME; sits *shared; exec_sleep_op *nap; exec_select_op either; } shares;
EXEC_ASYNC(shares) {
    EXEC_BEGIN;
    if (self->nap) {
        EXEC_AWAIT(exec_select(&self->either, exec_sleep(self->nap, 1), exec_sleep(self->nap, 2)));
    }
    EXEC_AWAIT(EXEC_CALL(self->shared, sits));
    EXEC_END;
}
enum { SHARES_AT = __LINE__ - 3 };
static void awaits_the_op_of_another(void) {
    spawn_sitter();
    must(EXEC_SPAWN(&ex, test_opts(), sits));
    must(exec_turn(&ex));
}
static void awaits_the_child_of_another(void) {
    static sits child;
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), shares, .shared = &child));
    must(exec_turn(&ex));
    must(EXEC_SPAWN(&ex, test_opts(), shares, .shared = &child));
    must(exec_turn(&ex));
}
static void awaits_an_op_twice_at_once(void) {
    static exec_timers timers;
    static exec_sleep_op nap;
    open_exec(&ex);
    must(exec_timers_attach(&timers, &ex));
    must(EXEC_SPAWN(&ex, test_opts(), shares, .nap = &nap));
    must(exec_turn(&ex));
}
static void a_double_await_is_refused(void **state) {
    char other[64];
    (void)state;
    dies_at(awaits_what_another_awaits, AWAITS_AT, "an await of a future that another one awaits already");
    dies_at(awaits_nothing, AWAITS_AT, "an await of a future that was not prepared");
    dies_at(awaits_the_op_of_another, SITS_AT, "an await of an op (gate) that another await, of ");
    snprintf(other, sizeof other, "test_debug.c:%d, has not done with: one op for each", SITS_AT);
    dies_saying(awaits_the_op_of_another, other);
    dies_at(awaits_the_child_of_another, SITS_AT, "an await of an op (gate) that another await, of ");
    dies_at(awaits_an_op_twice_at_once, SHARES_AT - 2, "an await of an op (sleep) that another await, of ");
}

/* ------------------------------------------------------------------- wakers and remotes that were dropped */

static int dropped_use;
static void nothing_runs(exec *where, void *arg) { (void)where; (void)arg; }
static void uses_a_dropped_waker(void) {
    exec_waker none = { NULL };
    switch (dropped_use) {
    case 0: exec_waker_wake(&none); break;
    case 1: exec_waker_wake_drop(&none); break;
    case 2: none = exec_waker_clone(&none); break;
    case 3: exec_waker_abort(&none); break;
    case 4: exec_waker_kill(&none); break;
#if !EXEC_NO_THREADS
    default: exec_waker_wake_signal(&none); break;
#else
    default: exec_waker_wake(&none); break;
#endif
    }
}
static void uses_a_dropped_remote(void) {
    static exec_post post;
    exec_remote none = { NULL };
    switch (dropped_use) {
    case 0: (void)exec_remote_stop(&none); break;
    case 1: (void)exec_remote_dump(&none); break;
    case 2: none = exec_remote_clone(&none); break;
    case 3: (void)exec_remote_post(&none, &post, nothing_runs, NULL); break;
#if !EXEC_NO_MALLOC
    default: dropped_use = EXEC_REMOTE_SPAWN(&none, sits); break;
#else
    default: (void)exec_remote_stop(&none); break;
#endif
    }
}
static void a_dropped_waker_or_remote_is_refused(void **state) {
    (void)state;
    for (dropped_use = 0; dropped_use < 6; dropped_use++)
        dies_in(uses_a_dropped_waker, "exec.h", "a waker is used that was dropped, or never made");
    for (dropped_use = 0; dropped_use < 5; dropped_use++)
        dies_in(uses_a_dropped_remote, "exec.h", "a remote is used that was dropped, or never made");
}

/* ------------------------------------------------------------------------------- polls that do not say */

typedef struct { EXEC_FRAME; exec_select_op either; gate inner; always other; } returns;
EXEC_ASYNC(returns) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_select(&self->either, gate_wait(&self->inner), always_ready(&self->other)));
    if (self) return 0;
    EXEC_END;
}
enum { RETURNS_AT = __LINE__ - 4 };
typedef struct { EXEC_FRAME; returns child; } calls;
EXEC_ASYNC(calls) {
    EXEC_BEGIN;
    EXEC_AWAIT(EXEC_CALL(&self->child, returns));
    EXEC_END;
}
static void returns_from_a_body(void) {
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), returns));
    must(exec_turn(&ex));
}
static void returns_from_a_child(void) {
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), calls));
    must(exec_turn(&ex));
}
static exec_poll silent_poll(exec_cx *cx, exec_future *f) { (void)cx; return (exec_poll)(void *)f; }
static const exec_type silent_type = { silent_poll, NULL, NULL, "silent", "silent.c", 0, 0, 0 };
static void pends_without_a_word(void) {
    static exec_future silent;
    exec_future_init(&silent, &silent_type);
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), awaits, .what = &silent));
    must(exec_turn(&ex));
}
static void a_return_from_a_coroutine_is_refused(void **state) {
    static const char advice[] = "a poll returned without exec_pending or exec_ready: leave a coroutine by "
        "EXEC_RETURN, never by return (the line is that of its last await)";
    (void)state;
    dies_at(returns_from_a_body, RETURNS_AT, advice);
    dies_at(returns_from_a_child, RETURNS_AT, advice);
    dies_saying(pends_without_a_word, "silent.c:0: a poll returned without exec_pending or exec_ready");
}

/* ------------------------------------------------------------------------ an executor that is none */

static exec never_made;
static void spawns_into_none(void) { must(EXEC_SPAWN(&never_made, test_opts(), sits)); }
static void runs_none(void) { must(exec_run(&never_made)); }
static void spawns_into_a_copy(void) {
    static exec copy;
    open_exec(&ex);
    memcpy(&copy, &ex, sizeof ex);
    must(EXEC_SPAWN(&copy, test_opts(), sits));
}
static void an_executor_that_was_not_made_is_refused(void **state) {
    static const char advice[] = "an executor that exec_init has not made: call it before, and leave the executor "
        "where it is";
    (void)state;
    dies_in(spawns_into_none, "exec.h", advice);
    dies_in(runs_none, "exec.h", advice);
    dies_in(spawns_into_a_copy, "exec.h", advice);
}

/* ------------------------------------------------------------------------- a frame freed while pending */

/* Another task awaits what is in its frame. */
typedef struct { EXEC_FRAME; gate inner; exec_future **out; int ends; } lends;
EXEC_ASYNC(lends) {
    EXEC_BEGIN;
    *self->out = gate_wait(&self->inner);
    EXEC_WAIT_UNTIL(self->ends++);
    EXEC_END;
}
static exec_future *lent;
static void awaits_in_a_frame_that_ends(void) {
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), lends, .out = &lent));
    must(exec_turn(&ex));
    must(EXEC_SPAWN(&ex, test_opts(), awaits, .what = lent));
    must(exec_turn(&ex));
    exec_wake(exec__list_first(&ex, 0));
    must(exec_turn(&ex));
}
/* The same in a branch of another task, which is the 501st. */
typedef struct { EXEC_FRAME; exec_race_op race; gate own; } races;
EXEC_ASYNC(races) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_race(&self->race, gate_wait(&self->own), lent));
    EXEC_END;
}
enum { RACES_AT = __LINE__ - 3, CROWD = EXEC_NO_MALLOC ? 200 : 500 };
static void a_branch_awaits_in_a_frame_that_ends(void) {
    static gate gates[CROWD];
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), lends, .out = &lent));
    must(exec_turn(&ex));
    for (int i = 0; i < CROWD; i++) must(EXEC_SPAWN(&ex, test_opts(), awaits, .what = gate_wait(&gates[i])));
    must(EXEC_SPAWN(&ex, test_opts(), races));
    while (ex.last) must(exec_turn(&ex));
    exec_wake(exec__list_first(&ex, 0));
    must(exec_turn(&ex));
}
/* A leaf that ends and leaves behind what wakes its task. */
typedef struct { exec_future fut; exec_timer timer; exec_waiter waiter; int fd; unsigned interest; } forgets;
static exec_poll forgets_poll(exec_cx *cx, exec_future *f) {
    forgets *op = (forgets *)(void *)f;
    if (exec_canceled(f)) return exec_ready(f, -ECANCELED);
    if (f->resume++) return exec_pending(cx, f);
    if (op->fd >= 0) must(exec_net_register(&net, &op->waiter, op->fd, op->interest, cx->task));
    else if (!exec_timer_arm(exec_timers_of(cx->exec), &op->timer, EXEC_SEC(1000000), cx->task)) _exit(3);
    return exec_pending(cx, f);
}
static const exec_type forgets_type = { forgets_poll, NULL, NULL, "forgets", "forgets.c", 0, 0, 0 };
static void ends_a_leaf_that_forgets(int fd, unsigned interest) {
    static forgets op;              /* not in the frame: what counts is whom it wakes */
    exec_opts opts = test_opts_handle(&handle);
    exec_future_init(&op.fut, &forgets_type);
    op.fd = fd;
    op.interest = interest;
    must(EXEC_SPAWN(&ex, &opts, awaits, .what = &op.fut));
    must(exec_turn(&ex));
    exec_handle_abort(&handle);
}
static void leaves_a_timer(void) {
    int pair[2];
    open_net(pair);
    ends_a_leaf_that_forgets(-1, 0);
}
static void leaves_a_waiter(void) {
    int pair[2];
    open_net(pair);
    ends_a_leaf_that_forgets(pair[0], EXEC_READABLE);
}
static void leaves_a_waiter_to_write(void) {
    int pair[2];
    open_net(pair);
    ends_a_leaf_that_forgets(pair[0], EXEC_WRITABLE);
}
/* A timer in its frame that wakes another task. */
typedef struct { EXEC_FRAME; exec_timer timer; } arms;
EXEC_ASYNC(arms) {
    EXEC_BEGIN;
    EXEC_YIELD;
    if (!exec_timer_arm(exec_timers_of(cx->exec), &self->timer, EXEC_SEC(1000000), handle.task)) _exit(3);
    EXEC_END;
}
enum { ARMS_AT = __LINE__ - 4 };
static void leaves_a_timer_for_another(void) {
    static exec_timers timers;
    spawn_sitter();
    must(exec_timers_attach(&timers, &ex));
    must(EXEC_SPAWN(&ex, test_opts(), arms));
    must(exec_turn(&ex));
    must(exec_turn(&ex));
}
/* And such a waiter. */
typedef struct { EXEC_FRAME; exec_waiter waiter; int fd; } registers;
EXEC_ASYNC(registers) {
    EXEC_BEGIN;
    EXEC_YIELD;
    must(exec_net_register(&net, &self->waiter, self->fd, EXEC_WRITABLE, handle.task));
    EXEC_END;
}
enum { REGISTERS_AT = __LINE__ - 4 };
static void leaves_a_waiter_for_another(void) {
    exec_opts opts = test_opts_handle(&handle);
    int pair[2];
    open_net(pair);
    must(EXEC_SPAWN(&ex, &opts, sits));
    must(exec_turn(&ex));
    must(EXEC_SPAWN(&ex, test_opts(), registers, .fd = pair[0]));
    must(exec_turn(&ex));
    must(exec_turn(&ex));
}
/* A handle of it is linked in a task that goes on. */
typedef struct { EXEC_FRAME; exec_handle of_another; int rest; } watches;
EXEC_ASYNC(watches) {
    EXEC_BEGIN;
    exec_handle_copy(&self->of_another, &handle);
    EXEC_YIELD;
    if (self->rest) exec_handle_detach(&self->of_another);
    EXEC_END;
}
enum { WATCHES_AT = __LINE__ - 4 };
static void ends_with_a_linked_handle(void) {
    spawn_sitter();
    must(EXEC_SPAWN(&ex, test_opts(), watches));
    must(exec_turn(&ex));
    must(exec_turn(&ex));
}
static void wakes_one_that_is_over(void) {
    static EXEC_SLOT(sits) slot;
    exec_opts opts;
    exec_task *task;
    memset(&opts, 0, sizeof opts);
    opts.storage = &slot;
    opts.storage_bytes = sizeof slot;
    opts.handle = &handle;
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, &opts, sits));
    must(exec_turn(&ex));
    task = handle.task;
    exec_handle_abort(&handle);
    exec_wake(task);
}
/* The wheel of one executor, the task of another. */
static void arms_the_wheel_of_another(void) {
    static exec other;
    static exec_timers timers;
    static exec_timer timer;
    exec_config config;
    memset(&config, 0, sizeof config);
    config.virtual_clock = 1;
    spawn_sitter();
    must(exec_init(&other, &config));
    must(exec_timers_attach(&timers, &other));
    if (!exec_timer_arm(&timers, &timer, EXEC_MS(1), handle.task)) _exit(3);
    must(exec_clock_advance(&other, EXEC_MS(2)));
    exec_turn(&other);
}
static void a_frame_freed_while_pending_is_refused(void **state) {
    static const char waits[] = "a frame is freed and an op in it, or of its task, still waits for a descriptor "
        "or a signal: exec_net_deregister when the leaf ends";
    (void)state;
    dies_at(awaits_in_a_frame_that_ends, AWAITS_AT,
            "a frame is freed while another task awaits what is in it: join the task instead");
    dies_at(a_branch_awaits_in_a_frame_that_ends, RACES_AT,
            "a frame is freed while another task awaits what is in it: join the task instead");
    dies_at(leaves_a_timer, AWAITS_AT, "a frame is freed and a timer is still armed in it, or wakes its task: "
            "exec_timer_cancel it when the leaf ends");
    dies_at(leaves_a_timer_for_another, ARMS_AT, "a frame is freed and a timer is still armed in it, or wakes its "
            "task: exec_timer_cancel it when the leaf ends");
    dies_at(leaves_a_waiter, AWAITS_AT, waits);
    dies_at(arms_the_wheel_of_another, SITS_AT, "a timer or a descriptor of one executor wakes a task of another one: "
            "use those of its own");
    dies_at(leaves_a_waiter_to_write, AWAITS_AT, waits);
    dies_at(leaves_a_waiter_for_another, REGISTERS_AT, waits);
    dies_at(ends_with_a_linked_handle, WATCHES_AT, "a frame is freed and a handle in it is still linked: "
            "exec_handle_detach in its EXEC_FINALLY, or join the task");
    dies_in(wakes_one_that_is_over, "exec.h", "exec_wake of a task that is over: a leaf forgets its task when it "
            "is ready or cancelled; from elsewhere, wake an exec_waker");
    spawn_sitter();
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), watches, .rest = 1), 0);
    assert_true(exec_turn(&ex) >= 0);
    assert_true(exec_turn(&ex) >= 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

/* ---------------------------------------------------------------------- a group left with children */

typedef struct { EXEC_FRAME; exec_group crew; int wrong; } holds;
EXEC_ASYNC(holds) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), sits);
    EXEC_YIELD;
    if (self->wrong) memset(&self->crew, 0, sizeof self->crew);
    if (self->wrong == 2) gate_open(&opening, 0);
    if (self->wrong == 2) EXEC_YIELD;
    EXEC_END;
}
enum { HOLDS_AT = __LINE__ - 6 };
static void leaves_by(int wrong) {
    memset(&opening, 0, sizeof opening);
    open_exec(&ex);
    must(EXEC_SPAWN(&ex, test_opts(), holds, .wrong = wrong));
    for (int i = 0; i < 4; i++) must(exec_turn(&ex));
}
static void zeroes_a_group(void) { leaves_by(1); }
static void zeroes_a_group_whose_child_ends(void) { leaves_by(2); }

static void a_group_left_with_children_is_refused(void **state) {
    static const char lost[] = "a group was zeroed or freed while it had children: it is a member of the frame that "
        "spawns into it, or of one around that";
    (void)state;
    dies_at(zeroes_a_group, HOLDS_AT, lost);
    dies_in(zeroes_a_group_whose_child_ends, "exec.h", lost);
    leaves_by(0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

/* Closed elsewhere; another file has its number. */
static void reads_from_a_descriptor_replaced(void) {
    int pair[2], other[2];
    open_net(pair);
    must(EXEC_SPAWN(&ex, test_opts(), reads, .fd = pair[0]));
    must(exec_turn(&ex));
    if (write(pair[1], "x", 1) != 1 || exec_turn(&ex) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, other) < 0) _exit(3);
    if (dup2(other[0], pair[0]) < 0) _exit(3);
    must(EXEC_SPAWN(&ex, test_opts(), reads, .fd = pair[0]));
    must(exec_turn(&ex));
}
static void a_descriptor_replaced_behind_our_back_is_refused(void **state) {
    (void)state;
    dies_at(reads_from_a_descriptor_replaced, READS_AT, "a wait for a descriptor that was closed and came back: close "
            "with exec_close_fd, or call exec_fd_forget before a foreign close()");
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#if EXEC_DEBUG
        cmocka_unit_test(the_wrong_thread_is_refused),
        cmocka_unit_test(a_double_await_is_refused),
        cmocka_unit_test(a_dropped_waker_or_remote_is_refused),
        cmocka_unit_test(a_return_from_a_coroutine_is_refused),
        cmocka_unit_test(an_executor_that_was_not_made_is_refused),
        cmocka_unit_test(a_frame_freed_while_pending_is_refused),
        cmocka_unit_test(a_group_left_with_children_is_refused),
        cmocka_unit_test(a_descriptor_replaced_behind_our_back_is_refused),
#endif
        cmocka_unit_test(a_second_waiter_of_one_direction_is_refused)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
